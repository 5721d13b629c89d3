-- Last: what needs every object of the extension, comments and the pipeline of schema sales.

COMMENT ON SCHEMA cumulate IS 'pg_cumulate: cumulative tables, advanced day by day';

COMMENT ON FUNCTION cumulate.create_table IS
    'Makes a cumulative table over a source, or takes over one of that name that fits, and returns it';
COMMENT ON FUNCTION cumulate.alter_table IS
    'Changes how late changes are found, the lookback of scans, the retention, or the filter; NULL leaves a setting as it is';
COMMENT ON FUNCTION cumulate.definition IS 'Returns the create_table call that makes such a table, with the names that source and columns have today';
COMMENT ON FUNCTION cumulate.drop_table IS
    'Drops a cumulative table with its daily table and triggers; with keep_data the tables stay, as ordinary tables';
COMMENT ON FUNCTION cumulate.populate_day IS
    'Reads a day from the source into the daily table, repairs the snapshots that depend on it, and returns the number of the day''s daily rows';
COMMENT ON FUNCTION cumulate.cumulate_day IS
    'Closes a day: repairs what late changes say, reads the day from the source, makes its snapshot, and returns the number of its rows';
COMMENT ON FUNCTION cumulate.cumulate_range IS
    'Closes the days of a range that are not closed, in the caller''s transaction, and returns the number of rows in all snapshots of the range';
COMMENT ON FUNCTION cumulate.refresh IS
    'Does all that plan lists: repairs what late changes say, closes every day that is over, and returns the number of snapshot rows written';
COMMENT ON FUNCTION cumulate.restate IS
    'Reads days again from the source, compares their snapshots and those that depend on them, of all keys or of those given as jsonb objects, and returns the number of snapshot rows changed';
COMMENT ON FUNCTION cumulate.version IS 'Returns the version of the library that the server has loaded';
COMMENT ON FUNCTION cumulate.freeze IS
    'Declares closed days final: their source rows may be deleted and are never read again';
COMMENT ON FUNCTION cumulate.apply_retention IS
    'Drops snapshots that are older than the table''s retention, never daily rows, and returns the number of days dropped';
COMMENT ON FUNCTION cumulate.forget IS 'Removes what is known of a cumulative table of which a part has been dropped, by the number of its definition';
COMMENT ON FUNCTION cumulate.health IS 'Returns one row for each problem: how severe it is, which table has it, what it is and how to mend it';
COMMENT ON FUNCTION cumulate.apply_late IS
    'Repairs the snapshots that noted late changes touch, and returns the number of snapshot rows changed';
COMMENT ON FUNCTION cumulate.verify IS
    'Computes closed days again from the source and returns what differs from the snapshots; no rows when all is right';
COMMENT ON FUNCTION cumulate.plan IS 'Returns the days before today that need work, and why';
COMMENT ON FUNCTION cumulate.generate_events IS
    'Writes mock events into a table with columns product_id, event_type and event_date, and returns how many';
COMMENT ON FUNCTION cumulate.create_sales_pipeline IS
    'Makes a sales pipeline in a schema: events, daily table, cumulative table and functions; returns the cumulative table';
COMMENT ON FUNCTION cumulate.writers IS
    'Returns the transactions that have written to the source and began before today or at an unknown time; closing a day that is over waits for them';
COMMENT ON PROCEDURE cumulate.backfill IS
    'Closes the days of a range that are not closed, by default all days up to yesterday, and commits after each batch';
COMMENT ON FUNCTION cumulate.schedule IS
    'Lets a cumulative table advance by itself at the times of a schedule: five fields of cron, @hourly, @daily, @weekly or @monthly';
