-- What was spent, by quarter of an hour in UTC, delegation, cost centre and department: added up from the ledger by the
-- very transaction that writes the entries. Every hour, day, week and month of every time zone begins at such a quarter,
-- so that these rows know of no zone. '' says that there is no cost centre or department: an attribute is never empty,
-- and a key cannot hold NULL. numeric, because what was spent and given back within a quarter has no bound.
-- Without foreign keys, like the ledger.
CREATE TABLE spend_rollups (
    tenant_id uuid NOT NULL,
    bucket timestamptz NOT NULL CHECK (bucket = date_bin('15 minutes', bucket, 'epoch')),
    -- The delegation that spent, never one above it.
    delegation_id uuid NOT NULL,
    cost_center text COLLATE "C" NOT NULL,
    department text COLLATE "C" NOT NULL,
    gross numeric(38) NOT NULL CHECK (gross >= 0),
    refunded numeric(38) NOT NULL CHECK (refunded >= 0),
    entries bigint NOT NULL CHECK (entries > 0),
    PRIMARY KEY (tenant_id, bucket, delegation_id, cost_center, department)
) WITH (fillfactor = 50);

CREATE INDEX spend_rollups_by_delegation ON spend_rollups (tenant_id, delegation_id, bucket);

-- The same by hour, day and month of the tenant's time zone: what long reports read. Made from spend_rollups in the
-- background, as far as spend_summary_heads says; what is newer is read from spend_rollups itself.
CREATE TABLE spend_summaries (
    tenant_id uuid NOT NULL REFERENCES tenants,
    -- Hours exist for the root alone.
    level text NOT NULL CHECK (level IN ('hour', 'day', 'month')),
    delegation_id uuid NOT NULL,
    bucket timestamptz NOT NULL,
    cost_center text COLLATE "C" NOT NULL,
    department text COLLATE "C" NOT NULL,
    -- Of the delegation itself.
    own_gross numeric(38) NOT NULL,
    own_refunded numeric(38) NOT NULL,
    own_entries bigint NOT NULL,
    -- Of the delegation and everything below it.
    gross numeric(38) NOT NULL,
    refunded numeric(38) NOT NULL,
    entries bigint NOT NULL,
    PRIMARY KEY (tenant_id, level, delegation_id, bucket, cost_center, department)
) WITH (fillfactor = 80);

CREATE INDEX spend_summaries_own ON spend_summaries (tenant_id, level, bucket) WHERE own_entries > 0;

CREATE TABLE spend_summary_heads (
    tenant_id uuid PRIMARY KEY REFERENCES tenants,
    -- In which zone the hours, days and months were counted.
    time_zone text NOT NULL,
    -- Every entry that was recorded before this instant is in the summaries, and no other.
    through timestamptz NOT NULL
);

-- What was spent before this migration. The owner, too, is subject to the ledger's policy, but for this statement.
ALTER TABLE ledger NO FORCE ROW LEVEL SECURITY;
INSERT INTO spend_rollups (tenant_id, bucket, delegation_id, cost_center, department, gross, refunded, entries)
SELECT tenant_id, date_bin('15 minutes', recorded_at, 'epoch'), delegation_id, coalesce(cost_center, ''),
    coalesce(department, ''), coalesce(sum(amount) FILTER (WHERE kind <> 'refund'), 0),
    coalesce(sum(amount) FILTER (WHERE kind = 'refund'), 0), count(*)
FROM ledger GROUP BY 1, 2, 3, 4, 5;
ALTER TABLE ledger FORCE ROW LEVEL SECURITY;

ALTER TABLE spend_rollups ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE spend_summaries ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE spend_summary_heads ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_only ON spend_rollups USING (tenant_id = current_setting('subgrant.tenant_id')::uuid);
CREATE POLICY tenant_only ON spend_summaries USING (tenant_id = current_setting('subgrant.tenant_id')::uuid);
CREATE POLICY tenant_only ON spend_summary_heads USING (tenant_id = current_setting('subgrant.tenant_id')::uuid);
-- They can be made anew from the ledger at any time, which takes DELETE.
GRANT SELECT, INSERT, UPDATE, DELETE ON spend_rollups, spend_summaries, spend_summary_heads TO subgrant_app;
