-- What is there and how it is doing. Every view shows the tables that the reader may watch, and what is not for everybody
-- who may, to those who may know. They are barriers: no function of a reader sees a row before it was chosen.

-- No reader's: the views below choose from it.
CREATE VIEW cumulate_internal.definitions AS
SELECT d.*, c.relowner AS owner, cumulate_internal.may_know(c.relowner) AS known
FROM cumulate.definition d
JOIN pg_catalog.pg_class c ON c.oid = d.target
WHERE cumulate_internal.may_watch(d.target, c.relowner);

CREATE VIEW cumulate.tables WITH (security_barrier) AS
SELECT target, source, keys, windows, start_date, time_zone, shape, late, owner::pg_catalog.regrole AS owner
FROM cumulate_internal.definitions;

CREATE VIEW cumulate.metrics WITH (security_barrier) AS
SELECT d.target, m.name::text AS metric,
       CASE WHEN NOT d.known THEN NULL
            WHEN pg_catalog.json_typeof(m.body) = 'string' THEN m.body #>> '{}' ELSE m.body ->> 'value' END AS value,
       CASE WHEN pg_catalog.json_typeof(m.body) = 'string' THEN 'sum'
            ELSE coalesce(m.body ->> 'rollup', 'sum') END AS rollup,
       CASE WHEN pg_catalog.json_typeof(m.body) = 'string' THEN m.name
            ELSE coalesce(m.body ->> 'daily', m.name) END AS daily_column
FROM cumulate_internal.definitions d
CROSS JOIN LATERAL pg_catalog.json_each(d.metrics) WITH ORDINALITY AS m (name, body, position);

CREATE VIEW cumulate.days WITH (security_barrier) AS
WITH writer AS MATERIALIZED (
    SELECT t.target, w.pid, w.first_day FROM cumulate_internal.definitions t CROSS JOIN LATERAL cumulate.writers(t.target) AS w)
SELECT t.target, day.day::date AS day, coalesce(l.state, 'missing') AS state, l.rows, l.events,
       l.unkeyed_events AS unkeyed, coalesce(n.notes, 0) + coalesce(e.notes, 0) AS notes,
       (SELECT pg_catalog.array_agg(coalesce(w.pid, 0)) FROM writer w
        WHERE w.target = t.target AND (w.first_day IS NULL OR w.first_day <= day.day::date)
          AND coalesce(l.state, 'missing') IN ('missing', 'open')) AS held_by,
       pg_catalog.date_trunc('second', l.closed_at) AS closed_at
FROM cumulate_internal.definitions t
JOIN LATERAL (
    SELECT pg_catalog.generate_series(t.start_date::timestamp,
               greatest((pg_catalog.clock_timestamp() AT TIME ZONE t.time_zone)::date - 1,
                        (SELECT pg_catalog.max(k.day) FROM cumulate.ledger k WHERE k.target = t.target))::timestamp,
               interval '1 day') AS day) AS day ON t.start_date IS NOT NULL
LEFT JOIN cumulate.ledger l ON l.target = t.target AND l.day = day.day::date
LEFT JOIN (SELECT target, day, count(*) AS notes FROM cumulate.note GROUP BY target, day) AS n
    ON n.target = t.target AND n.day = day.day::date
LEFT JOIN (SELECT target, count(*) AS notes FROM cumulate.note WHERE day IS NULL GROUP BY target) AS e
    ON e.target = t.target;

CREATE VIEW cumulate.status WITH (security_barrier) AS
SELECT t.target, l.newest_closed,
       (pg_catalog.clock_timestamp() AT TIME ZONE t.time_zone)::date - 1
           - coalesce(l.newest_closed, t.start_date - 1) AS lag_days,
       l.open_days,
       greatest((pg_catalog.clock_timestamp() AT TIME ZONE t.time_zone)::date - t.start_date, 0)
           - l.past_days AS missing_days,
       n.notes, n.oldest_note, w.held_by
FROM cumulate_internal.definitions t
CROSS JOIN LATERAL (
    SELECT pg_catalog.max(day) FILTER (WHERE state IN ('closed', 'frozen')) AS newest_closed,
           count(*) FILTER (WHERE state = 'open') AS open_days,
           count(*) FILTER (WHERE state <> 'missing'
               AND day < (pg_catalog.clock_timestamp() AT TIME ZONE t.time_zone)::date) AS past_days
    FROM cumulate.ledger WHERE target = t.target) AS l
