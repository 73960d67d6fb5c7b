-- What changed, for those who watch: one row per change of the tree, its holds and its people, written with the change.
-- Spends and refunds have no row here: the ledger is their record, and watchers read it too.
--
-- An event's place is (ledger_seq, number): it comes after the ledger's entry at that position and before the next one.
-- Both are assigned under the tenant's lock, so that whoever sees one place sees every place before it.
CREATE TABLE events (
    tenant_id uuid NOT NULL,
    ledger_seq bigint NOT NULL CHECK (ledger_seq >= 0),
    number bigint NOT NULL CHECK (number > 0),
    kind text NOT NULL,
    at timestamptz NOT NULL,
    -- What it is about; NULL where that is no delegation. Without foreign key, as in the ledger.
    delegation_id uuid,
    -- No secrets.
    data json NOT NULL,
    PRIMARY KEY (tenant_id, ledger_seq, number)
);

-- For forgetting old ones.
CREATE INDEX events_by_age ON events (tenant_id, at);

ALTER TABLE events ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_only ON events USING (tenant_id = current_setting('subgrant.tenant_id')::uuid);
GRANT SELECT, INSERT, DELETE ON events TO subgrant_app;
