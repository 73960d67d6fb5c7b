-- The answers of writes that carried an Idempotency-Key. Committed with the write; kept for at least 24 hours.
CREATE TABLE idempotency (
    tenant_id uuid NOT NULL,
    -- The node or user on whose behalf the request was made.
    principal_id uuid NOT NULL,
    route text NOT NULL,
    key text NOT NULL CHECK (octet_length(key) BETWEEN 1 AND 255),
    -- SHA-256 of the request: the same key with another request is refused.
    fingerprint bytea NOT NULL CHECK (octet_length(fingerprint) = 32),
    status smallint NOT NULL,
    -- The answer without secrets: tokens are derived again when it is replayed.
    response json NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, principal_id, route, key)
);

CREATE INDEX idempotency_by_age ON idempotency (tenant_id, created_at);

-- Who did what to which target. Append-only.
CREATE TABLE audit (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor text NOT NULL,
    action text NOT NULL,
    target text NOT NULL,
    details json NOT NULL,
    source_ip inet,
    request_id uuid,
    PRIMARY KEY (tenant_id, id)
);

ALTER TABLE idempotency ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE audit ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_only ON idempotency USING (tenant_id = current_setting('subgrant.tenant_id')::uuid);
CREATE POLICY tenant_only ON audit USING (tenant_id = current_setting('subgrant.tenant_id')::uuid);
GRANT SELECT, INSERT, DELETE ON idempotency TO subgrant_app;
GRANT SELECT, INSERT ON audit TO subgrant_app;