CROSS JOIN LATERAL (
    SELECT count(*) AS notes, pg_catalog.date_trunc('second', pg_catalog.min(noted_at)) AS oldest_note
    FROM cumulate.note WHERE target = t.target) AS n
CROSS JOIN LATERAL (
    SELECT pg_catalog.array_agg(coalesce(pid, 0)) AS held_by FROM cumulate.writers(t.target)) AS w;

CREATE VIEW cumulate.runs WITH (security_barrier) AS
SELECT r.run_id, r.target, r.trigger, r.from_day, r.to_day, r.days_done, r.days_total, r.rows,
       CASE WHEN e.ended THEN 'failed' ELSE r.status END AS status, r.started_at, r.finished_at, r.sqlstate,
       told.message, told.detail, told.hint
FROM cumulate.run r
JOIN pg_catalog.pg_class c ON c.oid = r.target AND cumulate_internal.may_watch(c.oid, c.relowner)
-- When others' processes began, only some may see.
LEFT JOIN pg_catalog.pg_stat_activity a
    ON a.pid = r.pid AND coalesce(a.backend_start = r.process_started_at, true)
CROSS JOIN LATERAL (SELECT r.status = 'running' AND a.pid IS NULL AS ended) AS e
LEFT JOIN LATERAL (
    SELECT CASE WHEN e.ended THEN 'the process ended' ELSE r.message END AS message,
           CASE WHEN e.ended
                THEN pg_catalog.format('It stopped at %s; %s/%s days are closed and stay.', r.from_day + r.days_done,
                                       r.days_done, r.days_total)
                ELSE r.detail END AS detail,
           CASE WHEN e.ended AND r.trigger = 'backfill'
                THEN pg_catalog.format('CALL cumulate.backfill(%L, %L, %L);', r.target, r.from_day, r.to_day)
                ELSE r.hint END AS hint) AS told ON cumulate_internal.may_know(c.relowner);

CREATE VIEW cumulate.progress WITH (security_barrier) AS
SELECT r.run_id, r.target, r.trigger, r.from_day + r.days_done AS current_day, r.days_done, r.days_total, r.rows,
       (r.rows / greatest(extract(epoch FROM pg_catalog.clock_timestamp() - r.started_at), 0.001))::bigint
           AS rows_per_second,
       CASE WHEN r.days_done > 0
            THEN (pg_catalog.clock_timestamp() - r.started_at) * ((r.days_total - r.days_done) / r.days_done::float8)
       END AS time_left,
       r.started_at
FROM cumulate.runs r
WHERE r.status = 'running';

-- What makes a table incomplete: no run touches it until it is mended, or its restore has come to its end.
CREATE VIEW cumulate.defects WITH (security_barrier) AS
-- Sources whose late changes are not noted. Partitions that a run has not seen yet get what they lack from it.
SELECT t.target, pg_catalog.format('trigger %s on %s is %s: late changes are not noted', e.name, s.relid,
                     CASE WHEN g.oid IS NULL THEN 'missing' WHEN NOT g.notes THEN 'another one' ELSE 'disabled' END) AS what,
       pg_catalog.format('SELECT cumulate.alter_table(%L, late => ''none''); SELECT cumulate.alter_table(%1$L, late => ''trigger'');',
                         t.target) AS how_to_mend
FROM cumulate_internal.definitions t
CROSS JOIN LATERAL (
    SELECT t.source UNION
    SELECT p.relid FROM cumulate_internal.partitions(t.source) p
    WHERE NOT p.isleaf OR EXISTS (SELECT FROM cumulate_internal.seen e WHERE (e.target, e.leaf) = (t.target, p.relid))) AS s (relid)
CROSS JOIN LATERAL (
    SELECT 'cumulate_note_' || event || '_' || t.id AS name, type
    -- After each row, or after the statement.
    FROM (VALUES ('insert', 5), ('update', 17), ('delete', 9), ('truncate', 32)) AS events (event, type)) AS e
