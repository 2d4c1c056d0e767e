-- What explained a portfolio's daily returns as of a night: loadings and shares of variance by factor.
CREATE TABLE factor_regressions (
    portfolio_id uuid NOT NULL,
    user_id uuid NOT NULL,
    asof_date date NOT NULL,
    pricing_pack_id text NOT NULL REFERENCES pricing_pack (id),
    observations integer NOT NULL CHECK (observations > 0),
    alpha numeric NOT NULL,
    r_squared numeric(9, 8) NOT NULL CHECK (r_squared BETWEEN 0 AND 1),
    residual numeric(9, 8) NOT NULL,
    betas_json jsonb NOT NULL,
    variance_share_json jsonb NOT NULL,
    PRIMARY KEY (portfolio_id, asof_date),
    FOREIGN KEY (portfolio_id, user_id) REFERENCES portfolios (id, user_id)
);

ALTER TABLE factor_regressions ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON factor_regressions FOR ALL
USING (user_id = nullif(current_setting('app.user_id', TRUE), '')::uuid)
WITH CHECK (user_id = nullif(current_setting('app.user_id', TRUE), '')::uuid);

REVOKE ALL ON factor_regressions FROM public;
GRANT SELECT, INSERT, UPDATE ON factor_regressions TO dawsos_app;
