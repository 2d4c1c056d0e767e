DROP TABLE factor_exposures;
DROP TABLE currency_attribution;
DROP TABLE portfolio_metrics;
DROP TABLE ratings;
DROP TABLE macro_regime_snapshots;
DROP TABLE macro_observations;
DROP TABLE macro_series;
DROP TABLE macro_dataset;
