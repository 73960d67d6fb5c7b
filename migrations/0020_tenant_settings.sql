-- What finance reads credits in: an ISO 4217 code, and what one credit costs.
ALTER TABLE tenants
    ADD COLUMN currency text NOT NULL DEFAULT 'USD' CHECK (currency ~ '^[A-Z]{3}$'),
    ADD COLUMN credit_price numeric(20, 12) NOT NULL DEFAULT 0.01 CHECK (credit_price > 0 AND credit_price <= 1000000);
