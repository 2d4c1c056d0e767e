-- What the contract with each data provider allows. A provider that is not here has no rights: unknown means no.
CREATE TABLE provider_rights (
    provider text PRIMARY KEY CHECK (provider <> ''),
    allows_pdf boolean NOT NULL,
    allows_csv boolean NOT NULL,
    attribution text NOT NULL DEFAULT ''
);

INSERT INTO provider_rights (provider, allows_pdf, allows_csv, attribution) VALUES
('fmp', TRUE, TRUE, 'Data by Financial Modeling Prep'),
('polygon', TRUE, TRUE, 'Data by Polygon.io'),
('fred', TRUE, TRUE, 'Source: Federal Reserve Economic Data, Federal Reserve Bank of St. Louis'),
('ecb', TRUE, TRUE, 'Exchange rates: European Central Bank'),
('newsapi', FALSE, FALSE, ''),
('yfinance', FALSE, FALSE, ''),
-- The recorded data that ships with the service: numbers of our own making, labelled as such.
('fixture', TRUE, TRUE, 'Prices: recorded fixture, not market data');

GRANT SELECT ON provider_rights TO dawsos_app;
