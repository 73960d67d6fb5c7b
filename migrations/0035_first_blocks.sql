-- Of a child that was made offline only the budget was entered until now, so that nothing tells which caveats its maker had
-- written behind it. No token of such a one is written again, because it could be wider than the first.
ALTER TABLE delegations ADD COLUMN first_block_unknown boolean NOT NULL DEFAULT false;

UPDATE delegations SET first_block_unknown = true WHERE made_offline AND token_generation = 0;