LEFT JOIN LATERAL (
    SELECT g.oid, g.tgenabled,
           g.tgfoid = 'cumulate_internal.note_late()'::pg_catalog.regprocedure AND g.tgtype = e.type AND g.tgattr = ''
               AND pg_catalog.encode(g.tgargs, 'hex') = pg_catalog.encode(pg_catalog.textsend(t.id::text), 'hex') || '00' AS notes
    FROM pg_catalog.pg_trigger g WHERE g.tgrelid = s.relid AND g.tgname = e.name) AS g ON true
WHERE t.late = 'trigger' AND (g.oid IS NULL OR NOT g.notes OR g.tgenabled <> 'A')
  AND EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = t.source)
UNION ALL
-- Tables without a valid key.
SELECT t.target, pg_catalog.format('%s has no valid unique index on its key', k.relid),
       pg_catalog.format('ALTER TABLE %s ADD PRIMARY KEY (snapshot_date, %s);', k.relid,
           (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(name), ', ') FROM pg_catalog.unnest(t.keys) AS name))
FROM cumulate_internal.definitions t
CROSS JOIN LATERAL (VALUES (t.target), (t.daily)) AS k (relid)
WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_index i
                  WHERE i.indrelid = k.relid AND i.indisunique AND i.indisvalid AND i.indpred IS NULL)
  AND EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = k.relid)
UNION ALL
-- Parts that are gone, changed, or not the owner's.
SELECT t.target, f.what, f.how_to_mend
FROM cumulate_internal.definitions t CROSS JOIN LATERAL cumulate_internal.defects(t.target) AS f;

CREATE VIEW cumulate.schedules WITH (security_barrier) AS
SELECT t.target, s.schedule, coalesce(s.time_zone, t.time_zone) AS time_zone,
       CASE WHEN s.schedule IS NOT NULL AND s.paused_at IS NULL THEN
           (SELECT next FROM cumulate.next_runs(s.schedule, coalesce(s.time_zone, t.time_zone), 1) AS next)
       END AS next_run,
       CASE WHEN EXISTS (SELECT FROM cumulate.runs r WHERE r.target = t.target AND r.status = 'running') THEN 'running'
            WHEN s.paused_at IS NOT NULL THEN 'paused'
            WHEN EXISTS (SELECT FROM cumulate.defects f WHERE f.target = t.target) THEN 'incomplete'
            WHEN s.failures > 0 THEN 'retrying'
            WHEN s.schedule IS NULL THEN 'by hand'
            ELSE 'scheduled' END AS state,
       s.failures, s.retry_at, s.paused_at, CASE WHEN t.known THEN s.reason END AS reason
FROM cumulate_internal.definitions t
JOIN cumulate.schedule s ON s.target = t.target;

-- What is wrong, for cumulate.health().
CREATE VIEW cumulate_internal.problems (severity, target, what, how_to_mend) WITH (security_barrier) AS
-- Tables that are gone themselves.
SELECT 'error', d.target::text, 'the table has been dropped', pg_catalog.format('SELECT cumulate.forget(%s);', d.id)
FROM cumulate.definition d
WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = d.target)
UNION ALL
-- Metrics whose adding was killed.
SELECT 'warning', t.target::text, pg_catalog.format('metric %s was not added completely: its columns are empty', m.name),
       pg_catalog.format('CALL cumulate.add_metric(%L, %L, %s);', t.target, m.name,
                         CASE WHEN t.known THEN pg_catalog.quote_literal(m.body::text) ELSE '...' END)