COMMENT ON FUNCTION cumulate.unschedule IS 'Removes the schedule of a cumulative table, which is then advanced by hand';
COMMENT ON FUNCTION cumulate.run_now IS 'Asks the scheduler for a run of a cumulative table, and returns at once';
COMMENT ON FUNCTION cumulate.pause IS 'Keeps the scheduler away from a cumulative table until resume is called';
COMMENT ON FUNCTION cumulate.resume IS 'Ends the pause of a cumulative table, and forgets its earlier failures';
COMMENT ON FUNCTION cumulate.next_runs IS 'Returns the next n times of a schedule in a time zone, UTC by default';
COMMENT ON FUNCTION cumulate.wake IS 'Asks the scheduler to look at this database as soon as the transaction has committed';
COMMENT ON PROCEDURE cumulate.add_metric IS
    'Adds a metric with its history; other columns stay as they are, and readers wait only while columns are added';

DO $$
DECLARE
    one record;
BEGIN
    FOR one IN
        SELECT p.oid::pg_catalog.regprocedure AS signature, p.proname
        FROM pg_catalog.pg_proc p
        WHERE p.pronamespace = 'cumulate'::pg_catalog.regnamespace AND p.proname IN ('shift', 'total')
    LOOP
        EXECUTE pg_catalog.format('COMMENT ON FUNCTION %s IS %L', one.signature, CASE one.proname
            WHEN 'shift' THEN 'Puts newest in front of a newest-first array and cuts the array to size elements (1 to 3660)'
            ELSE 'Returns the sum of the newest days of a newest-first array, of all days by default; NULL elements do not count' END);
    END LOOP;
END
$$;

COMMENT ON VIEW cumulate.tables IS 'Cumulative tables; cumulate.definition(target) returns the call that makes one';
COMMENT ON COLUMN cumulate.tables.target IS 'The cumulative table';
COMMENT ON COLUMN cumulate.tables.source IS 'The table of events';
COMMENT ON COLUMN cumulate.tables.keys IS 'The key columns';
COMMENT ON COLUMN cumulate.tables.windows IS 'Windows in days';
COMMENT ON COLUMN cumulate.tables.start_date IS 'The first day that counts; NULL until the first event''s day is known';
COMMENT ON COLUMN cumulate.tables.time_zone IS 'The time zone in which days are cut';
COMMENT ON COLUMN cumulate.tables.shape IS 'ragged or padded';
COMMENT ON COLUMN cumulate.tables.late IS 'How late changes are found: trigger, scan or none';
COMMENT ON COLUMN cumulate.tables.owner IS 'The owner, with whose rights the source is read';

COMMENT ON VIEW cumulate.metrics IS 'Metrics of the cumulative tables';
COMMENT ON COLUMN cumulate.metrics.target IS 'The cumulative table';
COMMENT ON COLUMN cumulate.metrics.metric IS 'The metric''s name';
COMMENT ON COLUMN cumulate.metrics.value IS 'Its aggregate expression as it was typed';
COMMENT ON COLUMN cumulate.metrics.rollup IS 'How totals are made from its array';
COMMENT ON COLUMN cumulate.metrics.daily_column IS 'Its column in the daily table';

COMMENT ON VIEW cumulate.days IS 'The ledger: every day from the start date on, and how final it is';
COMMENT ON COLUMN cumulate.days.target IS 'The cumulative table';
COMMENT ON COLUMN cumulate.days.day IS 'The day';
COMMENT ON COLUMN cumulate.days.state IS 'missing, open (the snapshot was made before the day or its writers had ended), closed, frozen or dropped';
COMMENT ON COLUMN cumulate.days.rows IS 'Rows in its snapshot';
COMMENT ON COLUMN cumulate.days.events IS 'Source rows of the day when it was last aggregated as a whole';
COMMENT ON COLUMN cumulate.days.unkeyed IS 'Source rows of the day that were left out because a key column is NULL';
COMMENT ON COLUMN cumulate.days.notes IS 'Late changes of the day that wait to be repaired; a change of all days counts for each day';
COMMENT ON COLUMN cumulate.days.held_by IS
    'Processes that a close of the day would wait for; 0 for a prepared transaction';
