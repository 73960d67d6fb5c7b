-- The tree. Rows are locked root first, by (depth, id); the root's row serialises all writers of a tenant.
CREATE TABLE delegations (
    tenant_id uuid NOT NULL REFERENCES tenants,
    id uuid NOT NULL,
    parent_id uuid,
    -- Labels are the base32 suffixes of the ids from the root to the node.
    path ltree NOT NULL,
    -- The same without the node itself: root first, for joins.
    ancestor_ids uuid[] NOT NULL,
    depth smallint NOT NULL,
    label text NOT NULL CHECK (octet_length(label) BETWEEN 1 AND 256),
    cost_center text CHECK (octet_length(cost_center) BETWEEN 1 AND 256),
    department text CHECK (octet_length(department) BETWEEN 1 AND 256),
    allocation text NOT NULL CHECK (allocation IN ('carve', 'cap')),
    -- NULL only for the unlimited root.
    budget bigint CHECK (budget BETWEEN 1 AND 9007199254740991),
    spent bigint NOT NULL DEFAULT 0 CHECK (spent BETWEEN 0 AND 9007199254740991),
    held bigint NOT NULL DEFAULT 0 CHECK (held BETWEEN 0 AND 9007199254740991),
    -- Unspent credits set aside for live carve children. Below an unlimited root the sum may pass 2^53.
    reserved bigint NOT NULL DEFAULT 0 CHECK (reserved >= 0),
    -- Nodes ever created below this one.
    descendants bigint NOT NULL DEFAULT 0 CHECK (descendants >= 0),
    -- True once the parent sets nothing aside for this node: cap children, revoked and settled expired ones.
    carve_returned boolean NOT NULL,
    actions text NOT NULL,
    max_per_spend bigint CHECK (max_per_spend BETWEEN 1 AND 9007199254740991),
    -- Window limits as written in caveats: '100/day'.
    limits text[] NOT NULL DEFAULT '{}',
    max_depth integer CHECK (max_depth >= 0),
    -- Every caveat of the node's canonical token, in order. In place of a nonce, which is derived again, stands how often
    -- the token had been rotated: 'delegation = dlg_…', later 'delegation = dlg_…+1'.
    caveats text[] NOT NULL,
    -- How often the node's own token was rotated.
    token_generation integer NOT NULL DEFAULT 0 CHECK (token_generation >= 0),
    -- The root key under which the canonical token is derived.
    root_key_id uuid NOT NULL,
    -- Created by its parent's holder without the server, and entered here when it was first used.
    made_offline boolean NOT NULL DEFAULT false,
    expires_at timestamptz,
    frozen_at timestamptz,
    revoked_at timestamptz,
    -- Root only: tokens issued before this instant are refused.
    tokens_valid_from timestamptz,
    -- Counts changes of settings, not of balances: the ETag.
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, parent_id) REFERENCES delegations (tenant_id, id),
    CHECK (depth BETWEEN 0 AND 32),
    CHECK (depth = cardinality(ancestor_ids)),
    CHECK (nlevel(path) = depth + 1),
    CHECK ((depth = 0) = (parent_id IS NULL)),
    CHECK (depth = 0 OR parent_id = ancestor_ids[depth]),
    CHECK (depth = 0 OR budget IS NOT NULL),
    -- No budget is ever exceeded, whatever the application does.
    CHECK (budget IS NULL OR spent + held + reserved <= budget),
    CHECK (allocation = 'carve' OR carve_returned)
) WITH (fillfactor = 50);

CREATE UNIQUE INDEX delegations_one_root ON delegations (tenant_id) WHERE depth = 0;
CREATE INDEX delegations_by_parent ON delegations (tenant_id, parent_id, id);
CREATE INDEX delegations_by_path ON delegations USING gist (path);
-- Carve children whose expiry may have passed: settled before anything else is decided.
CREATE INDEX delegations_due ON delegations (tenant_id, expires_at) WHERE NOT carve_returned AND expires_at IS NOT NULL;

-- Which token leads to which node. The digest is of the signature after the node's budget caveat.
CREATE TABLE tokens (
    tenant_id uuid NOT NULL,
    digest bytea NOT NULL CHECK (octet_length(digest) = 32),
    delegation_id uuid NOT NULL,
    issued_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- From when on this token is refused, though its node may live on.
    valid_until timestamptz,
    PRIMARY KEY (tenant_id, digest),
    FOREIGN KEY (tenant_id, delegation_id) REFERENCES delegations (tenant_id, id)
);

CREATE INDEX tokens_by_delegation ON tokens (tenant_id, delegation_id);

-- What a node's subtree has spent within a window. A missing row is summed up from the ledger when first needed.
CREATE TABLE window_counters (
    tenant_id uuid NOT NULL,
    delegation_id uuid NOT NULL,
    period text NOT NULL CHECK (period IN ('hour', 'day', 'week', 'month')),
    window_start timestamptz NOT NULL,
    spent bigint NOT NULL CHECK (spent BETWEEN 0 AND 9007199254740991),
    PRIMARY KEY (tenant_id, delegation_id, period, window_start),
    FOREIGN KEY (tenant_id, delegation_id) REFERENCES delegations (tenant_id, id)
) WITH (fillfactor = 50);

ALTER TABLE delegations ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE tokens ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE window_counters ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant_only ON delegations USING (tenant_id = current_setting('subgrant.tenant_id')::uuid);
CREATE POLICY tenant_only ON tokens USING (tenant_id = current_setting('subgrant.tenant_id')::uuid);
CREATE POLICY tenant_only ON window_counters USING (tenant_id = current_setting('subgrant.tenant_id')::uuid);

GRANT SELECT, INSERT, UPDATE ON delegations, tokens, window_counters TO subgrant_app;
