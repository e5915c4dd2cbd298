-- What a claim, an answer and an ending do, each as one statement: atomic by itself, refused with one word. These are
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
END;
