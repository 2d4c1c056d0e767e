-- The two roles that the service knows, as the embedded PostgreSQL makes them: the owner of the schema, and one bound by row-level security.
CREATE ROLE dawsos_owner LOGIN PASSWORD 'owner';
CREATE ROLE dawsos_app LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE PASSWORD 'app';
CREATE DATABASE dawsos OWNER dawsos_owner;
