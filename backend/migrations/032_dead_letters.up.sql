-- The worker looks for a user's dead letters every hour; without this it reads the outbox of everybody.
CREATE INDEX outbox_dead ON outbox (user_id) WHERE status = 'dead';
