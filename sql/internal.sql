-- What nobody calls by hand: steps of procedures, the trigger function of sources, and what views ask the library.

CREATE SCHEMA cumulate_internal;

CREATE FUNCTION cumulate_internal.note_late() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'note_late_wrapper';

CREATE FUNCTION cumulate_internal.backfill_begin(target regclass, from_day date, to_day date) RETURNS bigint
LANGUAGE c AS 'MODULE_PATHNAME', 'backfill_begin_wrapper';
CREATE FUNCTION cumulate_internal.backfill_step(run_id bigint) RETURNS boolean
LANGUAGE c AS 'MODULE_PATHNAME', 'backfill_step_wrapper';
CREATE FUNCTION cumulate_internal.backfill_fail(run_id bigint, sqlstate text, message text, detail text, hint text) RETURNS void
LANGUAGE c AS 'MODULE_PATHNAME', 'backfill_fail_wrapper';
CREATE FUNCTION cumulate_internal.retention_step(target regclass) RETURNS boolean
LANGUAGE c AS 'MODULE_PATHNAME', 'retention_step_wrapper';

CREATE FUNCTION cumulate_internal.add_metric_begin(target regclass, name text, metric json) RETURNS bigint
LANGUAGE c AS 'MODULE_PATHNAME', 'add_metric_begin_wrapper';
CREATE FUNCTION cumulate_internal.add_metric_fill(run_id bigint) RETURNS bigint
LANGUAGE c AS 'MODULE_PATHNAME', 'add_metric_fill_wrapper';
CREATE FUNCTION cumulate_internal.add_metric_show(target regclass) RETURNS void
LANGUAGE c AS 'MODULE_PATHNAME', 'add_metric_show_wrapper';
CREATE FUNCTION cumulate_internal.add_metric_fail(run_id bigint, sqlstate text, message text, detail text, hint text) RETURNS void
LANGUAGE c AS 'MODULE_PATHNAME', 'add_metric_fail_wrapper';

CREATE FUNCTION cumulate_internal.defects(target regclass) RETURNS TABLE (what text, how_to_mend text)
STABLE LANGUAGE c AS 'MODULE_PATHNAME', 'defects_wrapper';
CREATE FUNCTION cumulate_internal.launcher_pid() RETURNS integer
LANGUAGE c AS 'MODULE_PATHNAME', 'launcher_pid_wrapper';
CREATE FUNCTION cumulate_internal.scheduler_problem() RETURNS text
LANGUAGE c AS 'MODULE_PATHNAME', 'scheduler_problem_wrapper';

-- Who finds out what of a table. How it is doing is for those who may read it, and for those who watch the server; its
-- keys, expressions and texts of errors are for its owner, and for those who may read all that the extension knows.
CREATE FUNCTION cumulate_internal.may_know(owner oid) RETURNS boolean LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT pg_catalog.pg_has_role(owner, 'USAGE') OR pg_catalog.has_table_privilege('cumulate.definition'::regclass, 'SELECT');
END;

CREATE FUNCTION cumulate_internal.may_watch(target oid, owner oid) RETURNS boolean LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT pg_catalog.has_table_privilege(target, 'SELECT') OR pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE')
        OR cumulate_internal.may_know(owner);
END;

-- pg_partition_tree locks partitions and leaves their parent unlocked: who locks them from the top down, as TRUNCATE
-- does, and the transaction that goes on to read the parent would wait for each other.
CREATE FUNCTION cumulate_internal.partitions(parent regclass, OUT relid regclass, OUT isleaf boolean) RETURNS SETOF record
LANGUAGE sql STABLE
BEGIN ATOMIC
    WITH RECURSIVE part AS (
        SELECT c.oid, c.relkind, 0 AS level FROM pg_catalog.pg_class c WHERE c.oid = parent AND c.relkind = 'p'
        UNION ALL
        SELECT c.oid, c.relkind, p.level + 1
        FROM part p
        JOIN pg_catalog.pg_inherits i ON i.inhparent = p.oid
        JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
        WHERE p.relkind = 'p')
    SELECT part.oid::regclass, part.relkind <> 'p' FROM part ORDER BY part.level, part.oid;
END;

