-- Balances in a narrow table of their own: a spend changes them on every level, and a row of `delegations` is some 1,000
-- bytes with checks and indexes that have nothing to do with it. To update it took five times as long.
CREATE TABLE balances (
    tenant_id uuid NOT NULL,
    delegation_id uuid NOT NULL,
    -- NULL only for the unlimited root.
    budget bigint,
    spent bigint NOT NULL DEFAULT 0,
    -- What the node has spent itself: spent = own_spent + the children's spent.
    own_spent bigint NOT NULL DEFAULT 0,
    held bigint NOT NULL DEFAULT 0,
    -- Unspent credits set aside for live carve children. Below an unlimited root the sum may pass 2^53.
    reserved bigint NOT NULL DEFAULT 0,
    -- What live cap children have not consumed. Nothing is set aside for it, and no budget bounds it.
    capped numeric(38, 0) NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, delegation_id),
    CHECK (budget BETWEEN 1 AND 9007199254740991),
    CHECK (greatest(spent, own_spent, held) <= 9007199254740991),
    CHECK (least(spent, own_spent, held, reserved, capped) >= 0),
    -- No budget is ever exceeded, whatever the application does.
    CHECK (budget IS NULL OR spent + held + reserved <= budget)
) WITH (fillfactor = 50);

ALTER TABLE delegations NO FORCE ROW LEVEL SECURITY;

INSERT INTO balances SELECT tenant_id, id, budget, spent, own_spent, held, reserved, capped FROM delegations;

-- What is left in `delegations` follows from the balances as well, but changes far more rarely, and lists find nodes by it.
ALTER TABLE delegations
    ALTER COLUMN is_exhausted DROP EXPRESSION,
    ALTER COLUMN is_exhausted SET DEFAULT false,
    ALTER COLUMN is_starving DROP EXPRESSION,
    ALTER COLUMN is_starving SET DEFAULT false,
    DROP COLUMN budget,
    DROP COLUMN spent,
    DROP COLUMN own_spent,
    DROP COLUMN held,
    DROP COLUMN reserved,
    DROP COLUMN capped,
    FORCE ROW LEVEL SECURITY;

ALTER TABLE balances ADD FOREIGN KEY (tenant_id, delegation_id) REFERENCES delegations (tenant_id, id);

ALTER TABLE balances ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_only ON balances USING (tenant_id = (SELECT current_setting('subgrant.tenant_id')::uuid));
GRANT SELECT, INSERT, UPDATE ON balances TO subgrant_app;

-- What is written by the thousand is checked against the setting as it was read once per statement, not once per row.
ALTER POLICY tenant_only ON ledger WITH CHECK (tenant_id = (SELECT current_setting('subgrant.tenant_id')::uuid));
ALTER POLICY tenant_only ON idempotency WITH CHECK (tenant_id = (SELECT current_setting('subgrant.tenant_id')::uuid));
ALTER POLICY tenant_only ON window_counters USING (tenant_id = (SELECT current_setting('subgrant.tenant_id')::uuid));
ALTER POLICY tenant_only ON spend_rollups WITH CHECK (tenant_id = (SELECT current_setting('subgrant.tenant_id')::uuid));

-- An answer is JSON when it comes here and is never looked into: nothing needs to parse it again.
ALTER TABLE idempotency ALTER COLUMN response TYPE text;
