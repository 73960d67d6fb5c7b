-- $1 tenant, $2 its revision; $3-$5 the new head; $6-$20 balances; $21-$26 marks; $27-$39 entries; $40-$46 sums;
-- $47 now, $48-$53 records; $54-$57 the head as it must have been.
--
-- The head comes first, and takes the tenant's lock where it is not held yet; where it is not as it must be, nothing is
-- written. Arrays are unfolded by the select list, because the FROM clause would store each of them first.
WITH head AS (
    UPDATE ledger_heads SET revision = $2, seq = coalesce($3, seq), hash = coalesce($4, hash),
        newest_at = coalesce($5, newest_at)
    WHERE tenant_id = $1 AND revision = $54 AND seq = coalesce($55, seq) AND hash = coalesce($56, hash)
        AND newest_at = coalesce($57, newest_at)
    RETURNING clock_timestamp() AS at),
balances AS (
    UPDATE balances b SET
        budget = new.budget, spent = new.spent, own_spent = new.own_spent, held = new.held, reserved = new.reserved,
        capped = new.capped::numeric, hour_start = new.hour_start, hour_spent = new.hour_spent,
        day_start = new.day_start, day_spent = new.day_spent, week_start = new.week_start,
        week_spent = new.week_spent, month_start = new.month_start, month_spent = new.month_spent
    FROM (SELECT
            unnest($6::uuid[]) AS delegation_id, unnest($7::bigint[]) AS budget, unnest($8::bigint[]) AS spent,
            unnest($9::bigint[]) AS own_spent, unnest($10::bigint[]) AS held, unnest($11::bigint[]) AS reserved,
            unnest($12::text[]) AS capped, unnest($13::timestamptz[]) AS hour_start,
            unnest($14::bigint[]) AS hour_spent, unnest($15::timestamptz[]) AS day_start,
            unnest($16::bigint[]) AS day_spent, unnest($17::timestamptz[]) AS week_start,
            unnest($18::bigint[]) AS week_spent, unnest($19::timestamptz[]) AS month_start,
            unnest($20::bigint[]) AS month_spent) AS new
    WHERE EXISTS (SELECT FROM head) AND b.tenant_id = $1 AND b.delegation_id = new.delegation_id
    RETURNING 1),
marks AS (
    UPDATE delegations d SET descendants = new.descendants, carve_returned = new.carve_returned,
        expiry_noted = new.expiry_noted, is_exhausted = new.is_exhausted, is_starving = new.is_starving
    FROM (SELECT
            unnest($21::uuid[]) AS id, unnest($22::bigint[]) AS descendants,
            unnest($23::boolean[]) AS carve_returned, unnest($24::boolean[]) AS expiry_noted,
            unnest($25::boolean[]) AS is_exhausted, unnest($26::boolean[]) AS is_starving) AS new
    WHERE EXISTS (SELECT FROM head) AND d.tenant_id = $1 AND d.id = new.id
    RETURNING 1),
entries AS (
    INSERT INTO ledger (tenant_id, seq, id, kind, delegation_id, amount, cost_center, department, recorded_at,
        idempotency_key, description, metadata, reverses, hash)
    SELECT $1, seq, id, kind, delegation_id, amount, cost_center, department, recorded_at, idempotency_key,
        description, metadata::json, reverses, hash
    FROM (SELECT
            unnest($27::bigint[]) AS seq, unnest($28::uuid[]) AS id, unnest($29::text[]) AS kind,
            unnest($30::uuid[]) AS delegation_id, unnest($31::bigint[]) AS amount,
            unnest($32::text[]) AS cost_center, unnest($33::text[]) AS department,
            unnest($34::text[]) AS idempotency_key, unnest($35::text[]) AS description,
            unnest($36::text[]) AS metadata, unnest($37::uuid[]) AS reverses, unnest($38::bytea[]) AS hash,
            unnest($39::timestamptz[]) AS recorded_at) AS new
    WHERE EXISTS (SELECT FROM head)),
sums AS (
    INSERT INTO spend_rollups AS r
        (tenant_id, bucket, delegation_id, cost_center, department, gross, refunded, entries)
    SELECT $1, bucket, delegation_id, cost_center, department, gross::numeric, refunded::numeric, entries
    FROM (SELECT
            unnest($40::timestamptz[]) AS bucket, unnest($41::uuid[]) AS delegation_id,
            unnest($42::text[]) AS cost_center, unnest($43::text[]) AS department, unnest($44::text[]) AS gross,
            unnest($45::text[]) AS refunded, unnest($46::bigint[]) AS entries) AS new
    WHERE EXISTS (SELECT FROM head)
    ON CONFLICT (tenant_id, bucket, delegation_id, cost_center, department) DO UPDATE
        SET gross = r.gross + excluded.gross, refunded = r.refunded + excluded.refunded,
            entries = r.entries + excluded.entries),
records AS (
    INSERT INTO idempotency (tenant_id, principal_id, route, key, fingerprint, status, response, created_at)
    SELECT $1, principal_id, route, key, fingerprint, status, response, $47
    FROM (SELECT
            unnest($48::uuid[]) AS principal_id, unnest($49::text[]) AS route, unnest($50::text[]) AS key,
            unnest($51::bytea[]) AS fingerprint, unnest($52::smallint[]) AS status, unnest($53::text[]) AS response) AS new
    WHERE EXISTS (SELECT FROM head))
SELECT (SELECT at FROM head) AS "at: jiff_sqlx::Timestamp",
    (SELECT count(*) FROM balances) AS "balances!", (SELECT count(*) FROM marks) AS "marks!"
