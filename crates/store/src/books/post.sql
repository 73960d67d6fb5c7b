-- $1 tenant, $2 its revision; $3-$5 the new head; $6-$24 balances; $25-$37 entries; $38 now, $39-$44 records;
-- $45-$48 the head as it must have been.
--
-- The head comes first, and takes the tenant's lock where it is not held yet; where it is not as it must be, nothing is
-- written. Arrays are unfolded by the select list, because the FROM clause would store each of them first.
WITH head AS (
    UPDATE ledger_heads SET revision = $2, seq = coalesce($3, seq), hash = coalesce($4, hash),
        newest_at = coalesce($5, newest_at)
    WHERE tenant_id = $1 AND revision = $45 AND seq = coalesce($46, seq) AND hash = coalesce($47, hash)
        AND newest_at = coalesce($48, newest_at)
    RETURNING clock_timestamp() AS at),
balances AS (
    UPDATE balances b SET
        budget = new.budget, spent = new.spent, own_spent = new.own_spent, held = new.held, reserved = new.reserved,
        capped = new.capped::numeric, hour_start = new.hour_start, hour_spent = new.hour_spent,
        day_start = new.day_start, day_spent = new.day_spent, week_start = new.week_start,
        week_spent = new.week_spent, month_start = new.month_start, month_spent = new.month_spent,
        newest_at = new.newest_at, quarter_start = date_bin('15 minutes', new.newest_at, 'epoch'),
        quarter_gross = new.quarter_gross, quarter_refunded = new.quarter_refunded,
        quarter_entries = new.quarter_entries
    FROM (SELECT
            unnest($6::uuid[]) AS delegation_id, unnest($7::bigint[]) AS budget, unnest($8::bigint[]) AS spent,
            unnest($9::bigint[]) AS own_spent, unnest($10::bigint[]) AS held, unnest($11::bigint[]) AS reserved,
            unnest($12::text[]) AS capped, unnest($13::timestamptz[]) AS hour_start,
            unnest($14::bigint[]) AS hour_spent, unnest($15::timestamptz[]) AS day_start,
            unnest($16::bigint[]) AS day_spent, unnest($17::timestamptz[]) AS week_start,
            unnest($18::bigint[]) AS week_spent, unnest($19::timestamptz[]) AS month_start,
            unnest($20::bigint[]) AS month_spent, unnest($21::timestamptz[]) AS newest_at,
            unnest($22::bigint[]) AS quarter_gross, unnest($23::bigint[]) AS quarter_refunded,
            unnest($24::bigint[]) AS quarter_entries) AS new
    WHERE EXISTS (SELECT FROM head) AND b.tenant_id = $1 AND b.delegation_id = new.delegation_id
    RETURNING 1),
entries AS (
    INSERT INTO ledger (tenant_id, seq, id, kind, delegation_id, amount, cost_center, department, recorded_at,
        idempotency_key, description, metadata, reverses, hash)
    SELECT $1, seq, id, kind, delegation_id, amount, cost_center, department, recorded_at, idempotency_key,
        description, metadata::json, reverses, hash
    FROM (SELECT
            unnest($25::bigint[]) AS seq, unnest($26::uuid[]) AS id, unnest($27::text[]) AS kind,
            unnest($28::uuid[]) AS delegation_id, unnest($29::bigint[]) AS amount,
            unnest($30::text[]) AS cost_center, unnest($31::text[]) AS department,
            unnest($32::text[]) AS idempotency_key, unnest($33::text[]) AS description,
            unnest($34::text[]) AS metadata, unnest($35::uuid[]) AS reverses, unnest($36::bytea[]) AS hash,
            unnest($37::timestamptz[]) AS recorded_at) AS new
    WHERE EXISTS (SELECT FROM head)),
records AS (
    INSERT INTO idempotency (tenant_id, principal_id, route, key, fingerprint, status, response, created_at)
    SELECT $1, principal_id, route, key, fingerprint, status, response, $38
    FROM (SELECT
            unnest($39::uuid[]) AS principal_id, unnest($40::text[]) AS route, unnest($41::text[]) AS key,
            unnest($42::bytea[]) AS fingerprint, unnest($43::smallint[]) AS status, unnest($44::text[]) AS response) AS new
    WHERE EXISTS (SELECT FROM head))
SELECT (SELECT at FROM head) AS "at: jiff_sqlx::Timestamp", (SELECT count(*) FROM balances) AS "balances!"
