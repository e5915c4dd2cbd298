-- What a claim, an answer and an ending do, each as one statement: atomic by itself, refused with one word; and many of
-- them, with the rest of what calls write, as one statement of JSON arrays. These are
-- views and triggers of the writer's own connection, made anew whenever it opens; the database does not keep them.

CREATE TEMP VIEW claims AS
SELECT 0 AS attempt, 0 AS campaign, 0 AS task, 0 AS contact, '' AS number, '' AS trunk, '' AS caller_id, 0 AS at,
    '' AS route;

CREATE TEMP TRIGGER claim INSTEAD OF INSERT ON claims BEGIN
    SELECT RAISE(ABORT, 'suppressed') FROM suppressed WHERE number = NEW.number;
    SELECT RAISE(ABORT, 'open') FROM attempts WHERE contact = NEW.contact AND outcome IS NULL;
    SELECT RAISE(ABORT, 'open') FROM attempts WHERE number = NEW.number AND outcome IS NULL;
    SELECT CASE WHEN outcome IS NULL THEN RAISE(ABORT, 'open') ELSE RAISE(ABORT, 'ended') END
    FROM attempts WHERE attempt = NEW.attempt;
    SELECT RAISE(ABORT, 'task') WHERE NOT EXISTS (
        SELECT 1 FROM tasks JOIN campaigns USING (campaign)
        WHERE task = NEW.task AND campaign = NEW.campaign AND contact = NEW.contact
            AND closed_reason IS NULL AND attempts < attempts_max
    );
    INSERT INTO attempts (attempt, campaign, task, contact, number, trunk, caller_id, intent_at)
    VALUES (NEW.attempt, NEW.campaign, NEW.task, NEW.contact, NEW.number, NEW.trunk, NEW.caller_id, NEW.at);
    INSERT INTO calls (attempt, route) VALUES (NEW.attempt, NEW.route);
    UPDATE tasks SET attempts = attempts + 1, first_attempt_at = coalesce(first_attempt_at, NEW.at),
        last_attempt = NEW.attempt, next_at = NULL
    WHERE task = NEW.task;
END;

CREATE TEMP VIEW diversions AS SELECT 0 AS attempt, '' AS trunk, '' AS caller_id, '' AS route;

CREATE TEMP TRIGGER diversion INSTEAD OF INSERT ON diversions
WHEN EXISTS (SELECT 1 FROM attempts WHERE attempt = NEW.attempt AND outcome IS NULL AND answered_at IS NULL) BEGIN
    INSERT INTO diverted_calls (attempt, route) SELECT attempt, route FROM calls WHERE attempt = NEW.attempt;
    UPDATE calls SET route = NEW.route WHERE attempt = NEW.attempt;
    UPDATE attempts SET trunk = NEW.trunk, caller_id = NEW.caller_id WHERE attempt = NEW.attempt;
END;

CREATE TEMP VIEW answers AS SELECT 0 AS attempt, 0 AS at, '' AS dialog;

CREATE TEMP TRIGGER answer INSTEAD OF INSERT ON answers BEGIN
    UPDATE attempts SET answered_at = NEW.at WHERE attempt = NEW.attempt AND answered_at IS NULL;
    UPDATE calls SET dialog = NEW.dialog WHERE attempt = NEW.attempt AND dialog IS NULL;
END;

CREATE TEMP VIEW endings AS
SELECT 0 AS attempt, 0 AS at, '' AS outcome, 0 AS sip_status, '' AS attribution, '' AS reason, 0 AS talk_ms;

