-- The older schema has no place for dividends, splits and cash: those rows go, with the log of the journals, the
-- balances, the reconciliations and the audit log. Trades and lots stay. Journals on disk are not touched.

DROP TABLE audit_log;
DROP TABLE reconciliations;
DROP TABLE journal_entries;
DROP TABLE journals;
DROP TABLE cash_balances;

REVOKE UPDATE (unit_cost) ON lots FROM dawsos_app;
ALTER TABLE lots ALTER COLUMN unit_cost TYPE numeric(28, 10);

DROP INDEX transactions_by_symbol;
DROP TRIGGER append_only_table ON transactions;
DROP TRIGGER append_only_row ON transactions;
-- Also the owner only sees rows of a user; without the force he sees all for this one statement.
ALTER TABLE transactions NO FORCE ROW LEVEL SECURITY;
DELETE FROM transactions
WHERE side NOT IN ('buy', 'sell');
ALTER TABLE transactions FORCE ROW LEVEL SECURITY;
ALTER TABLE transactions
DROP CONSTRAINT transactions_shape,
DROP CONSTRAINT transactions_side_check,
ADD CONSTRAINT transactions_side_check CHECK (side IN ('buy', 'sell')),
DROP COLUMN old_shares,
DROP COLUMN withheld,
DROP COLUMN ex_date,
DROP COLUMN realised,
ALTER COLUMN fx_rate SET NOT NULL,
ALTER COLUMN price SET NOT NULL,
ALTER COLUMN symbol SET NOT NULL;
