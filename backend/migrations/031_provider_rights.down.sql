DROP TABLE provider_rights;
