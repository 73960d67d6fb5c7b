-- The role that the server acts as. It owns nothing and is no superuser, so that row-level security binds it.
-- Logins become members of it; the server switches to it on every connection.
CREATE EXTENSION IF NOT EXISTS ltree;

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'subgrant_app') THEN
        CREATE ROLE subgrant_app NOLOGIN NOSUPERUSER NOBYPASSRLS;
    END IF;
EXCEPTION
    -- Roles belong to the cluster: another database's migration may have created it just now.
    WHEN duplicate_object OR unique_violation THEN NULL;
END
$$;

-- Outside the tenants' shard: what must be unique across tenants, and which tenants exist. No row-level security,
-- because it is read before the tenant is known; it holds nothing but addresses and ids.
CREATE TABLE tenant_directory (
    tenant_id uuid PRIMARY KEY,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE account_directory (
    email text PRIMARY KEY CHECK (email = lower(email) AND length(email) BETWEEN 3 AND 254),
    tenant_id uuid NOT NULL REFERENCES tenant_directory,
    user_id uuid NOT NULL UNIQUE
);

-- Tells whether a server has the master key that the root keys of this database are sealed with.
CREATE TABLE master_key_check (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    digest bytea NOT NULL CHECK (octet_length(digest) = 32)
);

GRANT SELECT, INSERT ON tenant_directory, account_directory, master_key_check TO subgrant_app;
