DROP TABLE factor_regressions;
