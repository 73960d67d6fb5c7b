-- A token for a service has two signatures over one list of caveats: `digest` is of the tenant's chain, which Subgrant
-- looks at, this one of the service's own, which is all that the service knows.
ALTER TABLE tokens ADD COLUMN service_digest bytea;
ALTER TABLE tokens ADD CONSTRAINT tokens_service_digest_length CHECK (octet_length(service_digest) = 32);

-- Tokens of the first form were signed under the service's key alone, and are refused from now on. The delegations stay;
-- a rotation writes a token of the new form.
UPDATE tokens SET service_digest = tokens.digest, valid_until = least(tokens.valid_until, now())
FROM delegations
WHERE delegations.tenant_id = tokens.tenant_id AND delegations.id = tokens.delegation_id
    AND delegations.audience_service_id IS NOT NULL;
