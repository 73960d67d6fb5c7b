-- A person is an account: an address, one password, and memberships of tenants. Outside the tenants' shard, because an account
-- belongs to several of them and is found before any is known. An address that nobody has proved blocks nobody: it may have any
-- number of accounts, and one at the most that has proved it.
CREATE TABLE account_addresses (
    email text PRIMARY KEY CHECK (length(email) BETWEEN 3 AND 254),
    -- Shared by the passwords of all accounts of the address, so that one hash tells which of them a password opens.
    salt text NOT NULL CHECK (length(salt) BETWEEN 4 AND 64)
);

CREATE TABLE accounts (
    id uuid PRIMARY KEY,
    email text NOT NULL REFERENCES account_addresses,
    -- argon2id, in PHC format.
    password_hash text NOT NULL,
    -- A session holds as long as this stays what it was when the session was opened.
    password_version integer NOT NULL DEFAULT 1,
    -- When whoever has the account proved by mail that the address is theirs.
    verified_at timestamptz,
    -- Somebody else chose the password, and may know it: such an account stays in the one tenant that made it.
    is_managed boolean NOT NULL DEFAULT false,
    signup_idempotency_key text,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CHECK (verified_at IS NULL OR NOT is_managed)
);

CREATE UNIQUE INDEX accounts_proved ON accounts (email) WHERE verified_at IS NOT NULL;
CREATE INDEX accounts_by_password ON accounts (email, password_hash);

CREATE TABLE memberships (
    tenant_id uuid NOT NULL REFERENCES tenant_directory,
    user_id uuid NOT NULL UNIQUE,
    account_id uuid NOT NULL REFERENCES accounts,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, user_id),
    UNIQUE (account_id, tenant_id)
);

ALTER TABLE users NO FORCE ROW LEVEL SECURITY;
ALTER TABLE sessions NO FORCE ROW LEVEL SECURITY;
ALTER TABLE invitations NO FORCE ROW LEVEL SECURITY;

-- An address had one account until now, with a salt of its own: the fifth field of the PHC format.
INSERT INTO account_addresses (email, salt)
    SELECT d.email, split_part(u.password_hash, '$', 5)
    FROM account_directory d JOIN users u ON u.tenant_id = d.tenant_id AND u.id = d.user_id;

-- Whoever neither signed up nor accepted an invitation was given a password by somebody else.
INSERT INTO accounts (id, email, password_hash, is_managed, signup_idempotency_key, created_at)
    SELECT u.id, u.email, u.password_hash,
        u.id <> (SELECT f.id FROM users f WHERE f.tenant_id = u.tenant_id ORDER BY f.created_at, f.id LIMIT 1)
            AND NOT EXISTS (SELECT FROM invitations i
                WHERE i.tenant_id = u.tenant_id AND i.user_id = u.id AND i.accepted_at IS NOT NULL),
        u.signup_idempotency_key, u.created_at
    FROM account_directory d JOIN users u ON u.tenant_id = d.tenant_id AND u.id = d.user_id;

INSERT INTO memberships (tenant_id, user_id, account_id, created_at)
    SELECT u.tenant_id, u.id, u.id, u.created_at
    FROM account_directory d JOIN users u ON u.tenant_id = d.tenant_id AND u.id = d.user_id;

DROP TABLE account_directory;

ALTER TABLE users DROP COLUMN password_hash, DROP COLUMN signup_idempotency_key, FORCE ROW LEVEL SECURITY;
CREATE UNIQUE INDEX users_by_email ON users (tenant_id, email) WHERE removed_at IS NULL;

ALTER TABLE sessions ADD COLUMN account_id uuid, ADD COLUMN password_version integer NOT NULL DEFAULT 1;
UPDATE sessions SET account_id = user_id;
ALTER TABLE sessions
    ALTER COLUMN account_id SET NOT NULL,
    ALTER COLUMN password_version DROP DEFAULT,
    FORCE ROW LEVEL SECURITY;
ALTER TABLE invitations FORCE ROW LEVEL SECURITY;

-- To lock a row takes the right to update it.
GRANT SELECT, INSERT, UPDATE (salt) ON account_addresses TO subgrant_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON accounts, memberships TO subgrant_app;

-- A mail with which somebody proves that an address is theirs.
ALTER TABLE outbox DROP CONSTRAINT outbox_kind_check;
ALTER TABLE outbox ADD CONSTRAINT outbox_kind_check
    CHECK (kind IN ('reset', 'invitation', 'alert', 'webhook', 'confirmation'));