COMMENT ON COLUMN cumulate.days.closed_at IS 'When its snapshot was made or settled';

COMMENT ON VIEW cumulate.status IS 'How far each cumulative table has advanced';
COMMENT ON COLUMN cumulate.status.target IS 'The cumulative table';
COMMENT ON COLUMN cumulate.status.newest_closed IS 'The newest closed day';
COMMENT ON COLUMN cumulate.status.lag_days IS 'Days from the newest closed day to yesterday';
COMMENT ON COLUMN cumulate.status.open_days IS 'Days whose snapshot will be settled by a later close';
COMMENT ON COLUMN cumulate.status.missing_days IS 'Days that are over and have no snapshot';
COMMENT ON COLUMN cumulate.status.notes IS 'Notes of late changes that wait to be repaired';
COMMENT ON COLUMN cumulate.status.oldest_note IS 'When the oldest of them was noted';
COMMENT ON COLUMN cumulate.status.held_by IS
    'Processes that still write to the source and began before today; 0 for a prepared transaction; see cumulate.writers()';

COMMENT ON VIEW cumulate.runs IS 'Runs and how they ended';
COMMENT ON COLUMN cumulate.runs.run_id IS 'Number of the run';
COMMENT ON COLUMN cumulate.runs.target IS 'The cumulative table';
COMMENT ON COLUMN cumulate.runs.trigger IS 'What started it: schedule, manual, backfill or late';
COMMENT ON COLUMN cumulate.runs.from_day IS 'First day of its work';
COMMENT ON COLUMN cumulate.runs.to_day IS 'Last day of its work';
COMMENT ON COLUMN cumulate.runs.days_done IS 'Days closed so far';
COMMENT ON COLUMN cumulate.runs.days_total IS 'Days to close';
COMMENT ON COLUMN cumulate.runs.rows IS 'Snapshot rows so far';
COMMENT ON COLUMN cumulate.runs.status IS 'running, succeeded or failed';
COMMENT ON COLUMN cumulate.runs.started_at IS 'When it started';
COMMENT ON COLUMN cumulate.runs.finished_at IS 'When it ended';
COMMENT ON COLUMN cumulate.runs.sqlstate IS 'SQLSTATE of its error';
COMMENT ON COLUMN cumulate.runs.message IS 'Message of its error';
COMMENT ON COLUMN cumulate.runs.detail IS 'DETAIL of its error';
COMMENT ON COLUMN cumulate.runs.hint IS 'HINT of its error';

COMMENT ON VIEW cumulate.schedules IS 'Schedules of the cumulative tables, and what keeps the scheduler from them';
COMMENT ON COLUMN cumulate.schedules.target IS 'The cumulative table';
COMMENT ON COLUMN cumulate.schedules.schedule IS 'Five fields of cron or a macro; NULL: only by hand';
COMMENT ON COLUMN cumulate.schedules.time_zone IS 'The time zone that the schedule goes by';
COMMENT ON COLUMN cumulate.schedules.next_run IS 'The next time of the schedule; work that is due already does not wait for it';
COMMENT ON COLUMN cumulate.schedules.state IS 'running, paused, incomplete (see cumulate.defects), retrying, by hand or scheduled';
COMMENT ON COLUMN cumulate.schedules.failures IS 'Runs in a row that have failed';
COMMENT ON COLUMN cumulate.schedules.retry_at IS 'When it is tried again';
COMMENT ON COLUMN cumulate.schedules.paused_at IS 'Since when it is paused';
COMMENT ON COLUMN cumulate.schedules.reason IS 'Why it is paused';

COMMENT ON VIEW cumulate.defects IS 'What makes cumulative tables incomplete; no run touches such a table until it is mended';
COMMENT ON COLUMN cumulate.defects.target IS 'The cumulative table';
COMMENT ON COLUMN cumulate.defects.what IS 'What is missing or disabled';
COMMENT ON COLUMN cumulate.defects.how_to_mend IS 'The statement that mends it';

