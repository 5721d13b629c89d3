-- The public surface: everything that the extension exposes, a fresh cumulative table and the sales pipeline included.
-- What is new here is declared by its line in the expected output, and its rights in the table below.
\pset format unaligned
\pset fieldsep ' | '
\pset footer off
SET client_min_messages = warning;
DROP EXTENSION pg_cumulate;
DROP SCHEMA sales CASCADE;
CREATE EXTENSION pg_cumulate;
RESET client_min_messages;
CREATE SCHEMA fresh;
CREATE TABLE fresh.source (key text, at timestamptz);
SELECT cumulate.create_table('fresh.counts', 'fresh.source', 'at', '{key}', '{"visits": "count(*)"}', start_date => '2024-01-01', time_zone => 'UTC');
-- Schema tests is in the build for tests alone.
CREATE TEMP VIEW exposed AS SELECT oid FROM pg_namespace WHERE nspname IN ('cumulate', 'cumulate_internal', 'sales', 'fresh');
-- What everybody but the owner may do.
CREATE FUNCTION pg_temp.others_may(acl aclitem[], kind "char", owner oid) RETURNS text LANGUAGE sql AS $$
    SELECT coalesce(string_agg(role || ': ' || may, '; ' ORDER BY role COLLATE "C"), 'nothing') FROM (
        SELECT coalesce(r.rolname, 'PUBLIC') AS role, string_agg(lower(a.privilege_type), ', ' ORDER BY a.privilege_type) AS may
        FROM aclexplode(coalesce(acl, acldefault(kind, owner))) AS a LEFT JOIN pg_roles r ON r.oid = a.grantee
        WHERE a.grantee <> owner GROUP BY 1) AS grants
$$;
-- Schemas.
SELECT nspname AS schema, pg_temp.others_may(nspacl, 'n', nspowner) AS others_may
FROM pg_namespace WHERE oid IN (SELECT oid FROM exposed) ORDER BY 1;
-- Functions and procedures.
SELECT p.pronamespace::regnamespace || '.' || p.proname || '(' || pg_get_function_arguments(p.oid) || ')' AS function,
       CASE p.prokind WHEN 'p' THEN 'procedure' ELSE pg_get_function_result(p.oid) END AS result, l.lanname AS language,
       CASE p.provolatile WHEN 'i' THEN 'immutable' WHEN 's' THEN 'stable' ELSE 'volatile' END AS volatility,
       CASE p.proparallel WHEN 's' THEN 'safe' WHEN 'r' THEN 'restricted' ELSE 'unsafe' END AS parallel,
       p.proisstrict AS strict, CASE WHEN p.prosecdef THEN 'definer' ELSE 'invoker' END AS security, p.proconfig AS settings,
       EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'x') AS goes_with_extension,
       pg_temp.others_may(p.proacl, 'f', p.proowner) AS others_may
FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
WHERE p.pronamespace IN (SELECT oid FROM exposed) ORDER BY p.oid::regprocedure::text COLLATE "C";
-- Tables, views, sequences and indexes.
SELECT c.oid::regclass AS relation,
       CASE c.relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'partitioned table' WHEN 'v' THEN 'view' WHEN 'S' THEN 'sequence'
                      WHEN 'i' THEN 'index' WHEN 'I' THEN 'partitioned index' ELSE c.relkind::text END AS kind,
       c.reloptions AS options, c.relrowsecurity AS row_security,
       EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e') AS member,
       (SELECT array_position(e.extconfig, c.oid) IS NOT NULL FROM pg_extension e WHERE e.extname = 'pg_cumulate') AS dumped,
       CASE WHEN c.relkind IN ('i', 'I') THEN pg_get_indexdef(c.oid)
            ELSE pg_temp.others_may(c.relacl, CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", c.relowner) END AS others_may
FROM pg_class c WHERE c.relnamespace IN (SELECT oid FROM exposed) ORDER BY c.oid::regclass::text COLLATE "C";
-- Of the extension's own, the database's owner may read tables and sequences; others may read views, which are barriers.
SELECT c.oid::regclass AS more_than_that, a.grantee, a.privilege_type
FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) AS a
WHERE c.relnamespace IN ('cumulate'::regnamespace, 'cumulate_internal'::regnamespace) AND a.grantee <> c.relowner
  AND NOT (a.privilege_type = 'SELECT' AND CASE c.relkind WHEN 'v' THEN 'security_barrier=true' = ANY (c.reloptions)
                                                          ELSE a.grantee = 'pg_database_owner'::regrole END);
-- Their columns.
SELECT c.oid::regclass || '.' || a.attname AS "column", format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull AS not_null,
       CASE a.attidentity WHEN 'a' THEN 'identity' ELSE pg_get_expr(d.adbin, d.adrelid) END AS "default", a.attacl AS grants
