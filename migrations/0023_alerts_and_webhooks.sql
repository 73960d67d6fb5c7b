-- Which tenants have alerts, and when to look at them next. Outside the tenants' shard, so that whoever looks need not ask
-- every tenant.
CREATE TABLE alert_directory (
    tenant_id uuid PRIMARY KEY REFERENCES tenant_directory,
    next_check_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX alert_directory_due ON alert_directory (next_check_at);
GRANT SELECT, INSERT, UPDATE, DELETE ON alert_directory TO subgrant_app;

CREATE TABLE alerts (
    tenant_id uuid NOT NULL REFERENCES tenants,
    id uuid NOT NULL,
    delegation_id uuid NOT NULL,
    -- A part of the budget, a part of a window limit, or an amount.
    kind text NOT NULL CHECK (kind IN ('budget', 'limit', 'spend')),
    percent smallint CHECK (percent BETWEEN 1 AND 100),
    credits bigint CHECK (credits BETWEEN 1 AND 9007199254740991),
    period text CHECK (period IN ('hour', 'day', 'week', 'month')),
    -- Who is mailed.
    recipients uuid[] NOT NULL CHECK (cardinality(recipients) BETWEEN 1 AND 50),
    created_by uuid NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, delegation_id) REFERENCES delegations (tenant_id, id),
    CHECK ((kind = 'spend') = (percent IS NULL)),
    CHECK ((kind = 'spend') = (credits IS NOT NULL)),
    CHECK (kind <> 'budget' OR period IS NULL),
    CHECK (kind <> 'limit' OR period IS NOT NULL)
);

-- Once per alert and window, whoever looks and however often: the key sees to it.
CREATE TABLE alert_firings (
    tenant_id uuid NOT NULL,
    alert_id uuid NOT NULL,
    -- What it was fired for: a window's start, a budget, or nothing but itself.
    occasion text COLLATE "C" NOT NULL CHECK (octet_length(occasion) <= 64),
    id uuid NOT NULL,
    at timestamptz NOT NULL,
    -- What had been consumed, and of how much.
    current numeric(38) NOT NULL,
    of_credits bigint NOT NULL,
    window_start timestamptz,
    PRIMARY KEY (tenant_id, alert_id, occasion),
    UNIQUE (tenant_id, id),
    FOREIGN KEY (tenant_id, alert_id) REFERENCES alerts (tenant_id, id) ON DELETE CASCADE
);

CREATE TABLE webhooks (
    tenant_id uuid NOT NULL REFERENCES tenants,
    id uuid NOT NULL,
    url text NOT NULL CHECK (octet_length(url) BETWEEN 1 AND 2048),
    events text[] NOT NULL CHECK (cardinality(events) BETWEEN 1 AND 50),
    description text CHECK (octet_length(description) <= 256),
    created_by uuid NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

CREATE TABLE webhook_deliveries (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    webhook_id uuid NOT NULL,
    event text NOT NULL,
    -- The body, byte for byte as it is signed and sent.
    payload text NOT NULL,
    created_at timestamptz NOT NULL,
    status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'delivered', 'dead')),
    attempts integer NOT NULL DEFAULT 0,
    last_attempt_at timestamptz,
    next_attempt_at timestamptz,
    response_status smallint,
    error text,
    PRIMARY KEY (tenant_id, webhook_id, id),
    FOREIGN KEY (tenant_id, webhook_id) REFERENCES webhooks (tenant_id, id) ON DELETE CASCADE,
    CHECK ((status = 'pending') = (next_attempt_at IS NOT NULL))
);

CREATE INDEX webhook_deliveries_by_id ON webhook_deliveries (tenant_id, id);

ALTER TABLE alerts ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE alert_firings ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE webhooks ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE webhook_deliveries ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_only ON alerts USING (tenant_id = current_setting('subgrant.tenant_id')::uuid);
CREATE POLICY tenant_only ON alert_firings USING (tenant_id = current_setting('subgrant.tenant_id')::uuid);
CREATE POLICY tenant_only ON webhooks USING (tenant_id = current_setting('subgrant.tenant_id')::uuid);
CREATE POLICY tenant_only ON webhook_deliveries USING (tenant_id = current_setting('subgrant.tenant_id')::uuid);
GRANT SELECT, INSERT, DELETE ON alerts, alert_firings, webhooks TO subgrant_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON webhook_deliveries TO subgrant_app;
