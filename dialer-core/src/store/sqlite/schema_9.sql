-- How the numbers that trunks show have fared, and what they have had of their day.
CREATE TABLE trunk_numbers (
    trunk       TEXT    NOT NULL,
    number      TEXT    NOT NULL,
    calls       INTEGER NOT NULL,
    answers     INTEGER NOT NULL,
    unwanted    INTEGER NOT NULL,
    -- NULL where it does not rest.
    rests_until INTEGER,
    today       INTEGER NOT NULL,
    day_ends_at INTEGER NOT NULL,
    shown_at    INTEGER,
    PRIMARY KEY (trunk, number)
) STRICT, WITHOUT ROWID;
