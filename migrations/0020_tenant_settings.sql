-- What finance reads credits in: an ISO 4217 code, and what one credit costs.
ALTER TABLE tenants
    ADD COLUMN currency text NOT NULL DEFAULT 'USD' CHECK (currency ~ '^[A-Z]{3}$'),
    ADD COLUMN credit_price numeric(20, 12) NOT NULL DEFAULT 0.01 CHECK (credit_price > 0 AND credit_price <= 1000000);

-- Counters that were counted by another calendar are forgotten when the time zone changes, and made anew from the sums: one
-- that stayed would have missed what was spent until its zone came back.
GRANT DELETE ON window_counters TO subgrant_app;
