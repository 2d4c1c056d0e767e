ALTER TABLE fx_rates DROP COLUMN observed_on;
