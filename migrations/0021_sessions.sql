-- What a person needs to know a session again, and to end it: an id, which is no secret, and from where it was opened.
ALTER TABLE sessions
    ADD COLUMN id uuid NOT NULL DEFAULT gen_random_uuid(),
    ADD COLUMN source_ip inet,
    ADD COLUMN user_agent text CHECK (octet_length(user_agent) <= 256),
    ADD UNIQUE (tenant_id, id);
ALTER TABLE sessions ALTER COLUMN id DROP DEFAULT, ALTER COLUMN created_at DROP DEFAULT;

-- A session goes on under another secret when its user's password or role changes.
GRANT UPDATE ON sessions TO subgrant_app;
