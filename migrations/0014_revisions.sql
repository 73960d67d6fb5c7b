-- Counts the tenant's committed writes, whatever they change. Who holds the tenant's lock and finds the revision that it
-- left behind knows that everything it read then still holds, and need not read it again.
ALTER TABLE ledger_heads ADD COLUMN revision bigint NOT NULL DEFAULT 0 CHECK (revision >= 0);

-- A server of a version that does not count its writes must not write beside one that relies on the count. It finds no
-- head any more and refuses everything, until it is replaced.
ALTER TABLE ledger_heads RENAME COLUMN recorded_at TO newest_at;

-- The caller's key first: keys are often made in the order of time, so that new ones fall into pages that are at hand.
-- Compared byte by byte, as they are in the program.
ALTER TABLE idempotency
    DROP CONSTRAINT idempotency_pkey,
    ALTER COLUMN key TYPE text COLLATE "C",
    ALTER COLUMN route TYPE text COLLATE "C",
    ADD PRIMARY KEY (tenant_id, key, principal_id, route);
