-- Calls of attempts that went on to another trunk: they may still ring there. Kept until the attempt ends.
CREATE TABLE diverted_calls (
    attempt INTEGER NOT NULL REFERENCES attempts,
    route   TEXT    NOT NULL
) STRICT;

CREATE INDEX diverted_call_of_attempt ON diverted_calls (attempt);
