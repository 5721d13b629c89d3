-- A schema that was there before, as from a dump, must be empty and the installer's: what others have laid there could
-- be called in place of ours.
DO $$
DECLARE
    facts text;
BEGIN
    SELECT CASE
        WHEN NOT o.rolsuper AND n.nspowner <> current_user::pg_catalog.regrole::pg_catalog.oid
            THEN pg_catalog.format('Its owner is "%s".', o.rolname)
        WHEN EXISTS (SELECT FROM pg_catalog.aclexplode(n.nspacl) a
                     WHERE a.privilege_type = 'CREATE' AND a.grantee <> n.nspowner)
            THEN 'Others may create objects in it.'
        ELSE (SELECT pg_catalog.format('It holds %s.', pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid))
              FROM pg_catalog.pg_depend d
              WHERE d.refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass AND d.refobjid = n.oid
                AND d.classid <> 'pg_catalog.pg_extension'::pg_catalog.regclass
              ORDER BY d.classid, d.objid LIMIT 1) END
    INTO facts
    FROM pg_catalog.pg_namespace n JOIN pg_catalog.pg_roles o ON o.oid = n.nspowner
    WHERE n.nspname = 'cumulate';
    IF facts IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = '42501', MESSAGE = 'schema "cumulate" exists and does not belong to the installing role alone',
            DETAIL = facts, HINT = 'ALTER SCHEMA cumulate RENAME TO cumulate_before;';
    END IF;
END
$$;

-- The extension's own tables: written by the library alone, and read by the owner of the database, who can dump it.
-- Everybody else has the views, for keys, expressions and texts of errors are not everybody's business.

CREATE TABLE cumulate.definition (
    id             bigint      GENERATED ALWAYS AS IDENTITY UNIQUE,
    target         regclass    PRIMARY KEY,
    source         regclass    NOT NULL,
    daily          regclass    NOT NULL,
    time_column    text        NOT NULL,
    keys           text[]      NOT NULL,
    metrics        json        NOT NULL,
    windows        integer[]   NOT NULL,
    start_date     date,
    time_zone      text        NOT NULL,
    filter         text,
    shape          text        NOT NULL,
    expire_idle    boolean     NOT NULL,
    late           text        NOT NULL,
    lookback       integer     NOT NULL,
    partition_by   text        NOT NULL,
    retention      interval,
    frozen_through date,
    frozen_changes bigint      NOT NULL DEFAULT 0,
    adding         json,
    adding_run     bigint,
    created_at     timestamptz NOT NULL DEFAULT pg_catalog.now()
);

CREATE TABLE cumulate.ledger (
    target         regclass    NOT NULL,
    day            date        NOT NULL,
    state          text        NOT NULL CHECK (state IN ('missing', 'open', 'closed', 'frozen', 'dropped')),
    rows           bigint      NOT NULL DEFAULT 0,
    events         bigint      NOT NULL DEFAULT 0,
    unkeyed_events bigint      NOT NULL DEFAULT 0,
    aggregated_at  timestamptz,
    closed_at      timestamptz,
    PRIMARY KEY (target, day)
);

CREATE TABLE cumulate.note (
    id       bigint      GENERATED ALWAYS AS IDENTITY,
    target   regclass    NOT NULL,
    day      date,
    key      text[],
    pid      integer     NOT NULL,
    noted_at timestamptz NOT NULL,
    PRIMARY KEY (target, id)
);

CREATE TABLE cumulate.schedule (
    target     regclass    PRIMARY KEY,
    schedule   text,
    time_zone  text,
    wanted_at  timestamptz,
    paused_at  timestamptz,
    reason     text,
    failures   integer     NOT NULL DEFAULT 0,
    retry_at   timestamptz,
    scanned_at timestamptz,
    served_at  timestamptz,
    slow       boolean     NOT NULL DEFAULT false
);

CREATE TABLE cumulate.run (
    run_id      bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    target      regclass    NOT NULL,
    trigger     text        NOT NULL CHECK (trigger IN ('schedule', 'manual', 'backfill', 'late')),
    from_day    date,
    to_day      date,
    days_done   integer     NOT NULL DEFAULT 0,
    days_total  integer     NOT NULL DEFAULT 0,
    rows        bigint      NOT NULL DEFAULT 0,
    status      text        NOT NULL CHECK (status IN ('running', 'succeeded', 'failed')),
    pid         integer     NOT NULL,
    process_started_at timestamptz NOT NULL,
    started_at  timestamptz NOT NULL,
    finished_at timestamptz,
    sqlstate    text,
    message     text,
    detail      text,
    hint        text
);

