-- $1 tenant; $2-$4 the new head; $5-$13 balances; $14-$17 counters; $18 now; $19-$31 entries; $32-$38 sums; $39-$44 records; $45 the
-- tenant's revision
WITH head AS (
    UPDATE ledger_heads SET revision = $45, seq = coalesce($2, seq), hash = coalesce($3, hash),
        newest_at = coalesce($4, newest_at)
    WHERE tenant_id = $1),
balances AS (
    UPDATE delegations SET spent = new.spent, held = new.held, reserved = new.reserved,
        descendants = new.descendants, carve_returned = new.carve_returned, own_spent = new.own_spent,
        capped = new.capped::numeric, expiry_noted = new.expiry_noted
    FROM unnest($5::uuid[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::boolean[],
            $11::bigint[], $12::text[], $13::boolean[])
        AS new (id, spent, held, reserved, descendants, carve_returned, own_spent, capped, expiry_noted)
    WHERE delegations.tenant_id = $1 AND delegations.id = new.id
    RETURNING 1),
counters AS (
    INSERT INTO window_counters (tenant_id, delegation_id, period, window_start, spent)
    SELECT $1, delegation_id, period, window_start, spent
    FROM unnest($14::uuid[], $15::text[], $16::timestamptz[], $17::bigint[])
        AS new (delegation_id, period, window_start, spent)
    ON CONFLICT (tenant_id, delegation_id, period, window_start) DO UPDATE SET spent = excluded.spent),
entries AS (
    INSERT INTO ledger (tenant_id, seq, id, kind, delegation_id, amount, cost_center, department, recorded_at,
        idempotency_key, description, metadata, reverses, hash)
    SELECT $1, seq, id, kind, delegation_id, amount, cost_center, department, recorded_at, idempotency_key,
        description, metadata::json, reverses, hash
    FROM unnest($19::bigint[], $20::uuid[], $21::text[], $22::uuid[], $23::bigint[], $24::text[], $25::text[],
            $26::text[], $27::text[], $28::text[], $29::uuid[], $30::bytea[],
            $31::timestamptz[])
        AS new (seq, id, kind, delegation_id, amount, cost_center, department, idempotency_key,
            description, metadata, reverses, hash, recorded_at)),
sums AS (
    INSERT INTO spend_rollups AS r
        (tenant_id, bucket, delegation_id, cost_center, department, gross, refunded, entries)
    SELECT $1, bucket, delegation_id, cost_center, department, gross::numeric, refunded::numeric, entries
    FROM unnest($32::timestamptz[], $33::uuid[], $34::text[], $35::text[], $36::text[], $37::text[],
            $38::bigint[])
        AS new (bucket, delegation_id, cost_center, department, gross, refunded, entries)
    ON CONFLICT (tenant_id, bucket, delegation_id, cost_center, department) DO UPDATE
        SET gross = r.gross + excluded.gross, refunded = r.refunded + excluded.refunded,
            entries = r.entries + excluded.entries),
records AS (
    INSERT INTO idempotency
        (tenant_id, principal_id, route, key, fingerprint, status, response, created_at)
    SELECT $1, principal_id, route, key, fingerprint, status, response::json, $18
    FROM unnest($39::uuid[], $40::text[], $41::text[], $42::bytea[], $43::smallint[], $44::text[])
        AS new (principal_id, route, key, fingerprint, status, response)
    ON CONFLICT DO NOTHING
    RETURNING 1)
SELECT (SELECT count(*) FROM balances) AS "balances!", (SELECT count(*) FROM records) AS "records!"