CREATE TEMP TRIGGER ending INSTEAD OF INSERT ON endings BEGIN
    SELECT RAISE(ABORT, 'ended') WHERE NOT EXISTS (
        SELECT 1 FROM attempts WHERE attempt = NEW.attempt AND outcome IS NULL
    );
    UPDATE attempts SET ended_at = NEW.at, outcome = NEW.outcome, sip_status = NEW.sip_status,
        attribution = NEW.attribution, reason = NEW.reason, talk_ms = NEW.talk_ms
    WHERE attempt = NEW.attempt;
    UPDATE tasks SET last_outcome = NEW.outcome
    WHERE task = (SELECT task FROM attempts WHERE attempt = NEW.attempt);
    -- Whoever says that it was interrupted has not ended its calls yet.
    DELETE FROM diverted_calls WHERE attempt = NEW.attempt AND NEW.outcome <> 'interrupted';
END;

CREATE TEMP VIEW bulks AS
SELECT '' AS claims, '' AS answers, '' AS endings, '' AS tasks, '' AS dispositions, '' AS legs,
    '' AS progress;

-- Progress comes last, so that it finds the attempts that begin here. Of it, what is there already stays.
CREATE TEMP TRIGGER bulk INSTEAD OF INSERT ON bulks BEGIN
    INSERT INTO claims
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
        value ->> 8
    FROM jsonb_each(NEW.claims);

    INSERT INTO answers SELECT value ->> 0, value ->> 1, value ->> 2 FROM jsonb_each(NEW.answers);

    INSERT INTO endings
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6
    FROM jsonb_each(NEW.endings);

    -- The right-hand sides read the row as it was: a closed task keeps its reason and stays without a time.
    UPDATE tasks SET closed_reason = coalesce(tasks.closed_reason, told.closed_reason),
        next_at = CASE WHEN tasks.closed_reason IS NULL THEN told.next_at END,
        disposition = coalesce(told.disposition, tasks.disposition)
    FROM (
        SELECT value ->> 0 AS task, value ->> 1 AS closed_reason, value ->> 2 AS next_at, value ->> 3 AS disposition
        FROM jsonb_each(NEW.tasks)
    ) AS told
    WHERE tasks.task = told.task;

    -- In the order of the array, so that the last word on an attempt counts.
    INSERT INTO dispositions (attempt, task, agent, at, disposition, note)
    SELECT attempts.attempt, tasks.task, value ->> 2, value ->> 3, value ->> 4, value ->> 5
    FROM jsonb_each(NEW.dispositions) CROSS JOIN attempts CROSS JOIN tasks
    WHERE attempts.attempt = value ->> 0 AND tasks.task = value ->> 1
    ON CONFLICT DO UPDATE SET agent = excluded.agent, at = excluded.at, disposition = excluded.disposition,
        note = excluded.note;

    DELETE FROM agent_legs WHERE agent IN (SELECT value ->> 0 FROM jsonb_each(NEW.legs));
    INSERT INTO agent_legs (agent, leg)
    SELECT value ->> 0, value ->> 1 FROM jsonb_each(NEW.legs) WHERE value ->> 1 IS NOT NULL;

    UPDATE attempts SET
        placed_at = coalesce(attempts.placed_at, told.placed_at),
        ringing_at = coalesce(attempts.ringing_at, told.ringing_at),
        bridged_at = coalesce(attempts.bridged_at, told.bridged_at),
        agent = coalesce(attempts.agent, told.agent),
        answer_to_agent_ms = coalesce(attempts.answer_to_agent_ms, told.answer_to_agent_ms),
        recording = coalesce(attempts.recording, told.recording),
        recording_ms = coalesce(attempts.recording_ms, told.recording_ms),
        recording_sha256 = coalesce(attempts.recording_sha256, told.recording_sha256)
    FROM (
        SELECT value ->> 0 AS attempt, value ->> 1 AS placed_at, value ->> 2 AS ringing_at, value ->> 3 AS bridged_at,
            value ->> 4 AS agent, value ->> 5 AS answer_to_agent_ms, value ->> 6 AS recording,
            value ->> 7 AS recording_ms, value ->> 8 AS recording_sha256
        FROM jsonb_each(NEW.progress)
    ) AS told
    WHERE attempts.attempt = told.attempt;
END;
