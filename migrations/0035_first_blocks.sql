-- Of a child that was made offline only the budget was entered until now, so that nothing tells which caveats its maker had
-- written behind it. No token of such a one is written again, because it could be wider than the first.
ALTER TABLE delegations ADD COLUMN first_block_unknown boolean NOT NULL DEFAULT false;

-- What a child that was made offline was called by the token with which it was entered. Another token of the same digest that
-- calls it otherwise contradicts that one.
ALTER TABLE tokens ADD COLUMN first_label text;
ALTER TABLE tokens ADD CONSTRAINT tokens_first_label_length CHECK (octet_length(first_label) BETWEEN 1 AND 256);

UPDATE delegations SET first_block_unknown = true WHERE made_offline AND token_generation = 0;