COMMENT ON VIEW cumulate.progress IS 'Runs that are under way';
COMMENT ON COLUMN cumulate.progress.run_id IS 'Number of the run';
COMMENT ON COLUMN cumulate.progress.target IS 'The cumulative table';
COMMENT ON COLUMN cumulate.progress.trigger IS 'What started it';
COMMENT ON COLUMN cumulate.progress.current_day IS 'The day that comes next';
COMMENT ON COLUMN cumulate.progress.days_done IS 'Days closed so far';
COMMENT ON COLUMN cumulate.progress.days_total IS 'Days to close';
COMMENT ON COLUMN cumulate.progress.rows IS 'Snapshot rows so far';
COMMENT ON COLUMN cumulate.progress.rows_per_second IS 'Snapshot rows a second since it started';
COMMENT ON COLUMN cumulate.progress.time_left IS 'About how long it will take';
COMMENT ON COLUMN cumulate.progress.started_at IS 'When it started';

-- A database that has the extension is looked at from now on.
SELECT cumulate.wake();

DO $$
BEGIN
    IF cumulate_internal.scheduler_problem() = 'not preloaded' THEN
        RAISE WARNING 'days will not advance by themselves: pg_cumulate is not preloaded'
            USING HINT = 'Add pg_cumulate to shared_preload_libraries in postgresql.conf and restart the server. Everything else works without that.';
    END IF;
END
$$;

-- The sales pipeline, unless there is a schema of that name or a dump is being restored.
DO $$
DECLARE
    member record;
BEGIN
    -- CREATE EXTENSION keeps notices back, but who runs it should know.
    PERFORM pg_catalog.set_config('client_min_messages', 'notice', true);
    IF EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = 'sales') THEN
        RAISE NOTICE 'schema "sales" exists and is left alone'
            USING HINT = 'SELECT cumulate.create_sales_pipeline(''shop'');';
        RETURN;
    END IF;
    -- A dump is being restored where row_security is off, unless it was made with --enable-row-security, or where the
    -- statement is the one that pg_dump writes: what the dump holds comes with it.
    IF NOT coalesce(pg_catalog.current_setting('cumulate.create_sales', true)::boolean, true)
       OR NOT pg_catalog.current_setting('row_security')::boolean
       OR pg_catalog.strpos(pg_catalog.current_query(), 'CREATE EXTENSION IF NOT EXISTS pg_cumulate WITH SCHEMA cumulate;') > 0 THEN
        RAISE NOTICE 'schema "sales" is not made'
            USING HINT = 'SELECT cumulate.create_sales_pipeline(''shop'');';
        RETURN;
    END IF;
    PERFORM cumulate.create_sales_pipeline('sales');
    -- The pipeline belongs to whoever made it, not to the extension: dumps keep it, DROP EXTENSION keeps its tables.
    FOR member IN
        SELECT o.type, o.identity, d.classid, d.objid
        FROM pg_catalog.pg_depend d
        JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid AND e.extname = 'pg_cumulate'
        CROSS JOIN LATERAL pg_catalog.pg_identify_object(d.classid, d.objid, d.objsubid) AS o
        WHERE d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.deptype = 'e'
          AND (o.schema = 'sales' OR (o.type = 'schema' AND o.identity = 'sales'))
        ORDER BY o.type = 'schema', o.type = 'type'
    LOOP
        -- From PostgreSQL 18 on, types go with their table, and must not have gone before it.
        IF EXISTS (SELECT FROM pg_catalog.pg_depend d
                   WHERE (d.classid, d.objid, d.deptype) = (member.classid, member.objid, 'e')) THEN
            EXECUTE pg_catalog.format('ALTER EXTENSION pg_cumulate DROP %s %s', member.type, member.identity);
        END IF;
    END LOOP;
END
$$;
