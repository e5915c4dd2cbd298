-- What the pacer of each campaign has learnt: one text a campaign, which the pacer alone reads.
CREATE TABLE pacer_state (
    campaign INTEGER PRIMARY KEY REFERENCES campaigns,
    at       INTEGER NOT NULL,
    learnt   TEXT    NOT NULL
) STRICT;
