-- $1 tenant, $2 its revision; $3-$5 the new head; $6-$12 balances; $13-$18 marks; $19-$22 counters; $23-$35 entries; $36-$42 sums;
-- $43 now, $44-$49 records; $50-$53 the head as it must have been.
--
-- The head comes first, and takes the tenant's lock where it is not held yet; where it is not as it must be, nothing is
-- written. What exists mostly is inserted, and updated at the conflict: a join to what is to be updated would be planned
-- for as many rows as the table had then.
WITH head AS (
    UPDATE ledger_heads SET revision = $2, seq = coalesce($3, seq), hash = coalesce($4, hash),
        newest_at = coalesce($5, newest_at)
    WHERE tenant_id = $1 AND revision = $50 AND seq = coalesce($51, seq) AND hash = coalesce($52, hash)
        AND newest_at = coalesce($53, newest_at)
    RETURNING clock_timestamp() AS at),
balances AS (
    INSERT INTO balances (tenant_id, delegation_id, budget, spent, own_spent, held, reserved, capped)
    SELECT $1, delegation_id, budget, spent, own_spent, held, reserved, capped::numeric
    FROM unnest($6::uuid[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::text[])
        AS new (delegation_id, budget, spent, own_spent, held, reserved, capped)
    WHERE EXISTS (SELECT FROM head)
    ON CONFLICT (tenant_id, delegation_id) DO UPDATE SET budget = excluded.budget, spent = excluded.spent,
        own_spent = excluded.own_spent, held = excluded.held, reserved = excluded.reserved, capped = excluded.capped
    RETURNING 1),
marks AS (
    UPDATE delegations d SET descendants = new.descendants, carve_returned = new.carve_returned,
        expiry_noted = new.expiry_noted, is_exhausted = new.is_exhausted, is_starving = new.is_starving
    FROM unnest($13::uuid[], $14::bigint[], $15::boolean[], $16::boolean[], $17::boolean[], $18::boolean[])
        AS new (id, descendants, carve_returned, expiry_noted, is_exhausted, is_starving)
    WHERE EXISTS (SELECT FROM head) AND d.tenant_id = $1 AND d.id = new.id
    RETURNING 1),
counters AS (
    INSERT INTO window_counters (tenant_id, delegation_id, period, window_start, spent)
    SELECT $1, delegation_id, period, window_start, spent
    FROM unnest($19::uuid[], $20::text[], $21::timestamptz[], $22::bigint[])
        AS new (delegation_id, period, window_start, spent)
    WHERE EXISTS (SELECT FROM head)
    ON CONFLICT (tenant_id, delegation_id, period, window_start) DO UPDATE SET spent = excluded.spent),
entries AS (
    INSERT INTO ledger (tenant_id, seq, id, kind, delegation_id, amount, cost_center, department, recorded_at,
        idempotency_key, description, metadata, reverses, hash)
    SELECT $1, seq, id, kind, delegation_id, amount, cost_center, department, recorded_at, idempotency_key,
        description, metadata::json, reverses, hash
    FROM unnest($23::bigint[], $24::uuid[], $25::text[], $26::uuid[], $27::bigint[], $28::text[], $29::text[],
            $30::text[], $31::text[], $32::text[], $33::uuid[], $34::bytea[], $35::timestamptz[])
        AS new (seq, id, kind, delegation_id, amount, cost_center, department, idempotency_key,
            description, metadata, reverses, hash, recorded_at)
    WHERE EXISTS (SELECT FROM head)),
sums AS (
    INSERT INTO spend_rollups AS r
        (tenant_id, bucket, delegation_id, cost_center, department, gross, refunded, entries)
    SELECT $1, bucket, delegation_id, cost_center, department, gross::numeric, refunded::numeric, entries
    FROM unnest($36::timestamptz[], $37::uuid[], $38::text[], $39::text[], $40::text[], $41::text[], $42::bigint[])
        AS new (bucket, delegation_id, cost_center, department, gross, refunded, entries)
    WHERE EXISTS (SELECT FROM head)
    ON CONFLICT (tenant_id, bucket, delegation_id, cost_center, department) DO UPDATE
        SET gross = r.gross + excluded.gross, refunded = r.refunded + excluded.refunded,
            entries = r.entries + excluded.entries),
records AS (
    INSERT INTO idempotency (tenant_id, principal_id, route, key, fingerprint, status, response, created_at)
    SELECT $1, principal_id, route, key, fingerprint, status, response, $43
    FROM unnest($44::uuid[], $45::text[], $46::text[], $47::bytea[], $48::smallint[], $49::text[])
        AS new (principal_id, route, key, fingerprint, status, response)
    WHERE EXISTS (SELECT FROM head))
SELECT (SELECT at FROM head) AS "at: jiff_sqlx::Timestamp",
    (SELECT count(*) FROM balances) AS "balances!", (SELECT count(*) FROM marks) AS "marks!"
