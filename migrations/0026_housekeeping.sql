-- When one of the servers last kept house for a tenant, so that each leaves it to the others.
ALTER TABLE tenant_directory ADD COLUMN kept_at timestamptz NOT NULL DEFAULT '-infinity';
GRANT UPDATE (kept_at) ON tenant_directory TO subgrant_app;
