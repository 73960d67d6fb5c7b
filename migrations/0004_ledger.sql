-- Append-only: the server's role may insert and select, nothing else. Existence of the node is the engine's to check;
-- a foreign key would halve the insert rate.
CREATE TABLE ledger (
    tenant_id uuid NOT NULL,
    -- Position in the tenant's ledger, without gaps, assigned under the tenant's lock.
    seq bigint NOT NULL CHECK (seq > 0),
    id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('spend', 'refund', 'adjustment')),
    delegation_id uuid NOT NULL,
    amount bigint NOT NULL CHECK (amount BETWEEN 1 AND 9007199254740991),
    cost_center text,
    department text,
    recorded_at timestamptz NOT NULL,
    idempotency_key text,
    description text,
    -- json keeps the text that was hashed; jsonb would reorder it.
    metadata json,
    reverses uuid,
    -- SHA-256 over the predecessor's hash and this entry's canonical encoding.
    hash bytea NOT NULL CHECK (octet_length(hash) = 32),
    PRIMARY KEY (tenant_id, seq, recorded_at),
    CHECK ((kind = 'refund') = (reverses IS NOT NULL))
) PARTITION BY RANGE (recorded_at);

CREATE INDEX ledger_by_id ON ledger (tenant_id, id);
CREATE INDEX ledger_by_delegation ON ledger (tenant_id, delegation_id, seq);

-- Entries come in the order of time, so a block range index finds the last hour at next to no cost per insert.
CREATE INDEX ledger_by_time ON ledger USING brin (recorded_at) WITH (autosummarize = on);

-- The newest entry of each tenant.
CREATE TABLE ledger_heads (
    tenant_id uuid PRIMARY KEY REFERENCES tenants,
    seq bigint NOT NULL DEFAULT 0,
    hash bytea NOT NULL DEFAULT decode(repeat('00', 32), 'hex') CHECK (octet_length(hash) = 32),
    recorded_at timestamptz NOT NULL DEFAULT to_timestamp(0)
) WITH (fillfactor = 50);

ALTER TABLE ledger ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE ledger_heads ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_only ON ledger USING (tenant_id = current_setting('subgrant.tenant_id')::uuid);
CREATE POLICY tenant_only ON ledger_heads USING (tenant_id = current_setting('subgrant.tenant_id')::uuid);
GRANT SELECT, INSERT ON ledger TO subgrant_app;
GRANT SELECT, INSERT, UPDATE ON ledger_heads TO subgrant_app;

-- Makes the partitions of this month and the given number of following ones. Runs with its owner's rights, because
-- the server's role may not create tables. Returns how many were missing.
CREATE FUNCTION ledger_ensure_partitions(months_ahead integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_catalog, pg_temp AS $$
DECLARE
    this_month timestamp := date_trunc('month', clock_timestamp() AT TIME ZONE 'UTC');
    from_month timestamp;
    partition_name text;
    created integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('subgrant/ledger_ensure_partitions', 0));
    FOR offset_months IN 0..least(greatest(months_ahead, 0), 120) LOOP
        from_month := this_month + make_interval(months => offset_months);
        partition_name := 'ledger_' || to_char(from_month, 'YYYY_MM');
        IF to_regclass('public.' || partition_name) IS NULL THEN
            EXECUTE format(
                'CREATE TABLE public.%I PARTITION OF public.ledger FOR VALUES FROM (%L) TO (%L)',
                partition_name,
                from_month AT TIME ZONE 'UTC',
                (from_month + interval '1 month') AT TIME ZONE 'UTC'
            );
            created := created + 1;
        END IF;
    END LOOP;
    RETURN created;
END
$$;

REVOKE ALL ON FUNCTION ledger_ensure_partitions FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger_ensure_partitions TO subgrant_app;
SELECT ledger_ensure_partitions(12);