-- Where partitions of a cumulative table begin, and the first day behind them: without a bound they are infinite. NULL is
-- the partition that takes what no other takes.
CREATE FUNCTION cumulate_internal.bounds(parent regclass, OUT partition regclass, OUT first_day date, OUT past date)
RETURNS SETOF record LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT c.oid::regclass,
           CASE b.bounds[1] WHEN 'MINVALUE' THEN '-infinity' ELSE pg_catalog.btrim(b.bounds[1], '''') END::date,
           CASE b.bounds[2] WHEN 'MAXVALUE' THEN 'infinity' ELSE pg_catalog.btrim(b.bounds[2], '''') END::date
    FROM pg_catalog.pg_inherits i
    JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid AND c.relispartition AND NOT i.inhdetachpending
    CROSS JOIN LATERAL (
        SELECT pg_catalog.regexp_match(pg_catalog.pg_get_expr(c.relpartbound, c.oid), 'FROM \((.+)\) TO \((.+)\)')) AS b (bounds)
    WHERE i.inhparent = parent;
END;

-- The tables that rows of a source are written to: itself, its partitions, tables that inherit from it. Beside each its
-- note triggers, with what changes when one of them is disabled, enabled or made anew; nothing where not all changes are noted.
CREATE FUNCTION cumulate_internal.leaves(definition bigint, source regclass, OUT leaf regclass, OUT triggers text)
RETURNS SETOF record LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT l.relid, coalesce(t.triggers, '')
    FROM (SELECT source AS relid
          UNION SELECT p.relid FROM cumulate_internal.partitions(source) p WHERE p.isleaf) AS l
    CROSS JOIN LATERAL (
        SELECT CASE WHEN count(*) FILTER (WHERE t.tgenabled = 'A') = 4
                    THEN pg_catalog.string_agg(t.oid || ' ' || t.xmin, ', ' ORDER BY t.oid) END AS triggers
        FROM pg_catalog.pg_trigger t
        WHERE t.tgrelid = l.relid AND t.tgname::text = ANY (ARRAY['cumulate_note_insert_' || definition,
            'cumulate_note_update_' || definition, 'cumulate_note_delete_' || definition,
            'cumulate_note_truncate_' || definition])) AS t
    UNION ALL
    SELECT i.inhrelid::regclass, ''
    FROM pg_catalog.pg_inherits i
    JOIN pg_catalog.pg_class c ON c.oid = i.inhparent
    WHERE i.inhparent = source AND c.relkind = 'r';
END;

-- These tables as they were at the last look. Triggers are numbered anew in a database that is restored, so no dump has them.
CREATE TABLE cumulate_internal.seen (
    target   regclass,
    leaf     regclass,
    triggers text NOT NULL,
    PRIMARY KEY (target, leaf)
);

-- Whether they have changed since. Before the first look, as in a database that has been restored, nothing has.
CREATE FUNCTION cumulate_internal.has_changed(target regclass, definition bigint, source regclass) RETURNS boolean
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT coalesce(
        (SELECT pg_catalog.array_agg((s.leaf::oid, s.triggers)::text ORDER BY s.leaf::oid)
         FROM cumulate_internal.seen s WHERE s.target = $1)
        <> (SELECT pg_catalog.array_agg((l.leaf::oid, l.triggers)::text ORDER BY l.leaf::oid)
            FROM cumulate_internal.leaves(definition, source) l), false);
END;

-- A crash empties unlogged tables without a word, and this one with them: a row is here for each cumulative table that has
-- been looked at since.
CREATE UNLOGGED TABLE cumulate_internal.witness (target regclass PRIMARY KEY);

-- Whether a crash may have emptied a table or what it is made of. Where late changes are not noted, nobody asks for the source.
CREATE FUNCTION cumulate_internal.may_be_emptied(target regclass) RETURNS boolean
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT CASE
        WHEN EXISTS (SELECT FROM cumulate_internal.witness w WHERE w.target = $1) THEN false
        ELSE EXISTS (
            SELECT FROM cumulate.definition d
            CROSS JOIN LATERAL (
                SELECT d.target UNION SELECT d.daily UNION SELECT p.relid FROM cumulate_internal.partitions(d.target) p
                UNION SELECT d.source WHERE d.late = 'trigger'
                UNION SELECT p.relid FROM cumulate_internal.partitions(d.source) p WHERE d.late = 'trigger') AS t (relid)
            JOIN pg_catalog.pg_class c ON c.oid = t.relid AND c.relkind = 'r' AND c.relpersistence = 'u'
            WHERE d.target = $1) END;
END;

-- Some of them are called with the rights of a user who does something else.
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA cumulate_internal FROM PUBLIC;
GRANT USAGE ON SCHEMA cumulate_internal TO PUBLIC;
GRANT EXECUTE ON FUNCTION
    -- Whoever makes the triggers of a source: create_table and alter_table as the table's owner, and who restores them.
    cumulate_internal.note_late,
    -- Who calls the procedures. Each step looks whether its caller owns the table.
    cumulate_internal.add_metric_begin, cumulate_internal.add_metric_fill, cumulate_internal.add_metric_show,
    cumulate_internal.add_metric_fail, cumulate_internal.backfill_begin, cumulate_internal.backfill_step,
    cumulate_internal.backfill_fail, cumulate_internal.retention_step,
    -- Who reads the views and cumulate.health().
    cumulate_internal.bounds, cumulate_internal.defects, cumulate_internal.may_know, cumulate_internal.may_watch,
    cumulate_internal.partitions, cumulate_internal.scheduler_problem
TO PUBLIC;

COMMENT ON SCHEMA cumulate_internal IS 'Functions and views of pg_cumulate that only the extension itself uses';
COMMENT ON FUNCTION cumulate_internal.note_late IS 'Trigger function on sources: notes rows of days that are over';
COMMENT ON FUNCTION cumulate_internal.defects IS 'Used by view cumulate.defects: parts of a table that are gone, changed, or not its owner''s';
COMMENT ON FUNCTION cumulate_internal.launcher_pid IS 'Process of the scheduler''s launcher; NULL when there is none';
COMMENT ON FUNCTION cumulate_internal.scheduler_problem IS 'Used by cumulate.health: what keeps the scheduler from working';
COMMENT ON FUNCTION cumulate_internal.may_know IS
    'Whether the current role sees keys, expressions and texts of errors of tables of an owner';
COMMENT ON FUNCTION cumulate_internal.may_watch IS 'Whether the current role sees how a table of an owner is doing';
COMMENT ON FUNCTION cumulate_internal.partitions IS 'A partitioned table and its partitions, from the top down; locks none of them';
COMMENT ON FUNCTION cumulate_internal.bounds IS
    'Partitions of a cumulative table, each with its first day and the first day behind it; both are NULL for the default partition';
COMMENT ON FUNCTION cumulate_internal.leaves IS
    'A source, its partitions, and tables that inherit from it, each with its note triggers for a definition';
COMMENT ON TABLE cumulate_internal.seen IS 'Sources and their partitions, as they were at the last look';
COMMENT ON COLUMN cumulate_internal.seen.target IS 'The cumulative table';
COMMENT ON COLUMN cumulate_internal.seen.leaf IS 'Its source, a partition of it, or a table that inherits from it';
COMMENT ON COLUMN cumulate_internal.seen.triggers IS 'The note triggers there, each with the transaction that last changed it';
COMMENT ON FUNCTION cumulate_internal.has_changed IS 'Whether partitions of a source or their note triggers have changed since the last look';
COMMENT ON TABLE cumulate_internal.witness IS 'Cumulative tables that have been looked at since the server last recovered from a crash';
COMMENT ON COLUMN cumulate_internal.witness.target IS 'The cumulative table';
COMMENT ON FUNCTION cumulate_internal.may_be_emptied IS
    'Whether a crash may have emptied a cumulative table, its source or its daily table since the last look';
COMMENT ON FUNCTION cumulate_internal.add_metric_begin IS 'Used by procedure cumulate.add_metric: checks the metric, adds empty columns, starts a run';
COMMENT ON FUNCTION cumulate_internal.add_metric_fill IS 'Used by procedure cumulate.add_metric: fills the columns; returns the snapshot rows filled';
COMMENT ON FUNCTION cumulate_internal.add_metric_show IS 'Used by procedure cumulate.add_metric: shows the metric in the view of the newest snapshot';
COMMENT ON FUNCTION cumulate_internal.add_metric_fail IS 'Used by procedure cumulate.add_metric: ends its run with an error and removes the columns';
COMMENT ON FUNCTION cumulate_internal.backfill_begin IS 'Used by procedure cumulate.backfill: starts a run and returns its number';
COMMENT ON FUNCTION cumulate_internal.backfill_step IS 'Used by procedure cumulate.backfill: does one batch, and returns whether there is more to do';
COMMENT ON FUNCTION cumulate_internal.retention_step IS
    'Used by procedure cumulate.backfill: drops a batch of old snapshots, and returns whether there is more to do';
COMMENT ON FUNCTION cumulate_internal.backfill_fail IS 'Used by procedure cumulate.backfill: ends its run with an error';
