-- Credits held before the work. A hold counts until it is closed or expires, whichever comes first; an expired one is
-- settled by the next transaction of its tenant. A hold below a revoked node is void, whatever its row says.
CREATE TABLE holds (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    delegation_id uuid NOT NULL,
    amount bigint NOT NULL CHECK (amount BETWEEN 1 AND 9007199254740991),
    status text NOT NULL DEFAULT 'held' CHECK (status IN ('held', 'captured', 'released', 'expired', 'voided')),
    expires_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    closed_at timestamptz,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, delegation_id) REFERENCES delegations (tenant_id, id),
    CHECK ((status = 'held') = (closed_at IS NULL))
);

CREATE INDEX holds_due ON holds (tenant_id, expires_at) WHERE status = 'held';
CREATE INDEX holds_open ON holds (tenant_id, delegation_id) WHERE status = 'held';

ALTER TABLE holds ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_only ON holds USING (tenant_id = current_setting('subgrant.tenant_id')::uuid);
GRANT SELECT, INSERT, UPDATE ON holds TO subgrant_app;

-- What was given back of an entry.
CREATE INDEX ledger_by_reversed ON ledger (tenant_id, reverses) WHERE reverses IS NOT NULL;
