-- What the pacer of each campaign was told and asked, in segments of some parts; the pacer alone reads the bodies.
CREATE TABLE pacer_journal (
    campaign     INTEGER NOT NULL REFERENCES campaigns,
    segment      INTEGER NOT NULL,
    part         INTEGER NOT NULL,
    at           INTEGER NOT NULL,
    decisions_to INTEGER NOT NULL,
    body         BLOB    NOT NULL,
    PRIMARY KEY (campaign, segment, part)
) STRICT;

-- The oldest go: 144 segments of ten minutes are a day.
CREATE TRIGGER pacer_journal_is_bounded AFTER INSERT ON pacer_journal WHEN NEW.part = 0 BEGIN
    DELETE FROM pacer_journal WHERE campaign = NEW.campaign AND segment <= NEW.segment - 144;
END;
