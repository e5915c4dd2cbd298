-- The agent's user who alone may take the calls of a contact; any agent where NULL.
ALTER TABLE tasks ADD COLUMN owner TEXT;

-- Tasks that wait for an owner never stand in the way of those that anybody may take.
DROP INDEX task_due;
CREATE INDEX task_due ON tasks (campaign, next_at) WHERE closed_reason IS NULL AND owner IS NULL;
CREATE INDEX task_due_owned ON tasks (campaign, owner, next_at) WHERE closed_reason IS NULL AND owner IS NOT NULL;
