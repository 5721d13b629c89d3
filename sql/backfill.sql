-- backfill commits as it goes, which only a procedure can; the work of a batch is the library's.

CREATE PROCEDURE cumulate.backfill(target regclass, from_day date DEFAULT NULL, to_day date DEFAULT NULL)
LANGUAGE plpgsql AS $$
DECLARE
    run bigint := cumulate_internal.backfill_begin(target, from_day, to_day);
    more boolean := run IS NOT NULL;
    failed boolean := false;
    code text; message text; detail text; hint text;
BEGIN
    COMMIT;
    WHILE more LOOP
        BEGIN
            more := cumulate_internal.backfill_step(run);
        EXCEPTION WHEN OTHERS OR query_canceled THEN
            GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT,
                detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
            failed := true;
        END;
        IF failed THEN
            PERFORM cumulate_internal.backfill_fail(run, code, message, detail, hint);
            COMMIT;
            RAISE EXCEPTION USING ERRCODE = code, MESSAGE = message, DETAIL = detail,
                HINT = CASE WHEN hint OPERATOR(pg_catalog.<>) '' THEN hint
                            ELSE pg_catalog.format('CALL cumulate.backfill(%L);', target) END;
        END IF;
        COMMIT;
    END LOOP;
    WHILE cumulate_internal.retention_step(target) LOOP
        COMMIT;
    END LOOP;
END
$$;
