-- A member who was removed stays here, so that the audit log's names keep their meaning; the address is free again.
ALTER TABLE users ADD COLUMN removed_at timestamptz;
GRANT DELETE ON account_directory TO subgrant_app;

CREATE INDEX sessions_by_user ON sessions (tenant_id, user_id);

CREATE TABLE invitations (
    tenant_id uuid NOT NULL REFERENCES tenants,
    -- The id that the person will have.
    user_id uuid NOT NULL,
    email text NOT NULL CHECK (email = lower(email) AND length(email) BETWEEN 3 AND 254),
    role text NOT NULL CHECK (role IN ('owner', 'admin', 'finance', 'viewer')),
    -- SHA-256 of the secret that the person was sent.
    digest bytea NOT NULL CHECK (octet_length(digest) = 32),
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    accepted_at timestamptz,
    PRIMARY KEY (tenant_id, user_id),
    UNIQUE (tenant_id, digest)
);

-- A newer invitation replaces the one before.
CREATE UNIQUE INDEX invitations_outstanding ON invitations (tenant_id, email) WHERE accepted_at IS NULL;

ALTER TABLE invitations ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_only ON invitations USING (tenant_id = current_setting('subgrant.tenant_id')::uuid);
GRANT SELECT, INSERT, UPDATE, DELETE ON invitations TO subgrant_app;

-- Attempts to sign in that have failed or are under way, by account and by network address. Outside the tenants' shard,
-- because most addresses that are tried belong to nobody; here and not in memory, so that guessing at several servers
-- gives no more guesses.
CREATE TABLE sign_in_attempts (
    -- SHA-256 of what is counted.
    subject bytea PRIMARY KEY CHECK (octet_length(subject) = 32),
    window_start timestamptz NOT NULL,
    attempts integer NOT NULL CHECK (attempts >= 0)
);

GRANT SELECT, INSERT, UPDATE, DELETE ON sign_in_attempts TO subgrant_app;
