-- The sales pipeline: the first cumulative table, made on the engine like any other.

CREATE FUNCTION cumulate.create_sales_pipeline(schema_name text DEFAULT 'sales') RETURNS regclass
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    target regclass;
    wrapper text;
BEGIN
    IF schema_name IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '22004', MESSAGE = 'schema_name must not be null',
            DETAIL = 'The pipeline lives in a schema of its own.',
            HINT = 'SELECT cumulate.create_sales_pipeline(''shop'');';
    END IF;
    IF NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = schema_name) THEN
        EXECUTE format('CREATE SCHEMA %I', schema_name);
        EXECUTE format('COMMENT ON SCHEMA %I IS %L', schema_name, 'The sales pipeline of pg_cumulate');
    END IF;

    IF to_regclass(format('%I.events', schema_name)) IS NULL THEN
        EXECUTE format($sql$
            CREATE TABLE %1$I.events (
                event_id   bigint  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                product_id integer NOT NULL,
                event_type text    NOT NULL CHECK (event_type IN ('sell', 'return', 'reorder')),
                event_date date    NOT NULL);
            CREATE INDEX ON %1$I.events (event_date);
            COMMENT ON TABLE %1$I.events IS 'Sales events, one row each';
            COMMENT ON COLUMN %1$I.events.event_id IS 'Number of the event';
            COMMENT ON COLUMN %1$I.events.product_id IS 'The product';
            COMMENT ON COLUMN %1$I.events.event_type IS 'sell, return or reorder';
            COMMENT ON COLUMN %1$I.events.event_date IS 'Day of the event'$sql$, schema_name);
    END IF;

    IF to_regclass(format('%I.daily', schema_name)) IS NULL THEN
        EXECUTE format($sql$
            CREATE TABLE %1$I.daily (
                product_id    integer NOT NULL,
                num_events    bigint,
                num_sell      integer,
                num_reorder   integer,
                num_return    integer,
                snapshot_date date    NOT NULL,
                PRIMARY KEY (snapshot_date, product_id));
            COMMENT ON TABLE %1$I.daily IS 'Events per product and day';
            COMMENT ON COLUMN %1$I.daily.product_id IS 'The product';
            COMMENT ON COLUMN %1$I.daily.num_events IS 'Events of the day';
            COMMENT ON COLUMN %1$I.daily.num_sell IS 'Sells of the day';
            COMMENT ON COLUMN %1$I.daily.num_reorder IS 'Reorders of the day';
            COMMENT ON COLUMN %1$I.daily.num_return IS 'Returns of the day';
            COMMENT ON COLUMN %1$I.daily.snapshot_date IS 'The day'$sql$, schema_name);
    END IF;

    target := cumulate.create_table(
        name => format('%I.daily_cumulate', schema_name),
        source => format('%I.events', schema_name)::regclass,
        time_column => 'event_date',
        keys => ARRAY['product_id'],
        metrics => '{
            "sell":    {"value": "count(*) FILTER (WHERE event_type = ''sell'')", "type": "integer", "daily": "num_sell"},
            "return":  {"value": "count(*) FILTER (WHERE event_type = ''return'')", "type": "integer", "daily": "num_return"},
            "reorder": {"value": "count(*) FILTER (WHERE event_type = ''reorder'')", "type": "integer", "daily": "num_reorder"}}',
        start_date => DATE '2024-12-01',
        time_zone => 'UTC',
        daily => format('%I.daily', schema_name));

    -- Wrappers may have stayed behind when a table was dropped.
    FOR wrapper IN
        SELECT p.oid::regprocedure::text
        FROM pg_proc p
        JOIN pg_namespace n ON n.oid = p.pronamespace AND n.nspname = schema_name
        JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'x'
        JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'pg_cumulate'
        WHERE p.proname IN ('generate_events', 'populate_day', 'cumulate_day', 'shift_array', 'backfill')
    LOOP
        EXECUTE 'DROP ROUTINE ' || wrapper;
    END LOOP;

    EXECUTE format($sql$
        CREATE FUNCTION %1$I.generate_events(events bigint DEFAULT 1000000, products integer DEFAULT 1000,
            from_day date DEFAULT '2024-01-01', to_day date DEFAULT '2024-12-31', seed bigint DEFAULT NULL,
            profile text DEFAULT 'uniform') RETURNS bigint LANGUAGE sql
        BEGIN ATOMIC
            SELECT cumulate.generate_events(%2$L::regclass, events, products, from_day, to_day, seed, profile);
        END;
        COMMENT ON FUNCTION %1$I.generate_events IS
            'Writes mock events, and returns how many; the same seed gives the same events';

        CREATE FUNCTION %1$I.populate_day(day date) RETURNS bigint LANGUAGE sql
        BEGIN ATOMIC
            SELECT cumulate.populate_day(%3$L::regclass, day);
        END;
        COMMENT ON FUNCTION %1$I.populate_day IS
            'Reads a day of events into the daily table, and returns the number of the day''s rows';

        CREATE FUNCTION %1$I.cumulate_day(day date) RETURNS bigint LANGUAGE sql
        BEGIN ATOMIC
            SELECT cumulate.cumulate_day(%3$L::regclass, day);
        END;
        COMMENT ON FUNCTION %1$I.cumulate_day IS
            'Closes a day, and returns the number of rows in its snapshot';

        CREATE FUNCTION %1$I.shift_array(history integer[], newest integer) RETURNS integer[] LANGUAGE sql
            IMMUTABLE PARALLEL SAFE
        BEGIN ATOMIC
            SELECT cumulate.shift(history, newest, 7);
        END;
        COMMENT ON FUNCTION %1$I.shift_array IS
            'Puts the newest value in front of a 7-day history and drops the oldest';

        CREATE PROCEDURE %1$I.backfill(from_day date DEFAULT NULL, to_day date DEFAULT NULL) LANGUAGE plpgsql
        AS %4$L;
        COMMENT ON PROCEDURE %1$I.backfill IS
            'Closes the days of a range that are not closed, by default all days up to yesterday, and commits after each batch'
        $sql$, schema_name, format('%I.events', schema_name), format('%I.daily_cumulate', schema_name),
        format(' BEGIN CALL cumulate.backfill(%L, from_day, to_day); END ', format('%I.daily_cumulate', schema_name)));

    FOREACH wrapper IN ARRAY ARRAY[
        'FUNCTION %I.generate_events', 'FUNCTION %I.populate_day', 'FUNCTION %I.cumulate_day',
        'FUNCTION %I.shift_array', 'PROCEDURE %I.backfill']
    LOOP
        EXECUTE format('ALTER ' || wrapper || ' DEPENDS ON EXTENSION pg_cumulate', schema_name);
    END LOOP;
    RETURN target;
END
$$;
