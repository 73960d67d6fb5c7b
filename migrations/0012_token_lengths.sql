-- How many caveats a token had when it was issued: what stands behind them was appended by its holder. A delegation's
-- tokens may differ in this, since a change of its limits writes another block.
ALTER TABLE tokens ADD COLUMN issued_caveats smallint CHECK (issued_caveats BETWEEN 1 AND 64);

UPDATE tokens SET issued_caveats = cardinality(delegations.caveats)
FROM delegations
WHERE delegations.tenant_id = tokens.tenant_id AND delegations.id = tokens.delegation_id;

ALTER TABLE tokens ALTER COLUMN issued_caveats SET NOT NULL;
