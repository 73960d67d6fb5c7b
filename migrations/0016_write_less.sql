-- The newest counter of each window beside the balances: a spend changes them together, and a row of its own for each was
-- a third of what a spend wrote. A counter that is not there is summed up from the rollups, as all are once after this.
ALTER TABLE balances
    ADD COLUMN hour_start timestamptz,
    ADD COLUMN hour_spent bigint,
    ADD COLUMN day_start timestamptz,
    ADD COLUMN day_spent bigint,
    ADD COLUMN week_start timestamptz,
    ADD COLUMN week_spent bigint,
    ADD COLUMN month_start timestamptz,
    ADD COLUMN month_spent bigint,
    DROP CONSTRAINT balances_check,
    DROP CONSTRAINT balances_check1,
    ADD CHECK (greatest(spent, own_spent, held, hour_spent, day_spent, week_spent, month_spent) <= 9007199254740991),
    ADD CHECK (least(spent, own_spent, held, reserved, hour_spent, day_spent, week_spent, month_spent) >= 0),
    ADD CHECK (capped >= 0);

DROP TABLE window_counters;

-- To keep an index by age took as long as to insert the record: all records of a batch are of one age, one tenant after the
-- other. Now whoever forgets old records looks through the table, some pages at a time, for all tenants at once.
DROP INDEX idempotency_by_age;

-- The owner, for whom the function below works, sees what is to be forgotten and nothing else.
CREATE POLICY kept_long_enough ON idempotency TO CURRENT_USER USING (created_at < clock_timestamp() - interval '48 hours');

-- Forgets old records in the given pages of the table. Returns how many, and NULL beyond its end.
CREATE FUNCTION idempotency_forget(from_page bigint, pages integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_catalog, pg_temp AS $$
DECLARE
    forgotten bigint;
BEGIN
    IF from_page >= pg_relation_size('public.idempotency') / current_setting('block_size')::bigint THEN
        RETURN NULL;
    END IF;
    -- The tenants' policy asks for a tenant, and shows nothing of this one.
    PERFORM set_config('subgrant.tenant_id', '00000000-0000-0000-0000-000000000000', true);
    DELETE FROM public.idempotency
    WHERE ctid >= format('(%s,0)', from_page)::tid AND ctid < format('(%s,0)', from_page + pages)::tid
        AND created_at < clock_timestamp() - interval '48 hours';
    GET DIAGNOSTICS forgotten = ROW_COUNT;
    RETURN forgotten;
END
$$;

REVOKE ALL ON FUNCTION idempotency_forget FROM PUBLIC;
GRANT EXECUTE ON FUNCTION idempotency_forget TO subgrant_app;
