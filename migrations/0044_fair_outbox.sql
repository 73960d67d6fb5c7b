-- What is sent is sent in turns: each lane is worked off for itself, and within it every party has its turn. Hence nobody's
-- mail waits for anybody's calls, and nobody's anything for another tenant's.
ALTER TABLE outbox
    ADD COLUMN lane text NOT NULL GENERATED ALWAYS AS (
        CASE kind WHEN 'webhook' THEN 'call' WHEN 'reset' THEN 'reset' ELSE 'mail' END
    ) STORED,
    -- Whose turn it is: the tenant's, or where none is known the recipient's.
    ADD COLUMN party uuid NOT NULL GENERATED ALWAYS AS (
        coalesce(tenant_id, md5(recipient)::uuid)
    ) STORED;

-- For whose turn it is, and what of theirs is due.
CREATE INDEX outbox_turns ON outbox (lane, party, next_attempt_at);
-- For whether anything is due at all.
CREATE INDEX outbox_due_in_lane ON outbox (lane, next_attempt_at);
DROP INDEX outbox_due;
