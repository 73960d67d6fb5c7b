-- How far a tenant's books were proved, so that the next proof goes on from there. Written by the proof alone; the code at
-- the end, made with a key from the master key, tells where somebody else has written it.
CREATE TABLE ledger_checkpoints (
    tenant_id uuid PRIMARY KEY REFERENCES tenants,
    -- The chain was verified through this entry, which has this hash; the entries up to it have this sum.
    seq bigint NOT NULL CHECK (seq >= 0),
    hash bytea NOT NULL CHECK (octet_length(hash) = 32),
    total bigint NOT NULL,
    -- The same for the round that verifies everything once more, from the first entry on.
    round_seq bigint NOT NULL CHECK (round_seq >= 0),
    round_hash bytea NOT NULL CHECK (octet_length(round_hash) = 32),
    round_total bigint NOT NULL,
    -- Rounds that came to their end, and when the last one did.
    rounds bigint NOT NULL CHECK (rounds >= 0),
    round_completed_at timestamptz,
    -- The last node that was checked, and of the next one, where it has very many entries, those up to a position and
    -- their sum.
    node_place bytea,
    node_seq bigint NOT NULL CHECK (node_seq >= 0),
    node_sum bigint NOT NULL,
    mac bytea NOT NULL CHECK (octet_length(mac) = 32)
) WITH (fillfactor = 50);

ALTER TABLE ledger_checkpoints ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_only ON ledger_checkpoints USING (tenant_id = current_setting('subgrant.tenant_id')::uuid);
GRANT SELECT, INSERT, UPDATE ON ledger_checkpoints TO subgrant_app;
