-- Removes everything the base schema made, data included: the runner asks for `--to -1` to come this far.

DROP VIEW open_positions;
DROP VIEW pricing_pack_state;
DROP VIEW job_run_state;
DROP TABLE job_runs;
DROP TABLE notifications;
DROP TABLE portfolio_daily_values;
DROP TABLE lots;
DROP TABLE transactions;
DROP TABLE portfolios;
DROP TABLE fx_rates;
DROP TABLE prices;
DROP TABLE pricing_pack_event;
DROP TABLE pricing_pack;
DROP FUNCTION refuse_change();
DROP TABLE securities;
DROP TABLE users;
