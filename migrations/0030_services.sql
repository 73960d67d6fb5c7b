-- Resource servers, each with a key of its own under which tokens for it are signed.
CREATE TABLE services (
    tenant_id uuid NOT NULL REFERENCES tenants,
    id uuid NOT NULL,
    name text NOT NULL CHECK (octet_length(name) BETWEEN 1 AND 256),
    -- AES-256-GCM under the master key: 12-byte nonce, ciphertext, tag.
    sealed bytea NOT NULL CHECK (octet_length(sealed) = 60),
    -- The user, or the root, that registered it.
    created_by text NOT NULL,
    created_at timestamptz NOT NULL,
    -- From when on nothing of it is accepted. The row stays: delegations name it, and its id must not come back.
    deleted_at timestamptz,
    PRIMARY KEY (tenant_id, id)
);

ALTER TABLE services ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_only ON services USING (tenant_id = current_setting('subgrant.tenant_id')::uuid);
GRANT SELECT, INSERT, UPDATE ON services TO subgrant_app;
