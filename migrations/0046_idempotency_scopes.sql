-- A principal of idempotency records was a bare id, and ids of delegations that are made offline are chosen by their makers: one
-- could take a user's id and be given the user's answers. From now on it is the first half of a digest of kind and id:
-- SHA-256("subgrant/idempotency/v1" ‖ 0 ‖ prefix of the id's kind ‖ id).
COMMENT ON COLUMN idempotency.principal_id IS 'Digest of kind and id of the node or user on whose behalf the request was made';

ALTER TABLE idempotency NO FORCE ROW LEVEL SECURITY;
ALTER TABLE users NO FORCE ROW LEVEL SECURITY;
ALTER TABLE delegations NO FORCE ROW LEVEL SECURITY;

-- Nobody can tell whose these are.
DELETE FROM idempotency i USING users u, delegations d
WHERE u.tenant_id = i.tenant_id AND u.id = i.principal_id AND d.tenant_id = i.tenant_id AND d.id = i.principal_id;

UPDATE idempotency i SET principal_id = encode(substring(sha256(
    convert_to('subgrant/idempotency/v1', 'UTF8') || '\x00'::bytea || convert_to(
        CASE WHEN EXISTS (SELECT 1 FROM users u WHERE u.tenant_id = i.tenant_id AND u.id = i.principal_id)
            THEN 'usr_' ELSE 'dlg_' END, 'UTF8')
    || uuid_send(i.principal_id)) FROM 1 FOR 16), 'hex')::uuid;

ALTER TABLE idempotency FORCE ROW LEVEL SECURITY;
ALTER TABLE users FORCE ROW LEVEL SECURITY;
ALTER TABLE delegations FORCE ROW LEVEL SECURITY;
