-- What lists of a million nodes need: an order in which every subtree is one range, indexes in that order, and marks by
-- which a state is found without looking at the nodes that are not in it.
--
-- Row-level security lets an index serve a condition only where its operator is leak-proof. Those of bytea, text, uuid
-- and time are; those of ltree, arrays, LIKE and trigrams are not. Hence B-trees over plain columns, and nothing else.
ALTER TABLE delegations
    -- The ids from below the root down to the node, 16 bytes each; empty for the root. A parent stands before its
    -- subtree, siblings stand in the order of their ids, and a subtree is the range from its top's place on.
    ADD COLUMN place bytea,
    -- What the node has spent itself: spent = own_spent + the children's spent.
    ADD COLUMN own_spent bigint NOT NULL DEFAULT 0 CHECK (own_spent BETWEEN 0 AND 9007199254740991),
    -- What live cap children have not consumed. Nothing is set aside for it, and no budget bounds it.
    ADD COLUMN capped numeric(38, 0) NOT NULL DEFAULT 0 CHECK (capped >= 0),
    -- True once a transaction has noted that the node's own life is over: then nothing of it counts in its parent.
    ADD COLUMN expiry_noted boolean NOT NULL DEFAULT false;

-- The owner, too, is subject to the table's policy, but for the statements that fill in what is new.
ALTER TABLE delegations NO FORCE ROW LEVEL SECURITY;

UPDATE delegations d SET
    place = decode(replace(array_to_string(d.ancestor_ids[2:] || CASE WHEN d.depth > 0 THEN ARRAY[d.id] END, ''), '-', ''), 'hex'),
    own_spent = d.spent
        - coalesce((SELECT sum(c.spent) FROM delegations c WHERE c.tenant_id = d.tenant_id AND c.parent_id = d.id), 0),
    capped = coalesce((SELECT sum(c.budget - c.spent - c.held) FROM delegations c
        WHERE c.tenant_id = d.tenant_id AND c.parent_id = d.id AND c.allocation = 'cap' AND c.revoked_at IS NULL), 0),
    -- Cap children whose life is over are noted, and taken out of the above, by the next transaction of the tenant.
    expiry_noted = coalesce(d.allocation = 'carve' AND d.carve_returned AND d.expires_at <= clock_timestamp(), false);

ALTER TABLE delegations
    ALTER COLUMN place SET NOT NULL,
    ADD CHECK (octet_length(place) = 16 * depth),
    -- Marks. They are generated, so that no statement can forget them, and they change far more rarely than the balances
    -- they follow from, so that updates of balances stay within their page.
    --
    -- Nothing remains, and so nothing is left for anything below either.
    ADD COLUMN is_exhausted boolean NOT NULL GENERATED ALWAYS AS (coalesce(budget = spent + held, false)) STORED,
    -- Something remains, but all of it is set aside: cap children are left with nothing.
    ADD COLUMN is_starving boolean NOT NULL GENERATED ALWAYS AS (
        coalesce(budget = spent + held + reserved AND spent + held < budget AND capped > 0, false)) STORED;

CREATE INDEX delegations_by_place ON delegations (tenant_id, place);
CREATE INDEX delegations_by_cost_center ON delegations (tenant_id, cost_center, place) WHERE cost_center IS NOT NULL;
CREATE INDEX delegations_by_department ON delegations (tenant_id, department, place) WHERE department IS NOT NULL;
CREATE INDEX delegations_by_attribution ON delegations (tenant_id, cost_center, department, place)
    WHERE cost_center IS NOT NULL AND department IS NOT NULL;
CREATE INDEX delegations_revoked ON delegations (tenant_id, place) WHERE revoked_at IS NOT NULL;
CREATE INDEX delegations_expired ON delegations (tenant_id, place) WHERE expiry_noted;
CREATE INDEX delegations_frozen ON delegations (tenant_id, place) WHERE frozen_at IS NOT NULL;
CREATE INDEX delegations_exhausted ON delegations (tenant_id, place) WHERE is_exhausted;
CREATE INDEX delegations_starving ON delegations (tenant_id, place) WHERE is_starving;
CREATE INDEX delegations_capped ON delegations (tenant_id, parent_id, place) WHERE allocation = 'cap';
-- Nodes that nothing of their own keeps from being active.
CREATE INDEX delegations_unmarked ON delegations (tenant_id, place)
    WHERE revoked_at IS NULL AND NOT expiry_noted AND frozen_at IS NULL AND NOT is_exhausted;

-- Nodes whose own life may be over: noted before anything else is decided.
DROP INDEX delegations_due;
CREATE INDEX delegations_due ON delegations (tenant_id, expires_at) WHERE NOT expiry_noted AND expires_at IS NOT NULL;

DROP INDEX delegations_by_parent;
CREATE INDEX delegations_by_parent ON delegations (tenant_id, parent_id, place);

-- Never of use under row-level security, and slow to keep.
DROP INDEX delegations_by_path;

-- Every label in lower case, from each of its characters on, six characters long or to its end, with the place of its node:
-- what a label contains is found by equality, and in the order of lists. Where less than six characters are looked for,
-- the grams that begin with them come first.
CREATE TABLE label_grams (
    tenant_id uuid NOT NULL,
    gram text COLLATE "C" NOT NULL,
    place bytea NOT NULL,
    PRIMARY KEY (tenant_id, gram, place)
);

INSERT INTO label_grams (tenant_id, gram, place)
SELECT DISTINCT tenant_id, substr(lower(label), position, 6), place
FROM delegations CROSS JOIN LATERAL generate_series(1, char_length(label)) AS position;

ALTER TABLE delegations FORCE ROW LEVEL SECURITY;
ALTER TABLE label_grams ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_only ON label_grams USING (tenant_id = current_setting('subgrant.tenant_id')::uuid);
GRANT SELECT, INSERT, DELETE ON label_grams TO subgrant_app;
