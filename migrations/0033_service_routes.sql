-- What requests at a service cost. The first row that matches a request decides.
CREATE TABLE service_routes (
    tenant_id uuid NOT NULL,
    service_id uuid NOT NULL,
    position smallint NOT NULL CHECK (position BETWEEN 0 AND 199),
    -- Paths, as in a caveat of the same name.
    route text NOT NULL CHECK (octet_length(route) BETWEEN 1 AND 256),
    -- Methods, likewise; NULL: all.
    method text CHECK (octet_length(method) BETWEEN 1 AND 256),
    price_credits bigint NOT NULL CHECK (price_credits BETWEEN 0 AND 9007199254740991),
    -- For whoever pays in sats; NULL: nobody can.
    price_sats bigint CHECK (price_sats BETWEEN 1 AND 2100000000000000),
    PRIMARY KEY (tenant_id, service_id, position),
    FOREIGN KEY (tenant_id, service_id) REFERENCES services (tenant_id, id)
);

ALTER TABLE service_routes ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_only ON service_routes USING (tenant_id = current_setting('subgrant.tenant_id')::uuid);
GRANT SELECT, INSERT, DELETE ON service_routes TO subgrant_app;