FROM cumulate_internal.definitions t
CROSS JOIN LATERAL pg_catalog.json_each(t.adding) AS m (name, body)
WHERE NOT EXISTS (SELECT FROM cumulate.runs r WHERE r.run_id = t.adding_run AND r.status = 'running')
UNION ALL
SELECT 'error', f.target::text, f.what, f.how_to_mend FROM cumulate.defects f
UNION ALL
SELECT problem.severity, NULL, problem.what, problem.how_to_mend
FROM (VALUES
    ('error', 'not preloaded', 'no scheduler: the library was not loaded when the server started',
     'add pg_cumulate to shared_preload_libraries in postgresql.conf and restart the server'),
    ('warning', 'off', 'the scheduler does not work: cumulate.enabled is off',
     'ALTER SYSTEM SET cumulate.enabled = on; SELECT pg_reload_conf();'),
    ('warning', 'off in the database', 'the scheduler does not work in this database: cumulate.enabled is off',
     pg_catalog.format('ALTER DATABASE %I RESET cumulate.enabled;', pg_catalog.current_database())),
    ('error', 'never launched', 'the scheduler''s launcher was not started with the server',
     'raise max_worker_processes in postgresql.conf and restart the server'),
    ('error', 'no launcher', 'the scheduler''s launcher has ended', 'it is started anew within 5 seconds; if not, see the server''s log'),
    ('error', 'no free worker', 'the scheduler could not start a worker: all of max_worker_processes are in use',
     'raise max_worker_processes in postgresql.conf and restart the server'),
    ('error', 'old library', 'the extension is newer than the library that the server has loaded: the scheduler leaves it alone',
     'restart the server')) AS problem (severity, word, what, how_to_mend)
WHERE problem.word = cumulate_internal.scheduler_problem()
UNION ALL
SELECT 'error', s.target::text,
       pg_catalog.format('paused since %s', s.paused_at) || coalesce(': ' || s.reason, ''),
       pg_catalog.format('SELECT cumulate.resume(%L);', s.target)
FROM cumulate.schedules s WHERE s.paused_at IS NOT NULL
UNION ALL
SELECT 'warning', s.target::text,
       pg_catalog.format('the last %s runs failed: %s', s.failures, coalesce(r.message, 'see cumulate.runs')),
       pg_catalog.format('mend the cause; the next try is at %s', s.retry_at)
FROM cumulate.schedules s
LEFT JOIN LATERAL (SELECT message FROM cumulate.runs r WHERE r.target = s.target AND r.status = 'failed'
                   ORDER BY r.run_id DESC LIMIT 1) AS r ON true
WHERE s.failures > 0 AND s.paused_at IS NULL
UNION ALL
-- What waits.
SELECT 'warning', s.target::text,
       pg_catalog.format('%s notes of late changes have waited since %s', s.notes, s.oldest_note),
       pg_catalog.format('SELECT cumulate.apply_late(%L);', s.target)
FROM cumulate.status s WHERE s.notes > 0
UNION ALL
SELECT 'warning', u.target::text, pg_catalog.format('%s days that are over have no closed snapshot', u.days),
       pg_catalog.format('CALL cumulate.backfill(%L);', u.target)
FROM (SELECT d.target, t.source, count(*) AS days
      FROM cumulate.days d JOIN cumulate_internal.definitions t ON t.target = d.target
      WHERE d.state IN ('missing', 'open') AND d.day < (pg_catalog.clock_timestamp() AT TIME ZONE t.time_zone)::date
      GROUP BY d.target, t.source) AS u
JOIN cumulate.status s ON s.target = u.target
JOIN cumulate.schedule c ON c.target = u.target
-- What the scheduler is about to do is no problem, nor are days before the first event.
WHERE CASE WHEN s.newest_closed IS NOT NULL
           THEN c.schedule IS NULL OR s.lag_days > 1 OR cumulate_internal.scheduler_problem() IS NOT NULL
           ELSE (c.schedule IS NULL OR cumulate_internal.scheduler_problem() IS NOT NULL)
               AND EXISTS (SELECT FROM pg_catalog.pg_class k
                           WHERE k.oid IN (SELECT u.source UNION ALL
                                           SELECT p.relid FROM cumulate_internal.partitions(u.source) p)
                             AND CASE WHEN k.relkind = 'r' THEN pg_catalog.pg_relation_size(k.oid) > 0
                                      ELSE k.relkind <> 'p' END) END
UNION ALL
-- Snapshots that somebody has emptied. Whoever truncates a table leaves it without a page.
SELECT 'error', e.target::text,
       pg_catalog.format('the snapshots of %s are empty: %s has no row of the %s that were written',
           CASE WHEN e.first_day = e.last_day THEN e.first_day::text
                ELSE pg_catalog.format('%s to %s', e.first_day, e.last_day) END, e.relid, e.rows),
       pg_catalog.format('SELECT cumulate.restate(%L, %L, %L);', e.target, e.first_day, e.last_day)
