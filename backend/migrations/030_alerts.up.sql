-- Alert rules, what fired, and the outbox. All three are tenant tables: user_id, forced row security, one policy.
CREATE TABLE alerts (
    id uuid PRIMARY KEY,
    portfolio_id uuid NOT NULL,
    user_id uuid NOT NULL,
    op text NOT NULL CHECK (op IN ('<', '<=', '>', '>=')),
    threshold numeric NOT NULL,
    span text NOT NULL CHECK (span IN ('daily', 'intraday')),
    cooldown_minutes integer NOT NULL CHECK (cooldown_minutes BETWEEN 1 AND 10080),
    webhook_url text,
    -- Needed in clear to sign; shown to its owner once, and to nobody else by the policy below.
    webhook_secret text,
    emails text[] NOT NULL DEFAULT '{}',
    reference_value numeric,
    created_at timestamptz NOT NULL,
    last_evaluated_at timestamptz,
    -- A rule that is removed stays for the record of what it told.
    removed boolean NOT NULL DEFAULT FALSE,
    UNIQUE (id, user_id),
    CHECK ((webhook_url IS NULL) = (webhook_secret IS NULL)),
    FOREIGN KEY (portfolio_id, user_id) REFERENCES portfolios (id, user_id)
);

CREATE INDEX alerts_by_portfolio ON alerts (user_id, portfolio_id) WHERE NOT removed;

CREATE TABLE alert_firings (
    id uuid PRIMARY KEY,
    alert_id uuid NOT NULL,
    portfolio_id uuid NOT NULL,
    user_id uuid NOT NULL,
    asof_date date NOT NULL,
    -- Null for a test message.
    change numeric(28, 8),
    triggered_at timestamptz NOT NULL,
    traceparent text,
    UNIQUE (id, user_id),
    FOREIGN KEY (alert_id, user_id) REFERENCES alerts (id, user_id),
    FOREIGN KEY (portfolio_id, user_id) REFERENCES portfolios (id, user_id)
);

CREATE INDEX alert_firings_newest ON alert_firings (user_id, triggered_at DESC);

CREATE TABLE outbox (
    id uuid PRIMARY KEY,
    firing_id uuid NOT NULL,
    user_id uuid NOT NULL,
    condition_digest text NOT NULL,
    method text NOT NULL CHECK (method IN ('in_app', 'webhook', 'email')),
    recipient text NOT NULL CHECK (recipient <> ''),
    status text NOT NULL CHECK (status IN ('pending', 'delivered', 'dead')),
    attempts integer NOT NULL DEFAULT 0,
    replays integer NOT NULL DEFAULT 0,
    due_at timestamptz NOT NULL,
    delivered_at timestamptz,
    last_error text NOT NULL DEFAULT '',
    CHECK ((status = 'delivered') = (delivered_at IS NOT NULL)),
    FOREIGN KEY (firing_id, user_id) REFERENCES alert_firings (id, user_id)
);

CREATE INDEX outbox_due ON outbox (user_id, due_at) WHERE status = 'pending';
CREATE INDEX outbox_by_firing ON outbox (firing_id);

-- A message once delivered stays delivered: no replay, no late worker and no mistake can send it again.
CREATE FUNCTION refuse_second_delivery() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF old.status = 'delivered' THEN
        RAISE EXCEPTION 'delivery % was made', old.id USING ERRCODE = '55000';
    END IF;
    RETURN new;
END;
$$;

CREATE TRIGGER delivered_once BEFORE UPDATE ON outbox
FOR EACH ROW EXECUTE FUNCTION refuse_second_delivery();

ALTER TABLE alerts ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE alert_firings ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE outbox ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY own_rows ON alerts FOR ALL
USING (user_id = nullif(current_setting('app.user_id', TRUE), '')::uuid)
WITH CHECK (user_id = nullif(current_setting('app.user_id', TRUE), '')::uuid);
CREATE POLICY own_rows ON alert_firings FOR ALL
USING (user_id = nullif(current_setting('app.user_id', TRUE), '')::uuid)
WITH CHECK (user_id = nullif(current_setting('app.user_id', TRUE), '')::uuid);
CREATE POLICY own_rows ON outbox FOR ALL
USING (user_id = nullif(current_setting('app.user_id', TRUE), '')::uuid)
WITH CHECK (user_id = nullif(current_setting('app.user_id', TRUE), '')::uuid);

GRANT SELECT, INSERT ON alerts, alert_firings, outbox TO dawsos_app;
GRANT UPDATE (removed, last_evaluated_at) ON alerts TO dawsos_app;
GRANT UPDATE (status, attempts, replays, due_at, delivered_at, last_error) ON outbox TO dawsos_app;
