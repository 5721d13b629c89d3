-- The whole error surface on one page: every refusal of the extension, raised, with its four parts.
SET client_min_messages = warning;
CREATE SCHEMA trial;
CREATE TABLE trial.result (position integer GENERATED ALWAYS AS IDENTITY, refusal text, sqlstate text, message text, detail text, hint text);
CREATE FUNCTION trial.attempt(refusal text, command text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE code text; what text; facts text; help text; today text := to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD');
        kept text := to_char(now() AT TIME ZONE 'UTC' - interval '30 days', 'YYYY-MM-DD');
BEGIN
    BEGIN
        EXECUTE command;
        code := 'none';
    EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, what = MESSAGE_TEXT, facts = PG_EXCEPTION_DETAIL, help = PG_EXCEPTION_HINT;
    END;
    INSERT INTO trial.result (refusal, sqlstate, message, detail, hint)
    VALUES (refusal, code, what, replace(replace(facts, today, '<today>'), kept, '<kept>'),
            replace(replace(help, today, '<today>'), kept, '<kept>'));
END $$;
CREATE FUNCTION trial.make(arguments text) RETURNS text LANGUAGE sql AS $$
    SELECT format('SELECT cumulate.create_table(name => ''trial.made'', source => ''trial.event'', time_column => ''at'', time_zone => ''UTC'', %s)', arguments)
$$;
CREATE TABLE trial.event (item integer, kind text, amount numeric, spot point, at timestamptz);
CREATE TABLE trial.empty (item integer, at date);
CREATE TABLE trial.old (item integer, at date);
INSERT INTO trial.old VALUES (1, '1999-01-01');
CREATE TABLE trial.unlike (item integer, snapshot_date date);
CREATE VIEW trial.shown AS SELECT * FROM trial.event;
CREATE SEQUENCE trial.counter;
CREATE ROLE trial_other;
GRANT USAGE ON SCHEMA trial TO trial_other;
GRANT CREATE ON SCHEMA trial TO trial_other;
GRANT INSERT ON trial.result TO trial_other;

-- Arguments
SELECT trial.attempt('NullArgument', 'SELECT sales.cumulate_day(NULL)');
SELECT trial.attempt('InfiniteDay', 'SELECT sales.cumulate_day(''infinity'')');
SELECT trial.attempt('DayOutOfRange', 'SELECT sales.cumulate_day(''0044-03-15 BC'')');
SELECT trial.attempt('DayOutOfRange', 'SELECT sales.cumulate_day(''5874897-12-31'')');
SELECT trial.attempt('FutureDay', 'SELECT sales.cumulate_day(''9999-12-31'')');
SELECT trial.attempt('DayBeforeStart', 'SELECT sales.cumulate_day(''2024-11-30'')');
SELECT trial.attempt('ReversedRange', 'SELECT cumulate.cumulate_range(''sales.daily_cumulate'', ''2024-12-14'', ''2024-12-07'')');
SELECT trial.attempt('UnknownChoice', 'SELECT sales.generate_events(10, 10, profile => ''wholesale'')');
SELECT trial.attempt('NumberOutOfRange', 'SELECT sales.generate_events(-1)');
SELECT trial.attempt('NumberOutOfRange', 'SELECT sales.generate_events(10, 0)');
SELECT trial.attempt('NumberOutOfRange', 'SELECT cumulate.shift(''{1}'', 2, 0)');
SELECT trial.attempt('NumberOutOfRange', 'SELECT cumulate.total(''{1}''::int[], 3661)');
-- Arrays
SELECT trial.attempt('ArrayDimensions', 'SELECT cumulate.shift(''{{1},{2}}''::int[], 3, 7)');
SELECT trial.attempt('TotalOverflow', 'SELECT cumulate.total(''{9223372036854775807,1}''::bigint[])');
-- Definitions
SELECT trial.attempt('MetricsForm', trial.make('keys => ''{item}'', metrics => ''["count(*)"]'''));
SELECT trial.attempt('NoMetrics', trial.make('keys => ''{item}'', metrics => ''{}'''));
SELECT trial.attempt('DuplicateName', trial.make('keys => ''{item}'', metrics => ''{"n": "count(*)", "n": "max(amount)"}'''));
SELECT trial.attempt('DuplicateName', trial.make('keys => ''{item,item}'', metrics => ''{"n": "count(*)"}'''));
SELECT trial.attempt('DuplicateName', trial.make('keys => ''{item}'', metrics => ''{"item": "count(*)"}'''));
SELECT trial.attempt('NoKeys', trial.make('keys => ''{}'', metrics => ''{"n": "count(*)"}'''));
SELECT trial.attempt('ArrayDimensions', trial.make('keys => ''{{item},{amount}}'', metrics => ''{"n": "count(*)"}'''));
SELECT trial.attempt('ArrayDimensions', trial.make('keys => ''{item}'', metrics => ''{"n": "count(*)"}'', windows => ''{{7},{28}}'''));
SELECT trial.attempt('UnknownColumn', trial.make('keys => ''{product}'', metrics => ''{"n": "count(*)"}'''));
SELECT trial.attempt('TimeColumnType', 'SELECT cumulate.create_table(''trial.made'', ''trial.event'', ''kind'', ''{item}'', ''{"n": "count(*)"}'')');
SELECT trial.attempt('KeyType', trial.make('keys => ''{spot}'', metrics => ''{"n": "count(*)"}'''));
SELECT trial.attempt('NotAnAggregate', trial.make('keys => ''{item}'', metrics => ''{"n": "item + 1"}'''));
SELECT trial.attempt('NotOneExpression', trial.make('keys => ''{item}'', metrics => ''{"n": "count(*), sum(amount)"}'''));
SELECT trial.attempt('NotOneExpression', trial.make('keys => ''{item}'', metrics => ''{"n": "sum(amount) OVER ()"}'''));
SELECT trial.attempt('NotOneExpression', trial.make('keys => ''{item}'', metrics => ''{"n": "(SELECT count(*) FROM pg_class)"}'''));
SELECT trial.attempt('NotOneExpression', trial.make('keys => ''{item}'', metrics => ''{"n": "count(*)"}'', filter => ''count(*) > 1'''));
SELECT trial.attempt('About', trial.make('keys => ''{item}'', metrics => ''{"n": "count(*)), (select v from secret) from x group by k --"}'''));
SELECT trial.attempt('About', trial.make('keys => ''{item}'', metrics => ''{"n": "count(*)"}'', filter => ''true) OR (true'''));
SELECT trial.attempt('About', trial.make('keys => ''{item}'', metrics => ''{"n": "sum(price)"}'''));
SELECT trial.attempt('MutableExpression', trial.make('keys => ''{item}'', metrics => ''{"n": "count(*) FILTER (WHERE at < now())"}'''));
SELECT trial.attempt('MutableExpression', trial.make('keys => ''{item}'', metrics => ''{"n": "sum(random())"}'''));
SELECT trial.attempt('MutableExpression', trial.make('keys => ''{item}'', metrics => ''{"n": "count(*)"}'', filter => ''at::date > ''''2024-01-01'''''''));
SELECT trial.attempt('SetReturning', trial.make('keys => ''{item}'', metrics => ''{"n": "generate_series(1, count(*))"}'''));
SELECT trial.attempt('FilterType', trial.make('keys => ''{item}'', metrics => ''{"n": "count(*)"}'', filter => ''amount'''));
SELECT trial.attempt('NotSummable', trial.make('keys => ''{item}'', metrics => ''{"n": "max(kind)"}'''));
SELECT trial.attempt('UnknownType', trial.make('keys => ''{item}'', metrics => ''{"n": {"value": "count(*)", "type": "int3"}}'''));
SELECT trial.attempt('ZeroValue', trial.make('keys => ''{item}'', metrics => ''{"n": {"value": "count(*)", "zero": "none"}}'''));
SELECT trial.attempt('NameTooLong', trial.make('keys => ''{item}'', metrics => ''{"' || repeat('n', 60) || '": "count(*)"}'''));
SELECT trial.attempt('NameTaken', 'SELECT cumulate.create_table(''sales.daily_cumulate'', ''sales.events'', ''event_date'', ''{product_id}'', ''{"n": "count(*)"}'')');
SELECT trial.attempt('OtherDefinition', 'SELECT cumulate.create_table(''sales.daily_cumulate'', ''sales.events'', ''event_date'', ''{product_id}'', ''{"n": "count(*)"}'', time_zone => ''UTC'', daily => ''sales.daily'', if_not_exists => true)');
SELECT trial.attempt('Windows', trial.make('keys => ''{item}'', metrics => ''{"n": "count(*)"}'', windows => ''{}'''));
SELECT trial.attempt('Windows', trial.make('keys => ''{item}'', metrics => ''{"n": "count(*)"}'', windows => ''{7,0}'''));
SELECT trial.attempt('Windows', trial.make('keys => ''{item}'', metrics => ''{"n": "count(*)"}'', windows => ''{7,7}'''));
SELECT trial.attempt('Windows', trial.make('keys => ''{item}'', metrics => ''{"n": "count(*)"}'', windows => ''{3661}'''));
SELECT trial.attempt('UnknownZone', 'SELECT cumulate.create_table(''trial.made'', ''trial.event'', ''at'', ''{item}'', ''{"n": "count(*)"}'', time_zone => ''Mars/Olympus'')');
SELECT trial.attempt('UnknownChoice', trial.make('keys => ''{item}'', metrics => ''{"n": "count(*)"}'', shape => ''round'''));
SELECT trial.attempt('UnknownChoice', trial.make('keys => ''{item}'', metrics => ''{"n": "count(*)"}'', late => ''maybe'''));
SELECT trial.attempt('UnknownChoice', trial.make('keys => ''{item}'', metrics => ''{"n": "count(*)"}'', partition_by => ''year'''));
SELECT trial.attempt('UnknownChoice', trial.make('keys => ''{item}'', metrics => ''{"n": {"value": "count(*)", "rollup": "median"}}'''));
SELECT trial.attempt('NumberOutOfRange', trial.make('keys => ''{item}'', metrics => ''{"n": "count(*)"}'', lookback => -1'));
SELECT trial.attempt('NotASource', 'SELECT cumulate.create_table(''trial.made'', ''trial.counter'', ''at'', ''{item}'', ''{"n": "count(*)"}'')');
SELECT trial.attempt('LateOnSource', 'SELECT cumulate.create_table(''trial.made'', ''trial.shown'', ''at'', ''{item}'', ''{"n": "count(*)"}'')');
SELECT trial.attempt('ExpireRagged', trial.make('keys => ''{item}'', metrics => ''{"n": "count(*)"}'', expire_idle => true'));
SELECT trial.attempt('RetentionTooShort', trial.make('keys => ''{item}'', metrics => ''{"n": "count(*)"}'', retention => ''7 days'''));
SELECT trial.attempt('DoesNotFit', 'SELECT cumulate.create_table(''trial.unlike'', ''trial.event'', ''at'', ''{item}'', ''{"n": "count(*)"}'', partition_by => ''none'')');
SELECT trial.attempt('DoesNotFit', 'SELECT cumulate.create_table(''trial.unlike'', ''trial.event'', ''at'', ''{item}'', ''{"n": "count(*)"}'')');
-- Tables
SELECT trial.attempt('NotACumulativeTable', 'SELECT cumulate.cumulate_day(''trial.event'', ''2024-12-14'')');
SELECT cumulate.create_table('trial.of_event', 'trial.event', 'at', '{item}', '{"n": "count(*)"}', start_date => '2024-12-01', time_zone => 'UTC');
SELECT cumulate.create_table('trial.of_empty', 'trial.empty', 'at', '{item}', '{"n": "count(*)"}', time_zone => 'UTC');
SELECT trial.attempt('NoEvents', 'SELECT cumulate.cumulate_day(''trial.of_empty'', ''2024-12-14'')');
SELECT cumulate.create_table('trial.of_old', 'trial.old', 'at', '{item}', '{"n": "count(*)"}', time_zone => 'UTC');
SELECT trial.attempt('OldStart', 'SELECT cumulate.cumulate_day(''trial.of_old'', ''2024-12-14'')');
SELECT trial.attempt('InTransactionBlock', 'CALL cumulate.backfill(''sales.daily_cumulate'', ''2024-12-01'', ''2024-12-02'')');
SELECT trial.attempt('InTransactionBlock', 'CALL cumulate.add_metric(''sales.daily_cumulate'', ''all'', ''"count(*)"'')');
SELECT trial.attempt('NoRun', 'SELECT cumulate_internal.backfill_step(0)');
SELECT trial.attempt('NoRun', 'SELECT cumulate_internal.add_metric_fill(0)');
SELECT trial.attempt('Unclosed', 'SELECT cumulate.freeze(''trial.of_event'', ''2024-12-02'')');
SELECT trial.attempt('StillThere', format('SELECT cumulate.forget(%s)', id)) FROM cumulate.definition WHERE target = 'trial.of_event'::regclass;
SELECT cumulate.create_table('trial.frozen', 'trial.event', 'at', '{item}', '{"n": "count(*)"}', start_date => '2024-12-01', time_zone => 'UTC');
SELECT cumulate.cumulate_range('trial.frozen', '2024-12-01', '2024-12-10') AS rows, cumulate.freeze('trial.frozen', '2024-12-10') AS frozen;
SELECT trial.attempt('FrozenFilter', 'SELECT cumulate.alter_table(''trial.frozen'', filter => ''item > 1'')');
SELECT trial.attempt('FrozenDay', 'SELECT cumulate.restate(''trial.frozen'', ''2024-12-09'', ''2024-12-11'')');
-- Metrics that come later
SELECT trial.attempt('MetricsForm', 'SELECT cumulate_internal.add_metric_begin(''trial.of_event'', ''m'', ''["count(*)"]'')');
SELECT trial.attempt('NotAnAggregate', 'SELECT cumulate_internal.add_metric_begin(''trial.of_event'', ''m'', ''"amount"'')');
SELECT trial.attempt('DuplicateName', 'SELECT cumulate_internal.add_metric_begin(''trial.of_event'', ''n'', ''"max(amount)"'')');
SELECT trial.attempt('DuplicateName', 'SELECT cumulate_internal.add_metric_begin(''trial.of_event'', ''m'', ''{"value": "max(amount)", "daily": "num_events"}'')');
SELECT trial.attempt('NameTooLong', format('SELECT cumulate_internal.add_metric_begin(''trial.of_event'', %L, ''"count(*)"'')', repeat('m', 60)));
SELECT cumulate_internal.add_metric_begin('trial.of_event', 'first', '"max(amount)"') IS NOT NULL AS begun;
SELECT trial.attempt('MetricUnderWay', 'SELECT cumulate_internal.add_metric_begin(''trial.of_event'', ''second'', ''"min(amount)"'')');
-- Retention
SELECT cumulate.create_table('trial.short', 'trial.event', 'at', '{item}', '{"n": "count(*)"}', start_date => '2024-12-01', time_zone => 'UTC', retention => '30 days');
SELECT cumulate.cumulate_range('trial.short', '2024-12-01', '2024-12-20') AS rows, cumulate.apply_retention('trial.short') > 12 AS dropped;
SELECT trial.attempt('RetentionTooShort', 'SELECT cumulate.alter_table(''trial.short'', retention => ''7 days'')');
SELECT trial.attempt('DroppedDay', 'SELECT cumulate.cumulate_day(''trial.short'', ''2024-12-04'')');
CREATE TABLE trial.long (item text, at date);
SELECT cumulate.create_table('trial.of_long', 'trial.long', 'at', '{item}', '{"n": "count(*)"}', start_date => '2024-12-01', time_zone => 'UTC');
INSERT INTO trial.long SELECT string_agg(md5(n::text), '' ORDER BY n), '2024-12-14' FROM generate_series(1, 400) n;
SELECT trial.attempt('KeyTooLong', 'SELECT cumulate.cumulate_day(''trial.of_long'', ''2024-12-14'')');
CREATE TABLE trial.gone (item integer, at date);
SELECT cumulate.create_table('trial.of_gone', 'trial.gone', 'at', '{item}', '{"n": "count(*)"}', time_zone => 'UTC');
DROP TABLE trial.gone CASCADE;
SELECT trial.attempt('Broken', 'SELECT cumulate.cumulate_day(''trial.of_gone'', ''2024-12-14'')');
ALTER FUNCTION trial.of_empty_rows OWNER TO trial_other;
SELECT trial.attempt('Incomplete', 'SELECT cumulate.cumulate_day(''trial.of_empty'', ''2024-12-14'')');
ALTER FUNCTION trial.of_empty_rows OWNER TO CURRENT_ROLE;
ALTER FUNCTION trial.of_empty_rows NO DEPENDS ON EXTENSION pg_cumulate;
SELECT trial.attempt('Incomplete', 'SELECT cumulate.cumulate_day(''trial.of_empty'', ''2024-12-14'')');
ALTER FUNCTION trial.of_empty_rows DEPENDS ON EXTENSION pg_cumulate;
SET ROLE trial_other;
SELECT trial.attempt('NotOwner', 'SELECT cumulate.cumulate_day(''trial.of_empty'', ''2024-12-14'')');
SELECT trial.attempt('SourceDenied', trial.make('keys => ''{item}'', metrics => ''{"n": "count(*)"}'''));
CREATE TABLE trial.policed (item integer, at date);
SELECT cumulate.create_table('trial.of_policed', 'trial.policed', 'at', '{item}', '{"n": "count(*)"}', start_date => '2024-12-01', time_zone => 'UTC');
ALTER TABLE trial.policed ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
SELECT trial.attempt('RowSecurity', 'SELECT cumulate.cumulate_day(''trial.of_policed'', ''2024-12-14'')');
SELECT trial.attempt('RowSecurity', 'SELECT cumulate.create_table(''trial.made'', ''trial.policed'', ''at'', ''{item}'', ''{"n": "count(*)"}'')');
SELECT cumulate.drop_table('trial.of_policed');
RESET ROLE;
-- Questions
CREATE TABLE trial.visit (item integer, kind text, at date);
INSERT INTO trial.visit VALUES (1, 'a', '2024-12-01'), (1, 'b', '2024-12-04');
SELECT cumulate.create_table('trial.asked', 'trial.visit', 'at', '{item}', '{"n": "count(*)", "mean": {"value": "avg(item)", "rollup": "avg"}, "kind": {"value": "min(kind)", "rollup": "none"}}', start_date => '2024-12-01', time_zone => 'UTC');
SELECT trial.attempt('NothingClosed', 'SELECT cumulate.growth(''trial.asked'', to_day => ''2024-12-01'')');
SELECT cumulate.cumulate_day('trial.asked', '2024-12-01');
SELECT cumulate.cumulate_day('trial.asked', '2024-12-04');
SELECT trial.attempt('DaysNotUsable', 'SELECT cumulate.growth(''trial.asked'', to_day => ''2024-12-04'')');
SELECT cumulate.cumulate_range('trial.asked', '2024-12-01', '2024-12-04');
INSERT INTO trial.visit VALUES (2, 'a', '2024-12-03');
SELECT trial.attempt('DaysNotUsable', 'SELECT cumulate.series(''trial.asked'', ''n'', to_day => ''2024-12-04'')');
SELECT cumulate.apply_late('trial.asked');
SELECT trial.attempt('UnknownMetric', 'SELECT cumulate.top(''trial.asked'', ''N'')');
SELECT trial.attempt('NotANumber', 'SELECT cumulate.top(''trial.asked'', ''kind'')');
SELECT trial.attempt('NoRollup', 'SELECT cumulate.series(''trial.asked'', ''mean'')');
SELECT trial.attempt('KeyForm', 'SELECT cumulate.series(''trial.asked'', ''n'', ''{"Item": 1}'')');
SELECT trial.attempt('UnknownChoice', 'SELECT cumulate.growth(''trial.asked'', ''year'')');
SELECT trial.attempt('NumberOutOfRange', 'SELECT cumulate.growth(''trial.asked'', ''4000'')');
SELECT trial.attempt('DayBeforeStart', 'SELECT cumulate.movers(''trial.asked'', ''n'', ''2024-12-04'', 3)');
SELECT trial.attempt('NullArgument', 'SELECT cumulate.cohorts(''trial.asked'', NULL)');
SET ROLE trial_other;
SELECT trial.attempt('ReaderDenied', 'SELECT cumulate.series(''trial.asked'', ''n'')');
RESET ROLE;
GRANT SELECT ON trial.asked TO trial_other;
ALTER TABLE trial.asked ENABLE ROW LEVEL SECURITY;
SET ROLE trial_other;
SELECT trial.attempt('ReaderRowSecurity', 'SELECT cumulate.series(''trial.asked'', ''n'')');
RESET ROLE;
SELECT trial.attempt('FractionOutOfRange', 'SELECT cumulate.forecast(''trial.asked'', ''n'', level => 1.5)');
SELECT trial.attempt('FractionOutOfRange', 'SELECT cumulate.anomalies(''trial.asked'', ''n'', min_expected => -0.5)');
CREATE TABLE trial.sold (item integer, at date);
INSERT INTO trial.sold SELECT item, '2024-12-01' FROM generate_series(1, 5000) AS item;
SELECT cumulate.create_table('trial.many', 'trial.sold', 'at', '{item}', '{"n": "count(*)"}', start_date => '2024-12-01', time_zone => 'UTC');
SELECT cumulate.cumulate_day('trial.many', '2024-12-01');
SET cumulate.forecast_memory = '1MB';
SELECT trial.attempt('ForecastMemory', 'SELECT cumulate.forecast(''trial.many'', ''n'')');
RESET cumulate.forecast_memory;
-- Schedules
SELECT trial.attempt('BadSchedule', 'SELECT cumulate.schedule(''sales.daily_cumulate'', ''0 0 0 * * *'')');
SELECT trial.attempt('BadSchedule', 'SELECT cumulate.schedule(''sales.daily_cumulate'', ''0 0 30 2 *'')');
SELECT trial.attempt('BadSchedule', 'SELECT cumulate.schedule(''sales.daily_cumulate'', ''0 25 * * *'')');
SELECT trial.attempt('BadSchedule', 'SELECT cumulate.next_runs(''@reboot'')');
SELECT trial.attempt('BadSchedule', trial.make('keys => ''{item}'', metrics => ''{"n": "count(*)"}'', schedule => ''daily'''));
SELECT trial.attempt('UnknownZone', 'SELECT cumulate.schedule(''sales.daily_cumulate'', ''@daily'', ''Mars/Olympus'')');
SELECT trial.attempt('NumberOutOfRange', 'SELECT cumulate.next_runs(''@daily'', ''UTC'', 0)');
SELECT trial.attempt('NoScheduler', 'SELECT cumulate.run_now(''sales.daily_cumulate'')');
SELECT cumulate.pause('sales.daily_cumulate', 'the source is being moved');
SELECT trial.attempt('Paused', 'SELECT cumulate.run_now(''sales.daily_cumulate'')');
SELECT cumulate.resume('sales.daily_cumulate');

SELECT trial.attempt('NotAnEventTable', 'SELECT cumulate.generate_events(''trial.event'')');
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT trial.attempt('IsolationLevel', 'SELECT sales.cumulate_day(''2024-12-14'')');
COMMIT;
SELECT trial.attempt('ReadOnly', 'DO $do$ BEGIN SET LOCAL transaction_read_only = on; PERFORM sales.cumulate_day(''2024-12-14''); END $do$');

\pset format unaligned
\pset tuples_only on
\pset fieldsep '\n'
\pset recordsep '\n\n'
SELECT refusal || ' ' || sqlstate, 'ERROR:  ' || message, 'DETAIL: ' || detail, 'HINT:   ' || hint FROM trial.result ORDER BY position;
\pset recordsep '\n'
\pset fieldsep ' | '
-- Nothing has been made by them.
SELECT relname FROM pg_class WHERE relnamespace = 'trial'::regnamespace AND relname LIKE 'made%';
-- What a hint names can be typed.
\set ECHO queries
SELECT DISTINCT hint FROM trial.result WHERE hint ~ '^(SELECT|SET|GRANT|CALL) ' AND hint !~ '<today>' ORDER BY hint \gexec
BEGIN ISOLATION LEVEL READ COMMITTED;
COMMIT;
\set ECHO all
RESET ROLE;
SELECT cumulate.drop_table(target) FROM cumulate.tables WHERE target::text LIKE 'shop.%' OR target::text LIKE 'trial.%';
DROP SCHEMA IF EXISTS shop CASCADE;
DROP SCHEMA trial CASCADE;
DROP ROLE trial_other;
