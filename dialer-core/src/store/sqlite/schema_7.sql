-- Calls from outside. Their numbers are counted with those of attempts.
CREATE TABLE inbound (
    call             INTEGER PRIMARY KEY,
    campaign         INTEGER NOT NULL REFERENCES campaigns,
    trunk            TEXT    NOT NULL,
    number           TEXT    NOT NULL,
    -- NULL where it was withheld.
    caller           TEXT,
    diversion        TEXT    NOT NULL,
    history_info     TEXT    NOT NULL,
    -- NULL where the list does not know the caller.
    contact          INTEGER REFERENCES contacts,
    task             INTEGER REFERENCES tasks,
    arrived_at       INTEGER NOT NULL,
    answered_at      INTEGER,
    bridged_at       INTEGER,
    ended_at         INTEGER,
    -- Up while NULL.
    outcome          TEXT,
    reason           TEXT    NOT NULL,
    agent            TEXT,
    talk_ms          INTEGER NOT NULL,
    disposition      TEXT,
    note             TEXT    NOT NULL,
    recording        TEXT,
    recording_ms     INTEGER,
    recording_sha256 TEXT,
    -- What a BYE needs while it is up.
    leg              TEXT,
    CHECK ((outcome IS NULL) = (ended_at IS NULL))
) STRICT;

-- What a restart has to see to.
CREATE INDEX inbound_unfinished ON inbound (call)
WHERE outcome IS NULL OR leg IS NOT NULL OR (outcome = 'talked' AND disposition IS NULL);

CREATE TRIGGER inbound_ends_once BEFORE UPDATE OF outcome ON inbound
WHEN OLD.outcome IS NOT NULL AND NEW.outcome IS NOT OLD.outcome BEGIN
    SELECT RAISE(ABORT, 'an inbound call ends once');
END;
