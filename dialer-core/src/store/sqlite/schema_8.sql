-- Several devices of one user, with their flows.
ALTER TABLE bindings RENAME TO bindings_before;

CREATE TABLE bindings (
    user       TEXT    NOT NULL,
    binding    TEXT    NOT NULL,
    contact    TEXT    NOT NULL,
    address    TEXT    NOT NULL,
    local      TEXT    NOT NULL,
    bound_at   INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    call_id    TEXT    NOT NULL,
    cseq       INTEGER NOT NULL,
    instance   TEXT,
    reg_id     INTEGER,
    q          INTEGER NOT NULL,
    path       TEXT    NOT NULL,
    PRIMARY KEY (user, binding)
) STRICT, WITHOUT ROWID;

-- Phones behind connections, whose address has the transport in front, come again by themselves.
INSERT INTO bindings
SELECT user, contact, contact, address, '0.0.0.0:5060', 0, expires_at, call_id, cseq, NULL, NULL, 1000, '[]'
FROM bindings_before WHERE address NOT GLOB '[a-z]*';

DROP TABLE bindings_before;