FROM (SELECT p.target, p.relid, pg_catalog.min(l.day) AS first_day, pg_catalog.max(l.day) AS last_day,
             pg_catalog.sum(l.rows) AS rows
      FROM (SELECT t.target, b.partition AS relid, b.first_day, b.past
            FROM cumulate_internal.definitions t CROSS JOIN LATERAL cumulate_internal.bounds(t.target) AS b
            UNION ALL SELECT t.target, t.target, '-infinity', 'infinity' FROM cumulate_internal.definitions t) AS p
      JOIN pg_catalog.pg_class c ON c.oid = p.relid AND c.relkind = 'r'
          AND CASE WHEN c.relpages = 0 THEN pg_catalog.pg_relation_size(c.oid) = 0 ELSE false END
      JOIN cumulate.ledger l ON l.target = p.target AND l.day >= p.first_day AND l.day < p.past
          AND l.state IN ('open', 'closed', 'frozen') AND l.rows > 0
      GROUP BY p.target, p.relid) AS e
UNION ALL
-- Snapshots whose partition is gone.
SELECT 'warning', g.target::text,
       pg_catalog.format('%s days, the first %s, have no partition any more: the next run counts them as dropped',
           count(*), pg_catalog.min(g.day)),
       pg_catalog.format('attach the partition again, or accept it: SELECT cumulate.apply_late(%L);', g.target)
FROM (SELECT l.target, l.day
      FROM (SELECT t.target, pg_catalog.range_agg(pg_catalog.daterange(b.first_day, b.past))
                       FILTER (WHERE b.first_day IS NOT NULL) AS days
            FROM cumulate_internal.definitions t
            LEFT JOIN LATERAL cumulate_internal.bounds(t.target) AS b ON true
            WHERE t.partition_by <> 'none'
            GROUP BY t.target
            HAVING count(b.partition) = count(b.first_day)) AS p
      JOIN cumulate.ledger l ON l.target = p.target AND l.state IN ('open', 'closed', 'frozen')
          AND NOT coalesce(l.day <@ p.days, false)) AS g
GROUP BY g.target
UNION ALL
-- Who is waited for.
SELECT 'warning', t.target::text,
       pg_catalog.format('%s has written to %s since %s, and days stay open until it has ended',
           coalesce('process ' || w.pid, pg_catalog.format('prepared transaction %L', w.prepared)), t.source,
           coalesce(pg_catalog.date_trunc('second', w.began_at)::text, 'an unknown time')),
       coalesce('SELECT pg_terminate_backend(' || w.pid || ');',
                pg_catalog.format('COMMIT PREPARED %L;', w.prepared))
FROM cumulate_internal.definitions t CROSS JOIN LATERAL cumulate.writers(t.target) AS w
WHERE EXISTS (SELECT FROM cumulate.days d WHERE d.target = t.target AND d.held_by IS NOT NULL);

GRANT SELECT ON cumulate.tables, cumulate.metrics, cumulate.days, cumulate.status, cumulate.runs, cumulate.progress,
    cumulate.defects, cumulate.schedules, cumulate_internal.problems TO PUBLIC;
GRANT USAGE ON SCHEMA cumulate TO PUBLIC;

COMMENT ON VIEW cumulate_internal.definitions IS 'Definitions of the tables that the reader may watch';
COMMENT ON VIEW cumulate_internal.problems IS 'Used by cumulate.health: what is wrong with the tables that the reader may watch';

CREATE FUNCTION cumulate.health(OUT severity text, OUT target text, OUT what text, OUT how_to_mend text)
RETURNS SETOF record
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT p.severity, p.target, p.what, p.how_to_mend FROM cumulate_internal.problems p;
END;

CREATE FUNCTION cumulate.plan(target regclass, OUT day date, OUT why text) RETURNS SETOF record
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT d.day, CASE WHEN d.state = 'missing' THEN 'no snapshot yet'
                       WHEN d.state = 'open' THEN 'made before the day had ended'
                       ELSE 'late changes wait' END
    FROM cumulate.days d
    JOIN cumulate.tables t ON t.target = d.target
    WHERE d.target = $1 AND d.day < (pg_catalog.clock_timestamp() AT TIME ZONE t.time_zone)::date
      AND (d.state IN ('missing', 'open') OR d.notes > 0)
    ORDER BY d.day;
END;
