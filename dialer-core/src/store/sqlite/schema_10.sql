-- Which device of a user was chosen to be called first.
CREATE TABLE preferred_devices (
    user   TEXT PRIMARY KEY,
    device TEXT NOT NULL
) STRICT, WITHOUT ROWID;