FROM pg_class c
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relnamespace IN (SELECT oid FROM exposed) AND c.relkind IN ('r', 'p', 'v')
ORDER BY c.oid::regclass::text COLLATE "C", a.attnum;
-- Constraints, but for NOT NULL.
SELECT c.conrelid::regclass || '.' || c.conname AS "constraint", pg_get_constraintdef(c.oid) AS definition
FROM pg_constraint c WHERE c.connamespace IN (SELECT oid FROM exposed) AND c.contype <> 'n'
ORDER BY (c.conrelid::regclass || '.' || c.conname) COLLATE "C";
-- Triggers; their names end with the number of the definition.
SELECT regexp_replace(pg_get_triggerdef(t.oid), '(cumulate_note_[a-z]+_|note_late\('')\d+', '\1N', 'g') AS trigger, t.tgenabled AS enabled,
       EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_trigger'::regclass AND d.objid = t.oid AND d.deptype = 'x') AS goes_with_extension
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
WHERE NOT t.tgisinternal AND c.relnamespace IN (SELECT oid FROM exposed)
ORDER BY c.oid::regclass::text COLLATE "C", t.tgname;
-- Settings.
SELECT name AS setting, context, vartype AS type, unit, min_val AS least, max_val AS most, boot_val AS "default"
FROM pg_settings WHERE name LIKE 'cumulate.%' ORDER BY 1;
-- No other kind of object: types of its own, operators, casts, languages, event triggers ...
SELECT o.type, o.identity
FROM pg_depend d
JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'pg_cumulate'
CROSS JOIN LATERAL pg_identify_object(d.classid, d.objid, d.objsubid) AS o
LEFT JOIN pg_type t ON d.classid = 'pg_type'::regclass AND t.oid = d.objid
LEFT JOIN pg_type element ON element.oid = t.typelem
WHERE d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass
  AND o.type NOT IN ('function', 'procedure', 'table', 'view', 'sequence')
  -- The types of rows.
  AND coalesce(t.typrelid, 0) = 0 AND coalesce(element.typrelid, 0) = 0
  AND o.identity <> 'tests'
ORDER BY 1, 2;

-- Who keeps a stranger from what each function changes. PUBLIC may call most of them, so these must look for themselves.
CREATE TEMP TABLE guard (name text, kept_by text, why text);
INSERT INTO guard VALUES
    ('shift', 'pure', 'a value of its arguments'),
    ('total', 'pure', 'a value of its arguments'),
    ('next_runs', 'pure', 'a value of its arguments and the clock'),
    ('version', 'pure', 'a value of the library'),
    ('health', 'reads', 'through views, which know the reader'),
    ('plan', 'reads', 'through views, which know the reader'),
    ('writers', 'reads', 'what pg_locks shows to everybody'),
    ('may_know', 'reads', 'roles'),
    ('may_watch', 'reads', 'roles and privileges'),
    ('defects', 'reads', 'what is wrong with a table that the reader may watch'),
    ('partitions', 'reads', 'the catalog, which everybody may read'),
    ('bounds', 'reads', 'the catalog, which everybody may read'),
    ('leaves', 'nobody', 'called by the extension''s own statements'), ('has_changed', 'nobody', 'likewise'),
    ('may_be_emptied', 'nobody', 'likewise'),
    ('launcher_pid', 'nobody', 'called by tests'),
    ('scheduler_problem', 'reads', 'a word'),
    ('wake', 'harmless', 'has the scheduler look, which it does by itself'),
    ('active_keys', 'reader', 'asks for SELECT on the columns, and reads the daily table as the owner'),
    ('growth', 'reader', ''), ('cohorts', 'reader', ''), ('series', 'reader', ''), ('top', 'reader', ''), ('movers', 'reader', ''),
    ('forecast', 'reader', ''), ('backtest', 'reader', ''), ('anomalies', 'reader', ''),
    ('note_late', 'trigger', 'only what fires it: who may make triggers on a table and write to it'),
    ('create_table', 'caller', 'makes objects as the caller, of a source that the caller may read'),
    ('create_sales_pipeline', 'caller', 'makes objects as the caller'),
    ('generate_events', 'caller', 'asks for INSERT, row security included'),
    ('definition', 'owner', 'and who may read all that the extension knows'),
    ('forget', 'owner', 'of a table that is still there; else there is nothing that anybody owns'),
    ('drop_table', 'owner', ''), ('alter_table', 'owner', ''), ('add_metric', 'owner', ''), ('add_metric_begin', 'owner', ''),
    ('add_metric_show', 'owner', ''), ('freeze', 'owner', ''), ('populate_day', 'owner', ''), ('cumulate_day', 'owner', ''),
    ('cumulate_range', 'owner', ''), ('backfill', 'owner', ''), ('backfill_begin', 'owner', ''), ('apply_late', 'owner', ''), ('refresh', 'owner', ''),
    ('apply_retention', 'owner', ''), ('retention_step', 'owner', ''), ('restate', 'owner', ''), ('verify', 'owner', ''),
    ('schedule', 'owner', ''), ('unschedule', 'owner', ''), ('run_now', 'owner', ''), ('pause', 'owner', ''), ('resume', 'owner', ''),
    ('add_metric_fill', 'run', 'a run of the caller''s own process'), ('add_metric_fail', 'run', ''),
    ('backfill_step', 'run', ''), ('backfill_fail', 'run', '');