GRANT SELECT ON cumulate.definition, cumulate.ledger, cumulate.note, cumulate.schedule, cumulate.run TO pg_database_owner;
GRANT SELECT ON SEQUENCE cumulate.definition_id_seq, cumulate.note_id_seq, cumulate.run_run_id_seq TO pg_database_owner;

SELECT pg_catalog.pg_extension_config_dump('cumulate.definition', 'WHERE target IN (SELECT oid FROM pg_catalog.pg_class)');
SELECT pg_catalog.pg_extension_config_dump('cumulate.ledger', 'WHERE target IN (SELECT oid FROM pg_catalog.pg_class)');
SELECT pg_catalog.pg_extension_config_dump('cumulate.schedule', 'WHERE target IN (SELECT oid FROM pg_catalog.pg_class)');
SELECT pg_catalog.pg_extension_config_dump('cumulate.definition_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('cumulate.note_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('cumulate.run_run_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('cumulate.note', 'WHERE target IN (SELECT oid FROM pg_catalog.pg_class)');

COMMENT ON TABLE cumulate.definition IS 'Definitions of cumulative tables, one row each; read them in cumulate.tables and with cumulate.definition()';
COMMENT ON COLUMN cumulate.definition.id IS 'Number of the definition, which its triggers name';
COMMENT ON COLUMN cumulate.definition.target IS 'The cumulative table';
COMMENT ON COLUMN cumulate.definition.source IS 'The table of events';
COMMENT ON COLUMN cumulate.definition.daily IS 'The daily table: one row per key per day that has events';
COMMENT ON COLUMN cumulate.definition.time_column IS 'The source''s time column, as it was named when the table was made';
COMMENT ON COLUMN cumulate.definition.keys IS 'The key columns of daily and cumulative table';
COMMENT ON COLUMN cumulate.definition.metrics IS 'The metrics as they were typed';
COMMENT ON COLUMN cumulate.definition.windows IS 'Windows in days, as they were typed; arrays have the longest';
COMMENT ON COLUMN cumulate.definition.start_date IS 'The first day that counts; NULL until the first event''s day is known';
COMMENT ON COLUMN cumulate.definition.time_zone IS 'The time zone in which days are cut';
COMMENT ON COLUMN cumulate.definition.filter IS 'The condition on the source''s rows as it was typed, or NULL';
COMMENT ON COLUMN cumulate.definition.shape IS 'ragged: arrays grow with a key''s age; padded: arrays always have the longest window';
COMMENT ON COLUMN cumulate.definition.expire_idle IS 'Whether keys without an event in the longest window are left out';
COMMENT ON COLUMN cumulate.definition.late IS 'How late changes are found: trigger, scan or none';
COMMENT ON COLUMN cumulate.definition.lookback IS 'Days before today that are read again when late is scan';
COMMENT ON COLUMN cumulate.definition.partition_by IS 'month, day or none';
COMMENT ON COLUMN cumulate.definition.retention IS 'How long snapshots are kept; NULL for ever';
COMMENT ON COLUMN cumulate.definition.frozen_through IS 'Days up to this one are frozen; NULL when none is';
COMMENT ON COLUMN cumulate.definition.frozen_changes IS 'Late changes of frozen days that were dropped';
COMMENT ON COLUMN cumulate.definition.adding IS 'The metric that add_metric is adding';
COMMENT ON COLUMN cumulate.definition.adding_run IS 'The run that adds it';
COMMENT ON COLUMN cumulate.definition.created_at IS 'When the table was made';

COMMENT ON TABLE cumulate.ledger IS 'The ledger: one row for each cumulative table and day; read it in cumulate.days';
COMMENT ON COLUMN cumulate.ledger.target IS 'The cumulative table';
COMMENT ON COLUMN cumulate.ledger.day IS 'The day';
COMMENT ON COLUMN cumulate.ledger.state IS 'missing, open (the snapshot was made before the day or its writers had ended), closed, frozen or dropped';
COMMENT ON COLUMN cumulate.ledger.rows IS 'Rows in the day''s snapshot when it was made';
COMMENT ON COLUMN cumulate.ledger.events IS 'Source rows of the day when it was last aggregated';
COMMENT ON COLUMN cumulate.ledger.unkeyed_events IS 'Source rows of the day that were left out because a key column is NULL';
COMMENT ON COLUMN cumulate.ledger.aggregated_at IS 'When the day was last aggregated from the source';
COMMENT ON COLUMN cumulate.ledger.closed_at IS 'When the snapshot was made or settled';

COMMENT ON TABLE cumulate.note IS 'Late changes that wait to be repaired';
COMMENT ON COLUMN cumulate.note.id IS 'Number of the note';
COMMENT ON COLUMN cumulate.note.target IS 'The cumulative table';
COMMENT ON COLUMN cumulate.note.day IS 'The changed day; NULL for every day';
COMMENT ON COLUMN cumulate.note.key IS 'The changed key''s columns as text; NULL for every key of the day';
COMMENT ON COLUMN cumulate.note.pid IS 'Process that made the change';
COMMENT ON COLUMN cumulate.note.noted_at IS 'When the change was noted';

COMMENT ON TABLE cumulate.schedule IS 'Schedules and pauses of the cumulative tables; read them in cumulate.schedules';
COMMENT ON COLUMN cumulate.schedule.target IS 'The cumulative table';
COMMENT ON COLUMN cumulate.schedule.schedule IS 'Five fields of cron or a macro; NULL: only by hand';
COMMENT ON COLUMN cumulate.schedule.time_zone IS 'The time zone that the schedule goes by; NULL: the table''s';
COMMENT ON COLUMN cumulate.schedule.wanted_at IS 'When a run was asked for by hand';
COMMENT ON COLUMN cumulate.schedule.paused_at IS 'Since when the table is paused; NULL when it is not';
COMMENT ON COLUMN cumulate.schedule.reason IS 'Why it is paused';
COMMENT ON COLUMN cumulate.schedule.failures IS 'Runs in a row that have failed';
COMMENT ON COLUMN cumulate.schedule.retry_at IS 'When it is tried again';
COMMENT ON COLUMN cumulate.schedule.scanned_at IS 'When the last days of a table with late => scan were last read again';
COMMENT ON COLUMN cumulate.schedule.served_at IS 'When its last turn began or ended: tables take turns';
COMMENT ON COLUMN cumulate.schedule.slow IS 'Whether a batch of its last turn took so long that the last of several workers leaves the table to others';

COMMENT ON TABLE cumulate.run IS 'Runs: one row for each execution of a cumulative table''s work; read them in cumulate.runs';
COMMENT ON COLUMN cumulate.run.run_id IS 'Number of the run';
COMMENT ON COLUMN cumulate.run.target IS 'The cumulative table';
COMMENT ON COLUMN cumulate.run.trigger IS 'What started it: schedule, manual, backfill or late';
COMMENT ON COLUMN cumulate.run.from_day IS 'First day of its work';
COMMENT ON COLUMN cumulate.run.to_day IS 'Last day of its work';
COMMENT ON COLUMN cumulate.run.days_done IS 'Days closed so far';
COMMENT ON COLUMN cumulate.run.days_total IS 'Days to close';
COMMENT ON COLUMN cumulate.run.rows IS 'Snapshot rows written so far';
COMMENT ON COLUMN cumulate.run.status IS 'running, succeeded or failed';
COMMENT ON COLUMN cumulate.run.pid IS 'Process that runs it';
COMMENT ON COLUMN cumulate.run.process_started_at IS 'When that process began';
COMMENT ON COLUMN cumulate.run.started_at IS 'When it started';
COMMENT ON COLUMN cumulate.run.finished_at IS 'When it ended';
COMMENT ON COLUMN cumulate.run.sqlstate IS 'SQLSTATE of its error';
COMMENT ON COLUMN cumulate.run.message IS 'Message of its error';
COMMENT ON COLUMN cumulate.run.detail IS 'DETAIL of its error';
COMMENT ON COLUMN cumulate.run.hint IS 'HINT of its error';
