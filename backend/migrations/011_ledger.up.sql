-- Dividends, splits and cash beside trades; the journal of a portfolio, its reconciliations, and who did what.
-- New columns are nullable and nothing is rewritten, so the release that still runs goes on beside this schema.

ALTER TABLE transactions
ALTER COLUMN symbol DROP NOT NULL,
ALTER COLUMN price DROP NOT NULL,
ALTER COLUMN fx_rate DROP NOT NULL,
ADD COLUMN realised numeric,
ADD COLUMN ex_date date,
ADD COLUMN withheld numeric CHECK (withheld >= 0),
ADD COLUMN old_shares numeric(28, 10) CHECK (old_shares > 0),
DROP CONSTRAINT transactions_side_check,
ADD CONSTRAINT transactions_side_check
CHECK (side IN ('buy', 'sell', 'dividend', 'split', 'deposit', 'withdrawal')),
-- A dividend without the rate of its pay date, or a split without its ratio, cannot be stored.
ADD CONSTRAINT transactions_shape CHECK (
    CASE
        WHEN side IN ('buy', 'sell') THEN num_nulls(symbol, price, fx_rate) = 0
        WHEN side = 'dividend' THEN num_nulls(symbol, price, fx_rate, ex_date, withheld) = 0
        WHEN side = 'split' THEN num_nulls(symbol, old_shares) = 0
        ELSE symbol IS NULL AND fx_rate IS NOT NULL
    END
);

-- Bookings are only ever added, by anybody.
CREATE TRIGGER append_only_row BEFORE UPDATE OR DELETE ON transactions
FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only_table BEFORE TRUNCATE ON transactions
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE INDEX transactions_by_symbol ON transactions (portfolio_id, symbol, trade_date);

-- After a split the unit cost is a quotient; a fixed scale would change the total cost.
ALTER TABLE lots ALTER COLUMN unit_cost TYPE numeric;

CREATE TABLE cash_balances (
    portfolio_id uuid NOT NULL,
    user_id uuid NOT NULL,
    currency char(3) NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    balance numeric NOT NULL,
    PRIMARY KEY (portfolio_id, currency),
    FOREIGN KEY (portfolio_id, user_id) REFERENCES portfolios (id, user_id)
);

-- How far a journal is: what was decided (entries, bytes, the last transaction in it) and what is surely on disk.
CREATE TABLE journals (
    portfolio_id uuid PRIMARY KEY,
    user_id uuid NOT NULL,
    entries integer NOT NULL DEFAULT 0,
    bytes bigint NOT NULL DEFAULT 0,
    last_seq bigint NOT NULL DEFAULT 0,
    written_bytes bigint NOT NULL DEFAULT 0 CHECK (written_bytes <= bytes),
    FOREIGN KEY (portfolio_id, user_id) REFERENCES portfolios (id, user_id)
);

-- The write-ahead log of the files: an entry is here, in the transaction of its booking, before it is in any file.
CREATE TABLE journal_entries (
    portfolio_id uuid NOT NULL,
    user_id uuid NOT NULL,
    entry_no integer NOT NULL,
    transaction_id uuid REFERENCES transactions (id),
    start_byte bigint NOT NULL,
    body text NOT NULL,
    PRIMARY KEY (portfolio_id, entry_no),
    UNIQUE (transaction_id),
    FOREIGN KEY (portfolio_id, user_id) REFERENCES portfolios (id, user_id)
);

CREATE INDEX journal_entries_by_start ON journal_entries (portfolio_id, start_byte);

CREATE TABLE reconciliations (
    portfolio_id uuid NOT NULL,
    user_id uuid NOT NULL,
    asof_date date NOT NULL,
    -- A date is reconciled as often as one likes; each run is kept.
    run_no integer NOT NULL,
    status text NOT NULL CHECK (status IN ('OK', 'FAIL')),
    ledger_commit_hash text NOT NULL CHECK (ledger_commit_hash ~ '^[0-9a-f]{40}([0-9a-f]{24})?$'),
    discrepancies jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (portfolio_id, asof_date, run_no),
    FOREIGN KEY (portfolio_id, user_id) REFERENCES portfolios (id, user_id)
);

-- No foreign key to portfolios: an attempt on a portfolio that is not there is what must be kept.
CREATE TABLE audit_log (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id uuid NOT NULL,
    portfolio_id uuid,
    action text NOT NULL CHECK (action <> ''),
    detail jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE INDEX audit_log_by_user ON audit_log (user_id, seq DESC);

CREATE TRIGGER append_only_row BEFORE UPDATE OR DELETE ON journal_entries
FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only_table BEFORE TRUNCATE ON journal_entries
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only_row BEFORE UPDATE OR DELETE ON reconciliations
FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only_table BEFORE TRUNCATE ON reconciliations
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only_row BEFORE UPDATE OR DELETE ON audit_log
FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only_table BEFORE TRUNCATE ON audit_log
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

ALTER TABLE cash_balances ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE journals ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE journal_entries ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE reconciliations ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE audit_log ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY own_rows ON cash_balances FOR ALL
USING (user_id = nullif(current_setting('app.user_id', TRUE), '')::uuid)
WITH CHECK (user_id = nullif(current_setting('app.user_id', TRUE), '')::uuid);
CREATE POLICY own_rows ON journals FOR ALL
USING (user_id = nullif(current_setting('app.user_id', TRUE), '')::uuid)
WITH CHECK (user_id = nullif(current_setting('app.user_id', TRUE), '')::uuid);
CREATE POLICY own_rows ON journal_entries FOR ALL
USING (user_id = nullif(current_setting('app.user_id', TRUE), '')::uuid)
WITH CHECK (user_id = nullif(current_setting('app.user_id', TRUE), '')::uuid);
CREATE POLICY own_rows ON reconciliations FOR ALL
USING (user_id = nullif(current_setting('app.user_id', TRUE), '')::uuid)
WITH CHECK (user_id = nullif(current_setting('app.user_id', TRUE), '')::uuid);
CREATE POLICY own_rows ON audit_log FOR ALL
USING (user_id = nullif(current_setting('app.user_id', TRUE), '')::uuid)
WITH CHECK (user_id = nullif(current_setting('app.user_id', TRUE), '')::uuid);

GRANT SELECT, INSERT ON cash_balances, journals, journal_entries, reconciliations, audit_log TO dawsos_app;
GRANT UPDATE (balance) ON cash_balances TO dawsos_app;
GRANT UPDATE (entries, bytes, last_seq, written_bytes) ON journals TO dawsos_app;
GRANT UPDATE (quantity, unit_cost) ON lots TO dawsos_app;
