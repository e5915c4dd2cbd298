-- Times are milliseconds since 1970-01-01T00:00:00Z, lengths are milliseconds. Enums are words.

CREATE TABLE campaigns (
    campaign     INTEGER PRIMARY KEY,
    spec         TEXT    NOT NULL,
    state        TEXT    NOT NULL,
    started_at   INTEGER,
    elapsed_ms   INTEGER NOT NULL,
    -- Copied from the spec, because claims and reads need them.
    attempts_max INTEGER NOT NULL,
    timezone     TEXT,
    -- How many imports there have been.
    imports      INTEGER NOT NULL DEFAULT 0,
    -- Kept by triggers, so that nobody counts a million tasks.
    tasks_open   INTEGER NOT NULL DEFAULT 0 CHECK (tasks_open >= 0),
    tasks_total  INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE contacts (
    contact     INTEGER PRIMARY KEY,
    campaign    INTEGER NOT NULL REFERENCES campaigns,
    external_id TEXT    NOT NULL,
    name        TEXT    NOT NULL,
    timezone    TEXT,
    fields      TEXT    NOT NULL,
    -- The import that touched it last.
    import      INTEGER NOT NULL
) STRICT;

CREATE UNIQUE INDEX contact_external_id ON contacts (campaign, external_id);

-- A contact's numbers, best first.
CREATE TABLE numbers (
    contact  INTEGER NOT NULL REFERENCES contacts,
    position INTEGER NOT NULL,
    campaign INTEGER NOT NULL,
    number   TEXT    NOT NULL CHECK (number LIKE '+%'),
    PRIMARY KEY (contact, position)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX number_in_campaign ON numbers (campaign, number);

CREATE TABLE tasks (
    task             INTEGER PRIMARY KEY,
    campaign         INTEGER NOT NULL REFERENCES campaigns,
    contact          INTEGER NOT NULL REFERENCES contacts,
    -- Open while NULL.
    closed_reason    TEXT,
    attempts         INTEGER NOT NULL DEFAULT 0,
    first_attempt_at INTEGER,
    last_attempt     INTEGER,
    last_outcome     TEXT,
    disposition      TEXT,
    -- NULL while claimed, while a disposition is awaited and once closed.
    next_at          INTEGER,
    CHECK (closed_reason IS NULL OR next_at IS NULL)
) STRICT;

CREATE UNIQUE INDEX task_of_contact ON tasks (contact, campaign);
CREATE INDEX task_due ON tasks (campaign, next_at) WHERE closed_reason IS NULL;

CREATE TRIGGER task_opened AFTER INSERT ON tasks BEGIN
    UPDATE campaigns SET tasks_open = tasks_open + 1, tasks_total = tasks_total + 1
    WHERE campaign = NEW.campaign;
END;

CREATE TRIGGER task_closed AFTER UPDATE OF closed_reason ON tasks
WHEN OLD.closed_reason IS NULL AND NEW.closed_reason IS NOT NULL BEGIN
    UPDATE campaigns SET tasks_open = tasks_open - 1 WHERE campaign = NEW.campaign;
END;

CREATE TRIGGER task_stays_closed BEFORE UPDATE OF closed_reason ON tasks
WHEN OLD.closed_reason IS NOT NULL AND NEW.closed_reason IS NOT OLD.closed_reason BEGIN
    SELECT RAISE(ABORT, 'a closed task stays closed');
END;

CREATE TABLE attempts (
    attempt            INTEGER PRIMARY KEY,
    campaign           INTEGER NOT NULL REFERENCES campaigns,
    task               INTEGER NOT NULL REFERENCES tasks,
    contact            INTEGER NOT NULL REFERENCES contacts,
    number             TEXT    NOT NULL,
    trunk              TEXT    NOT NULL,
    caller_id          TEXT    NOT NULL,
    intent_at          INTEGER NOT NULL,
    placed_at          INTEGER,
    ringing_at         INTEGER,
    answered_at        INTEGER,
    bridged_at         INTEGER,
    ended_at           INTEGER,
    -- Open while NULL.
    outcome            TEXT,
    sip_status         INTEGER,
    attribution        TEXT,
    reason             TEXT    NOT NULL DEFAULT '',
    agent              TEXT,
    answer_to_agent_ms INTEGER,
    talk_ms            INTEGER NOT NULL DEFAULT 0,
    recording          TEXT,
    recording_ms       INTEGER,
    recording_sha256   TEXT,
    CHECK ((outcome IS NULL) = (ended_at IS NULL))
) STRICT;

-- One open attempt per contact and per number, over all campaigns.
CREATE UNIQUE INDEX attempt_open_contact ON attempts (contact) WHERE outcome IS NULL;
CREATE UNIQUE INDEX attempt_open_number ON attempts (number) WHERE outcome IS NULL;

-- One terminal outcome per attempt, written once.
CREATE TRIGGER attempt_ends_once BEFORE UPDATE OF outcome ON attempts
WHEN OLD.outcome IS NOT NULL BEGIN
    SELECT RAISE(ABORT, 'an attempt ends once');
END;

CREATE TRIGGER attempt_stays BEFORE DELETE ON attempts BEGIN
    SELECT RAISE(ABORT, 'attempts are kept');
END;

-- What a CANCEL or BYE needs, apart from the attempts so that their rows stay small.
CREATE TABLE calls (
    attempt INTEGER PRIMARY KEY REFERENCES attempts,
    route   TEXT NOT NULL,
    dialog  TEXT
) STRICT;

CREATE TABLE dispositions (
    attempt     INTEGER NOT NULL REFERENCES attempts,
    task        INTEGER NOT NULL REFERENCES tasks,
    agent       TEXT    NOT NULL,
    at          INTEGER NOT NULL,
    disposition TEXT    NOT NULL,
    note        TEXT    NOT NULL,
    PRIMARY KEY (attempt, task)
) STRICT, WITHOUT ROWID;

CREATE TABLE suppressed (
    number TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;

CREATE TABLE agent_time (
    agent      TEXT PRIMARY KEY,
    ready_ms   INTEGER NOT NULL,
    talking_ms INTEGER NOT NULL,
    wrap_up_ms INTEGER NOT NULL,
    away_ms    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE agent_legs (
    agent TEXT PRIMARY KEY,
    leg   TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE bindings (
    user       TEXT    NOT NULL,
    contact    TEXT    NOT NULL,
    address    TEXT    NOT NULL,
    expires_at INTEGER NOT NULL,
    call_id    TEXT    NOT NULL,
    cseq       INTEGER NOT NULL,
    PRIMARY KEY (user, contact)
) STRICT, WITHOUT ROWID;
