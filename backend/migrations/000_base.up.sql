-- Base schema. Run by the role that owns the database; the role of the service (dawsos_app) only receives grants.

CREATE TABLE users (
    id uuid PRIMARY KEY,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE securities (
    symbol text PRIMARY KEY CHECK (symbol <> ''),
    title text NOT NULL,
    currency char(3) NOT NULL CHECK (currency ~ '^[A-Z]{3}$')
);

-- Pricing packs are append-only: a restatement is a new row that supersedes the old one, freshness is an event.
CREATE TABLE pricing_pack (
    id text PRIMARY KEY CHECK (id <> ''),
    asof_date date NOT NULL,
    policy text NOT NULL CHECK (policy <> ''),
    hash char(64) NOT NULL CHECK (hash ~ '^[0-9a-f]{64}$'),
    supersedes text,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (id, asof_date),
    -- One successor per pack, of the same date, never itself: chains cannot fork or loop.
    UNIQUE (supersedes),
    CHECK (id <> supersedes),
    FOREIGN KEY (supersedes, asof_date) REFERENCES pricing_pack (id, asof_date)
);

CREATE UNIQUE INDEX pricing_pack_one_root ON pricing_pack (asof_date, policy) WHERE supersedes IS NULL;

CREATE TABLE pricing_pack_event (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    pricing_pack_id text NOT NULL REFERENCES pricing_pack (id),
    state text NOT NULL CHECK (state IN ('warming', 'fresh', 'error')),
    reason text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE INDEX pricing_pack_event_by_pack ON pricing_pack_event (pricing_pack_id, seq DESC);

CREATE TABLE prices (
    pricing_pack_id text NOT NULL REFERENCES pricing_pack (id),
    symbol text NOT NULL REFERENCES securities (symbol),
    price_close numeric(28, 10) NOT NULL CHECK (price_close > 0),
    currency char(3) NOT NULL,
    origin text NOT NULL,
    observed_on date NOT NULL,
    PRIMARY KEY (pricing_pack_id, symbol)
);

-- A rate keeps its significant digits: a fixed scale would lose more than a basis point on very small rates.
CREATE TABLE fx_rates (
    pricing_pack_id text NOT NULL REFERENCES pricing_pack (id),
    base char(3) NOT NULL,
    quote char(3) NOT NULL CHECK (quote <> base),
    rate numeric NOT NULL CHECK (rate > 0),
    PRIMARY KEY (pricing_pack_id, base, quote)
);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% on % is refused: the table is append-only', tg_op, tg_table_name USING ERRCODE = '55000';
END;
$$;

CREATE TRIGGER append_only_row BEFORE UPDATE OR DELETE ON pricing_pack
FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only_table BEFORE TRUNCATE ON pricing_pack
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only_row BEFORE UPDATE OR DELETE ON pricing_pack_event
FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only_table BEFORE TRUNCATE ON pricing_pack_event
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only_row BEFORE UPDATE OR DELETE ON prices
FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only_table BEFORE TRUNCATE ON prices
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only_row BEFORE UPDATE OR DELETE ON fx_rates
FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only_table BEFORE TRUNCATE ON fx_rates
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Tenant tables. Each row carries its user, so that a policy is one comparison; the composite foreign keys make it
-- impossible to hang a row of one user on a portfolio of another (foreign key checks themselves bypass policies).
CREATE TABLE portfolios (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id uuid NOT NULL REFERENCES users (id),
    title text NOT NULL CHECK (title <> ''),
    base_currency char(3) NOT NULL CHECK (base_currency ~ '^[A-Z]{3}$'),
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (id, user_id)
);

CREATE INDEX portfolios_by_user ON portfolios (user_id);

CREATE TABLE transactions (
    id uuid PRIMARY KEY,
    seq bigint GENERATED ALWAYS AS IDENTITY,
    portfolio_id uuid NOT NULL,
    user_id uuid NOT NULL,
    symbol text NOT NULL REFERENCES securities (symbol),
    side text NOT NULL CHECK (side IN ('buy', 'sell')),
    quantity numeric(28, 10) NOT NULL CHECK (quantity > 0),
    price numeric(28, 10) NOT NULL CHECK (price > 0),
    currency char(3) NOT NULL,
    fx_rate numeric NOT NULL CHECK (fx_rate > 0),
    trade_date date NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (portfolio_id, user_id) REFERENCES portfolios (id, user_id)
);

CREATE INDEX transactions_by_portfolio ON transactions (portfolio_id, seq);

CREATE TABLE lots (
    id uuid PRIMARY KEY REFERENCES transactions (id),
    seq bigint GENERATED ALWAYS AS IDENTITY,
    portfolio_id uuid NOT NULL,
    user_id uuid NOT NULL,
    symbol text NOT NULL REFERENCES securities (symbol),
    opened_on date NOT NULL,
    quantity numeric(28, 10) NOT NULL CHECK (quantity >= 0),
    unit_cost numeric(28, 10) NOT NULL CHECK (unit_cost > 0),
    currency char(3) NOT NULL,
    fx_rate numeric NOT NULL CHECK (fx_rate > 0),
    FOREIGN KEY (portfolio_id, user_id) REFERENCES portfolios (id, user_id)
);

CREATE INDEX lots_by_portfolio ON lots (portfolio_id, symbol) WHERE quantity > 0;

CREATE TABLE portfolio_daily_values (
    portfolio_id uuid NOT NULL,
    user_id uuid NOT NULL,
    asof_date date NOT NULL,
    pricing_pack_id text NOT NULL REFERENCES pricing_pack (id),
    -- Rounded by the service, to 8 decimals or 28 digits; a fixed scale would refuse the largest legal holdings.
    total numeric NOT NULL,
    PRIMARY KEY (portfolio_id, asof_date),
    FOREIGN KEY (portfolio_id, user_id) REFERENCES portfolios (id, user_id)
);

CREATE TABLE notifications (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    portfolio_id uuid NOT NULL,
    user_id uuid NOT NULL,
    asof_date date NOT NULL,
    rule text NOT NULL,
    change numeric(18, 8) NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    -- A rerun of the night tells the user nothing twice.
    UNIQUE (portfolio_id, rule, asof_date),
    FOREIGN KEY (portfolio_id, user_id) REFERENCES portfolios (id, user_id)
);

-- FORCE binds the owner too. After a transaction with set_config(..., true) the setting reads '' and not NULL, hence
-- NULLIF: a connection without a user sees nothing instead of failing on a cast.
ALTER TABLE portfolios ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE transactions ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE lots ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE portfolio_daily_values ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE notifications ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY own_rows ON portfolios FOR ALL
USING (user_id = nullif(current_setting('app.user_id', TRUE), '')::uuid)
WITH CHECK (user_id = nullif(current_setting('app.user_id', TRUE), '')::uuid);
CREATE POLICY own_rows ON transactions FOR ALL
USING (user_id = nullif(current_setting('app.user_id', TRUE), '')::uuid)
WITH CHECK (user_id = nullif(current_setting('app.user_id', TRUE), '')::uuid);
CREATE POLICY own_rows ON lots FOR ALL
USING (user_id = nullif(current_setting('app.user_id', TRUE), '')::uuid)
WITH CHECK (user_id = nullif(current_setting('app.user_id', TRUE), '')::uuid);
CREATE POLICY own_rows ON portfolio_daily_values FOR ALL
USING (user_id = nullif(current_setting('app.user_id', TRUE), '')::uuid)
WITH CHECK (user_id = nullif(current_setting('app.user_id', TRUE), '')::uuid);
CREATE POLICY own_rows ON notifications FOR ALL
USING (user_id = nullif(current_setting('app.user_id', TRUE), '')::uuid)
WITH CHECK (user_id = nullif(current_setting('app.user_id', TRUE), '')::uuid);

CREATE TABLE job_runs (
    seq integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- Null when a job was run on its own.
    night uuid,
    job text NOT NULL,
    started timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished timestamptz,
    status text NOT NULL DEFAULT 'running' CHECK (status IN ('running', 'succeeded', 'failed')),
    git_sha text NOT NULL,
    deployment_id text NOT NULL,
    error text NOT NULL DEFAULT ''
);

CREATE INDEX job_runs_by_job ON job_runs (job, seq DESC);

-- A worker holds the advisory lock (3493, seq) while its job runs. A row that says 'running' while nobody holds the
-- lock belongs to a worker that was killed: it counts as failed without anybody having to clean up.
CREATE VIEW job_run_state WITH (security_invoker = TRUE) AS
SELECT
    r.seq,
    r.night,
    r.job,
    r.started,
    r.finished,
    r.git_sha,
    r.deployment_id,
    r.error,
    CASE
        WHEN r.status <> 'running' THEN r.status
        WHEN EXISTS (
            SELECT 1 FROM pg_locks AS l
            WHERE
                l.locktype = 'advisory' AND l.granted
                AND l.database = (
                    SELECT d.oid FROM pg_database AS d
                    WHERE d.datname = current_database()
                )
                AND l.classid = 3493 AND l.objid = r.seq::oid AND l.objsubid = 2
        ) THEN 'running'
        ELSE 'failed'
    END AS status
FROM job_runs AS r;

CREATE VIEW pricing_pack_state WITH (security_invoker = TRUE) AS
SELECT
    p.id,
    coalesce(
        (
            SELECT e.state = 'fresh' FROM pricing_pack_event AS e
            WHERE e.pricing_pack_id = p.id
            ORDER BY e.seq DESC
            LIMIT 1
        ), FALSE
    ) AS is_fresh
FROM pricing_pack AS p;

CREATE VIEW open_positions WITH (security_invoker = TRUE) AS
SELECT
    portfolio_id,
    symbol,
    sum(quantity) AS quantity
FROM lots
GROUP BY portfolio_id, symbol
HAVING sum(quantity) <> 0;

REVOKE ALL ON ALL TABLES IN SCHEMA public FROM public;
GRANT USAGE ON SCHEMA public TO dawsos_app;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO dawsos_app;
GRANT INSERT ON users, portfolios, transactions, lots, notifications TO dawsos_app;
GRANT INSERT ON pricing_pack, pricing_pack_event, prices, fx_rates TO dawsos_app;
GRANT INSERT, UPDATE ON securities, portfolio_daily_values TO dawsos_app;
GRANT INSERT ON job_runs TO dawsos_app;
GRANT UPDATE (quantity) ON lots TO dawsos_app;
GRANT UPDATE (status, finished, error) ON job_runs TO dawsos_app;
