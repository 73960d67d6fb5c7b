-- The record of a request at a gateway counts for ten minutes, not for two days: so it is forgotten.
CREATE POLICY kept_long_enough_at_gateways ON idempotency TO CURRENT_USER
    USING (route = 'request at a gateway' AND created_at < clock_timestamp() - interval '10 minutes');

-- As before, with the second bound.
CREATE OR REPLACE FUNCTION idempotency_forget(from_page bigint, pages integer) RETURNS bigint
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
        AND created_at < clock_timestamp()
            - CASE route WHEN 'request at a gateway' THEN interval '10 minutes' ELSE interval '48 hours' END;
    GET DIAGNOSTICS forgotten = ROW_COUNT;
    RETURN forgotten;
END
$$;
