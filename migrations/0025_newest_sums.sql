-- The newest sum of each delegation beside its balances, as its counters are: an entry changes that row anyway, and a row of
-- its own in spend_rollups for each was more than half of what a batch wrote besides its entries. When the next quarter of an
-- hour has its first entry, the sum of the one before goes to spend_rollups, which also holds what is attributed otherwise
-- than the delegation is. The transaction that writes an entry does all of it.
ALTER TABLE balances
    -- The delegation's own, which never change.
    ADD COLUMN cost_center text COLLATE "C",
    ADD COLUMN department text COLLATE "C",
    -- When its newest entry was recorded, and the quarter of an hour in which that was.
    ADD COLUMN newest_at timestamptz,
    ADD COLUMN quarter_start timestamptz,
    -- What its entries of that quarter add up to, as far as spend_rollups does not say.
    ADD COLUMN quarter_gross bigint NOT NULL DEFAULT 0,
    ADD COLUMN quarter_refunded bigint NOT NULL DEFAULT 0,
    ADD COLUMN quarter_entries bigint NOT NULL DEFAULT 0,
    DROP CONSTRAINT balances_check1,
    ADD CHECK (least(spent, own_spent, held, reserved, hour_spent, day_spent, week_spent, month_spent, quarter_gross,
        quarter_refunded, quarter_entries) >= 0);

-- The owner, too, is subject to the tables' policies, but for these statements.
ALTER TABLE balances NO FORCE ROW LEVEL SECURITY;
ALTER TABLE delegations NO FORCE ROW LEVEL SECURITY;
ALTER TABLE ledger NO FORCE ROW LEVEL SECURITY;
ALTER TABLE spend_rollups NO FORCE ROW LEVEL SECURITY;

UPDATE balances b SET cost_center = coalesce(d.cost_center, ''), department = coalesce(d.department, ''),
    newest_at = l.newest_at, quarter_start = date_bin('15 minutes', l.newest_at, 'epoch'),
    quarter_gross = coalesce(r.gross, 0), quarter_refunded = coalesce(r.refunded, 0),
    quarter_entries = coalesce(r.entries, 0)
FROM delegations d LEFT JOIN (
    SELECT tenant_id, delegation_id, max(recorded_at) AS newest_at FROM ledger GROUP BY tenant_id, delegation_id
) l ON l.tenant_id = d.tenant_id AND l.delegation_id = d.id
LEFT JOIN spend_rollups r ON r.tenant_id = d.tenant_id AND r.delegation_id = d.id
    AND r.bucket = date_bin('15 minutes', l.newest_at, 'epoch') AND r.cost_center = coalesce(d.cost_center, '')
    AND r.department = coalesce(d.department, '') AND greatest(r.gross, r.refunded) <= 9223372036854775807
WHERE b.tenant_id = d.tenant_id AND b.delegation_id = d.id;

DELETE FROM spend_rollups r USING balances b
WHERE b.quarter_entries > 0 AND r.tenant_id = b.tenant_id AND r.delegation_id = b.delegation_id
    AND r.bucket = b.quarter_start AND r.cost_center = b.cost_center AND r.department = b.department;

ALTER TABLE spend_rollups FORCE ROW LEVEL SECURITY;
ALTER TABLE ledger FORCE ROW LEVEL SECURITY;
ALTER TABLE delegations FORCE ROW LEVEL SECURITY;
ALTER TABLE balances
    ALTER COLUMN cost_center SET NOT NULL,
    ALTER COLUMN department SET NOT NULL,
    FORCE ROW LEVEL SECURITY;

-- Written once in a quarter of an hour for each delegation: what else a spend changes is in no index.
CREATE INDEX balances_by_quarter ON balances (tenant_id, quarter_start);

-- What was spent, by quarter of an hour, delegation, cost centre and department. A key may have a row of each kind, and one
-- of no entries means nothing: with a condition of its own PostgreSQL would read the second part as a whole.
CREATE VIEW spend_sums WITH (security_invoker = true) AS
SELECT tenant_id, bucket, delegation_id, cost_center, department, gross, refunded, entries FROM spend_rollups
UNION ALL
SELECT tenant_id, quarter_start, delegation_id, cost_center, department, quarter_gross::numeric(38),
    quarter_refunded::numeric(38), quarter_entries
FROM balances;

GRANT SELECT ON spend_sums TO subgrant_app;
