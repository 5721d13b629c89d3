-- add_metric commits the new, empty columns before it fills them, so that nobody waits for that; the work is the library's.

CREATE PROCEDURE cumulate.add_metric(target regclass, name text, metric json)
LANGUAGE plpgsql AS $$
DECLARE
    run bigint := cumulate_internal.add_metric_begin(target, name, metric);
    failed boolean := false;
    code text; message text; detail text; hint text;
BEGIN
    COMMIT;
    IF run IS NOT NULL THEN
        BEGIN
            PERFORM cumulate_internal.add_metric_fill(run);
        EXCEPTION WHEN OTHERS OR query_canceled THEN
            GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT,
                detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
            failed := true;
        END;
        IF failed THEN
            PERFORM cumulate_internal.add_metric_fail(run, code, message, detail, hint);
            COMMIT;
            RAISE EXCEPTION USING ERRCODE = code, MESSAGE = message, DETAIL = detail,
                HINT = CASE WHEN hint OPERATOR(pg_catalog.<>) '' THEN hint
                            ELSE pg_catalog.format('CALL cumulate.add_metric(%L, %L, %L);', target, name, metric) END;
        END IF;
        COMMIT;
    END IF;
    PERFORM cumulate_internal.add_metric_show(target);
END
$$;
