-- Results of the analysis. Macro series, regimes and ratings are the same for everybody and have no user; what was
-- computed for a portfolio is its owner's and behind row-level security like every tenant table.

-- One row per data set that was loaded: its digest says whether a document was seen before.
CREATE TABLE macro_dataset (
    sha256 char(64) PRIMARY KEY,
    vintage date NOT NULL,
    loaded_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE macro_series (
    id text PRIMARY KEY,
    title text NOT NULL,
    units text NOT NULL,
    frequency text NOT NULL CHECK (frequency IN ('monthly', 'quarterly')),
    origin text NOT NULL,
    dataset char(64) NOT NULL REFERENCES macro_dataset (sha256)
);

-- By the first day of the month or quarter. A revision replaces the value; the data set says which one it is.
CREATE TABLE macro_observations (
    series_id text NOT NULL REFERENCES macro_series (id),
    period date NOT NULL CHECK (extract(DAY FROM period) = 1),
    reading numeric NOT NULL,
    PRIMARY KEY (series_id, period)
);

CREATE TABLE macro_regime_snapshots (
    quarter date NOT NULL,
    method text NOT NULL,
    label text NOT NULL,
    confidence numeric(4, 2) NOT NULL CHECK (confidence BETWEEN 0 AND 1),
    gdp_yoy numeric(18, 8) NOT NULL,
    gdp_saar numeric(18, 8) NOT NULL,
    unemployment numeric(18, 8) NOT NULL,
    unemployment_change numeric(18, 8) NOT NULL,
    sahm numeric(18, 8) NOT NULL,
    curve numeric(18, 8) NOT NULL,
    production numeric(18, 8) NOT NULL,
    dataset char(64) NOT NULL REFERENCES macro_dataset (sha256),
    PRIMARY KEY (quarter, method)
);

CREATE TABLE ratings (
    symbol text NOT NULL,
    method text NOT NULL,
    fiscal_year integer NOT NULL,
    dividend_safety numeric(4, 2) NOT NULL CHECK (dividend_safety BETWEEN 0 AND 10),
    moat numeric(4, 2) NOT NULL CHECK (moat BETWEEN 0 AND 10),
    resilience numeric(4, 2) NOT NULL CHECK (resilience BETWEEN 0 AND 10),
    overall numeric(4, 2) NOT NULL CHECK (overall BETWEEN 0 AND 10),
    -- What each score was made of, so that it can be explained when the rules have moved on.
    inputs_json jsonb NOT NULL,
    dataset char(64) NOT NULL,
    rated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (symbol, method, fiscal_year)
);

-- Returns have no fixed scale: a portfolio of a few cents may multiply a millionfold.
CREATE TABLE portfolio_metrics (
    portfolio_id uuid NOT NULL,
    user_id uuid NOT NULL,
    asof_date date NOT NULL,
    pricing_pack_id text NOT NULL REFERENCES pricing_pack (id),
    start_date date NOT NULL,
    periods integer NOT NULL CHECK (periods > 0),
    twr numeric NOT NULL,
    annualised numeric,
    volatility numeric,
    sharpe numeric,
    mwr numeric,
    PRIMARY KEY (portfolio_id, asof_date),
    FOREIGN KEY (portfolio_id, user_id) REFERENCES portfolios (id, user_id)
);

-- One row for the whole portfolio (`portfolio`) and one per currency.
CREATE TABLE currency_attribution (
    portfolio_id uuid NOT NULL,
    user_id uuid NOT NULL,
    asof_date date NOT NULL,
    line text NOT NULL,
    pricing_pack_id text NOT NULL REFERENCES pricing_pack (id),
    start_date date NOT NULL CHECK (start_date < asof_date),
    weight numeric NOT NULL,
    local_return numeric NOT NULL,
    fx_return numeric NOT NULL,
    interaction numeric NOT NULL,
    PRIMARY KEY (portfolio_id, asof_date, line),
    FOREIGN KEY (portfolio_id, user_id) REFERENCES portfolios (id, user_id)
);

CREATE TABLE factor_exposures (
    portfolio_id uuid NOT NULL,
    user_id uuid NOT NULL,
    asof_date date NOT NULL,
    style text NOT NULL,
    pricing_pack_id text NOT NULL REFERENCES pricing_pack (id),
    tilt numeric(9, 8) CHECK (tilt BETWEEN -0.5 AND 0.5),
    coverage numeric(9, 8) NOT NULL CHECK (coverage BETWEEN 0 AND 1),
    PRIMARY KEY (portfolio_id, asof_date, style),
    FOREIGN KEY (portfolio_id, user_id) REFERENCES portfolios (id, user_id)
);

ALTER TABLE portfolio_metrics ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE currency_attribution ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE factor_exposures ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY own_rows ON portfolio_metrics FOR ALL
USING (user_id = nullif(current_setting('app.user_id', TRUE), '')::uuid)
WITH CHECK (user_id = nullif(current_setting('app.user_id', TRUE), '')::uuid);
CREATE POLICY own_rows ON currency_attribution FOR ALL
USING (user_id = nullif(current_setting('app.user_id', TRUE), '')::uuid)
WITH CHECK (user_id = nullif(current_setting('app.user_id', TRUE), '')::uuid);
CREATE POLICY own_rows ON factor_exposures FOR ALL
USING (user_id = nullif(current_setting('app.user_id', TRUE), '')::uuid)
WITH CHECK (user_id = nullif(current_setting('app.user_id', TRUE), '')::uuid);

REVOKE ALL ON macro_dataset, macro_series, macro_observations, macro_regime_snapshots, ratings,
portfolio_metrics, currency_attribution, factor_exposures FROM public;
GRANT SELECT, INSERT ON macro_dataset TO dawsos_app;
GRANT SELECT, INSERT, UPDATE ON macro_series, macro_observations, macro_regime_snapshots, ratings,
portfolio_metrics, factor_exposures TO dawsos_app;
-- A rerun after a sale may have a currency less.
GRANT SELECT, INSERT, DELETE ON currency_attribution TO dawsos_app;
