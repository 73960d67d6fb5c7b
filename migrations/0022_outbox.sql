-- What is to be sent once the transaction that asked for it has committed: mail, and calls of webhooks. Outside the tenants'
-- shard, so that whoever sends finds what is due without asking every tenant; hence it holds nothing but addresses, ids and
-- times. What is said is read, and what is secret derived, when it is sent.
CREATE TABLE outbox (
    id uuid PRIMARY KEY,
    -- NULL: whose it is, if anybody's, is found out by the address.
    tenant_id uuid REFERENCES tenant_directory,
    kind text NOT NULL CHECK (kind IN ('reset', 'invitation', 'alert', 'webhook')),
    -- What it is about.
    subject_id uuid NOT NULL,
    -- Where mail goes to.
    recipient text CHECK (octet_length(recipient) BETWEEN 3 AND 1016),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- Counted before an attempt is made, so that one that kills the process counts as well.
    attempts integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    -- Also until when whoever attempts it has it for itself.
    next_attempt_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CHECK (tenant_id IS NOT NULL OR kind = 'reset'),
    CHECK ((recipient IS NULL) = (kind = 'webhook'))
);

CREATE INDEX outbox_due ON outbox (next_attempt_at);
GRANT SELECT, INSERT, UPDATE, DELETE ON outbox TO subgrant_app;

CREATE TABLE password_resets (
    tenant_id uuid NOT NULL,
    -- That of the outbox's row which it was made for.
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    -- SHA-256 of the secret that the person was sent.
    digest bytea NOT NULL CHECK (octet_length(digest) = 32),
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, digest),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id)
);

-- A newer one replaces the one before.
CREATE UNIQUE INDEX password_resets_outstanding ON password_resets (tenant_id, user_id) WHERE used_at IS NULL;

ALTER TABLE password_resets ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_only ON password_resets USING (tenant_id = current_setting('subgrant.tenant_id')::uuid);
GRANT SELECT, INSERT, UPDATE, DELETE ON password_resets TO subgrant_app;
