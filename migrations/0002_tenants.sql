-- Every table below belongs to one tenant's shard: tenant_id leads every key, and row-level security is forced.
CREATE TABLE tenants (
    tenant_id uuid PRIMARY KEY,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 256),
    time_zone text NOT NULL DEFAULT 'UTC',
    root_delegation_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE users (
    tenant_id uuid NOT NULL REFERENCES tenants,
    id uuid NOT NULL,
    email text NOT NULL,
    password_hash text NOT NULL,
    role text NOT NULL CHECK (role IN ('owner', 'admin', 'finance', 'viewer')),
    signup_idempotency_key text,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, id)
);

CREATE TABLE sessions (
    tenant_id uuid NOT NULL,
    -- SHA-256 of the secret in the cookie.
    digest bytea NOT NULL CHECK (octet_length(digest) = 32),
    user_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, digest),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id)
);

CREATE TABLE root_keys (
    tenant_id uuid NOT NULL REFERENCES tenants,
    id uuid NOT NULL,
    -- AES-256-GCM under the master key: 12-byte nonce, ciphertext, tag.
    sealed bytea NOT NULL CHECK (octet_length(sealed) = 60),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- From when on the key's own root token is refused; tokens of delegations outlive it.
    root_token_expires_at timestamptz,
    PRIMARY KEY (tenant_id, id)
);

CREATE INDEX root_keys_by_age ON root_keys (tenant_id, created_at);

ALTER TABLE tenants ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE users ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE sessions ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE root_keys ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant_only ON tenants USING (tenant_id = current_setting('subgrant.tenant_id')::uuid);
CREATE POLICY tenant_only ON users USING (tenant_id = current_setting('subgrant.tenant_id')::uuid);
CREATE POLICY tenant_only ON sessions USING (tenant_id = current_setting('subgrant.tenant_id')::uuid);
CREATE POLICY tenant_only ON root_keys USING (tenant_id = current_setting('subgrant.tenant_id')::uuid);

GRANT SELECT, INSERT, UPDATE ON tenants, users, root_keys TO subgrant_app;
GRANT SELECT, INSERT, DELETE ON sessions TO subgrant_app;
