-- What a process that starts soon after another one looks after once more: attempts that a death interrupted, newest first.
CREATE INDEX attempt_interrupted ON attempts (ended_at) WHERE outcome = 'interrupted';
