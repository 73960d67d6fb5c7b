-- Months that finance has closed: what they came to, at which price, and where the ledger stood. Nothing can be recorded in
-- one any more, because whoever closes it moves the ledger's newest instant to its end, and entries never go back in time.
-- Its bounds and its price stay as they were, whatever zone or price the tenant has later.
CREATE TABLE closed_periods (
    tenant_id uuid NOT NULL REFERENCES tenants,
    -- The first day of the month.
    month date NOT NULL CHECK (extract(day FROM month) = 1),
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    time_zone text NOT NULL,
    organization text NOT NULL,
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    credit_price numeric(20, 12) NOT NULL CHECK (credit_price > 0 AND credit_price <= 1000000),
    gross numeric(38) NOT NULL CHECK (gross >= 0),
    refunded numeric(38) NOT NULL CHECK (refunded >= 0),
    entries bigint NOT NULL CHECK (entries >= 0),
    -- The newest entry before its end, and that one's hash; 0 and zeros where there is none.
    through_seq bigint NOT NULL CHECK (through_seq >= 0),
    through_hash bytea NOT NULL CHECK (octet_length(through_hash) = 32),
    closed_at timestamptz NOT NULL,
    -- The user or delegation that closed it, as a prefixed id.
    closed_by text NOT NULL,
    PRIMARY KEY (tenant_id, month),
    CHECK (starts_at < ends_at AND ends_at <= closed_at)
);

ALTER TABLE closed_periods ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_only ON closed_periods USING (tenant_id = current_setting('subgrant.tenant_id')::uuid);
GRANT SELECT, INSERT, DELETE ON closed_periods TO subgrant_app;