-- Functions without a guard, and guards without a function.
SELECT coalesce(p.proname, g.name) AS undeclared
FROM (SELECT DISTINCT proname::text FROM pg_proc
      WHERE pronamespace IN ('cumulate'::regnamespace, 'cumulate_internal'::regnamespace)) AS p (proname)
FULL JOIN guard g ON g.name = p.proname WHERE p.proname IS NULL OR g.name IS NULL;
-- What is said to be pure or to read cannot write; nobody gains rights by a call.
SELECT p.oid::regprocedure AS suspect FROM pg_proc p JOIN guard g ON g.name = p.proname
WHERE p.pronamespace IN ('cumulate'::regnamespace, 'cumulate_internal'::regnamespace)
  AND (p.prosecdef OR g.kept_by IN ('pure', 'reads', 'reader') AND p.provolatile = 'v' AND p.proname <> 'scheduler_problem'
       OR g.kept_by = 'nobody' AND has_function_privilege('public', p.oid, 'EXECUTE'));
-- And by trial: a stranger calls every other one on the fresh table, whose arguments are all that it knows.
CREATE SCHEMA unread;
SELECT cumulate.create_table('unread.counts', 'fresh.source', 'at', '{key}', '{"visits": "count(*)"}', start_date => '2024-01-01', late => 'none');
CREATE ROLE surface_stranger;
GRANT USAGE ON SCHEMA fresh, sales, unread TO surface_stranger;
GRANT SELECT ON ALL TABLES IN SCHEMA fresh TO surface_stranger;
GRANT SELECT ON guard TO surface_stranger;
SELECT set_config('surface.definition', id::text, false) <> '' AS known FROM cumulate.definition WHERE target = 'fresh.counts'::regclass;
SET ROLE surface_stranger;
DO $$
DECLARE
    call record;
    code text;
BEGIN
    FOR call IN
        SELECT p.oid::regprocedure AS signature, g.kept_by,
               format('%s %s.%I(%s)', CASE p.prokind WHEN 'p' THEN 'CALL' ELSE 'SELECT' END, p.pronamespace::regnamespace, p.proname,
                   (SELECT string_agg(format('%I => %s', a.name, CASE a.name
                        WHEN 'target' THEN CASE g.kept_by WHEN 'reader' THEN '''unread.counts''' ELSE '''fresh.counts''' END
                        WHEN 'metric' THEN CASE g.kept_by WHEN 'reader' THEN '''visits''' ELSE 'NULL' END
                        WHEN 'definition' THEN current_setting('surface.definition')
                        WHEN 'run_id' THEN '1'
                        WHEN 'keep_data' THEN 'true'
                        ELSE 'NULL' END), ', ')
                    FROM unnest(p.proargnames[1:p.pronargs]) AS a (name)
                    WHERE g.kept_by <> 'reader' OR a.name IN ('target', 'metric'))) AS sql
        FROM pg_proc p JOIN guard g ON g.name = p.proname
        WHERE p.pronamespace IN ('cumulate'::regnamespace, 'cumulate_internal'::regnamespace)
          AND (g.kept_by IN ('owner', 'reader', 'run', 'nobody') OR p.proname = 'generate_events')
        ORDER BY 1::text
    LOOP
        code := 'none';
        BEGIN
            EXECUTE call.sql;
        EXCEPTION WHEN OTHERS THEN
            code := SQLSTATE;
        END;
        IF code <> (CASE call.kept_by WHEN 'run' THEN '55000' WHEN 'caller' THEN '22004' ELSE '42501' END) THEN
            RAISE WARNING '% is not kept from a stranger: %', call.signature, code;
        END IF;
    END LOOP;
END
$$;
SELECT cumulate.generate_events('sales.events', 1, 1, '2024-01-01', '2024-01-01', 1);
SELECT cumulate.create_sales_pipeline('sales');
SELECT cumulate.create_table('fresh.mine', 'fresh.source', 'at', '{key}', '{"visits": "count(*)"}', late => 'none');
RESET ROLE;
SET client_min_messages = warning;
DROP OWNED BY surface_stranger;
DROP ROLE surface_stranger;
SELECT cumulate.drop_table('fresh.counts');
SELECT cumulate.drop_table('unread.counts');
DROP SCHEMA unread;
DROP SCHEMA fresh CASCADE;
