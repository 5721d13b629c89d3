//! What each refusal says: SQLSTATE, message, DETAIL, HINT.

use super::Error;
use crate::pg::table::{ident, literal};
use pgrx::PgSqlErrorCode as Code;

/// An error's four parts.
#[derive(Clone, Debug)]
pub struct Report {
    pub code: Code,
    pub message: String,
    pub detail: Option<String>,
    pub hint: Option<String>,
}

impl Error {
    pub fn report(self) -> Report {
        use Error::*;
        let (code, message, detail, hint) = match self {
            NullArgument { argument } => (
                Code::ERRCODE_NULL_VALUE_NOT_ALLOWED,
                format!("{argument} must not be null"),
                "The function got NULL where it needs a value.".to_owned(),
                format!("Give a value for {argument}."),
            ),
            InfiniteDay { argument } => (
                Code::ERRCODE_DATETIME_FIELD_OVERFLOW,
                format!("{argument} must be a finite date"),
                "A snapshot belongs to one calendar day.".to_owned(),
                "Give a date such as DATE '2024-12-14'.".to_owned(),
            ),
            DayOutOfRange { day } => (
                Code::ERRCODE_DATETIME_FIELD_OVERFLOW,
                format!("date \"{day}\" is out of range"),
                "Days lie between 0001-01-01 and 9999-12-31.".to_owned(),
                "Give a date such as DATE '2024-12-14'.".to_owned(),
            ),
            FutureDay { day, today, zone } => (
                Code::ERRCODE_INVALID_PARAMETER_VALUE,
                format!("day {day} is in the future"),
                format!("Today is {today} in time zone \"{zone}\"."),
                format!("Give a day up to {today}. A day is closed when it is over."),
            ),
            DayBeforeStart { day, start, table } => (
                Code::ERRCODE_INVALID_PARAMETER_VALUE,
                format!("day {day} is before the start of \"{table}\""),
                format!("Its start date is {start}; earlier events do not count."),
                format!("Give a day from {start} on."),
            ),
            ReversedRange { from, to } => (
                Code::ERRCODE_INVALID_PARAMETER_VALUE,
                "the first day is after the last day".to_owned(),
                format!("The range was {from} to {to}."),
                format!("Use from_day => '{to}', to_day => '{from}'."),
            ),
            UnknownChoice { argument, given, allowed } => (
                Code::ERRCODE_INVALID_PARAMETER_VALUE,
                format!("unknown {argument} \"{given}\""),
                format!("The known values are {}.", quoted_list(&allowed)),
                format!("Use {argument} => '{}'.", allowed.first().unwrap_or(&"")),
            ),
            NumberOutOfRange { argument, given, least, most } => (
                Code::ERRCODE_INVALID_PARAMETER_VALUE,
                format!("{argument} {given} is out of range"),
                format!("It must be between {least} and {most}."),
                format!("Use {argument} => {}.", given.clamp(least, most)),
            ),
            FractionOutOfRange { argument, given, wanted, usual } => (
                Code::ERRCODE_INVALID_PARAMETER_VALUE,
                format!("{argument} {given} is out of range"),
                format!("It must be {wanted}."),
                format!("Use {argument} => {usual}."),
            ),
            ArrayDimensions { argument, dimensions } => (
                Code::ERRCODE_ARRAY_ELEMENT_ERROR,
                format!("{argument} must be a one-dimensional array"),
                format!("It has {dimensions} dimensions."),
                match argument {
                    "keys" => "Use keys => ARRAY['product_id'].",
                    "windows" => "Use windows => '{7,28}'.",
                    _ => "Pass one value a day, newest first, such as '{3,2,1}'.",
                }
                .to_owned(),
            ),
            TotalOverflow { of, total } => (
                Code::ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE,
                format!("the total of {of} is out of range for type {total}"),
                "Totals never wrap around.".to_owned(),
                "Use a numeric metric: {\"value\": \"sum(amount)\", \"type\": \"numeric\"}.".to_owned(),
            ),
            MetricsForm { reason } => (
                Code::ERRCODE_INVALID_PARAMETER_VALUE,
                "metrics could not be read".to_owned(),
                format!("{}.", sentence(&reason)),
                "Use metrics => '{\"events\": \"count(*)\"}' or \
                 '{\"spent\": {\"value\": \"sum(amount)\", \"type\": \"numeric\", \"rollup\": \"sum\", \"zero\": 0}}'."
                    .to_owned(),
            ),
            NoMetrics => (
                Code::ERRCODE_INVALID_PARAMETER_VALUE,
                "a cumulative table needs at least one metric".to_owned(),
                "The argument metrics is an empty object.".to_owned(),
                "Use metrics => '{\"events\": \"count(*)\"}'.".to_owned(),
            ),
            DuplicateName { name, kind } => (
                Code::ERRCODE_DUPLICATE_COLUMN,
                format!("{kind} \"{name}\" is named twice"),
                "Keys, metrics and the columns made from them must have different names.".to_owned(),
                format!("Give the second {kind} another name."),
            ),
            NoKeys => (
                Code::ERRCODE_INVALID_PARAMETER_VALUE,
                "a cumulative table needs at least one key column".to_owned(),
                "The argument keys is empty or contains NULL.".to_owned(),
                "Use keys => ARRAY['product_id'].".to_owned(),
            ),
            UnknownColumn { column, table, columns } => (
                Code::ERRCODE_UNDEFINED_COLUMN,
                format!("column \"{column}\" of \"{table}\" does not exist"),
                format!("Its columns are {columns}."),
                "Name one of its columns, spelled as in the table, without quotes.".to_owned(),
            ),
            TimeColumnType { column, type_name } => (
                Code::ERRCODE_DATATYPE_MISMATCH,
                format!("time column \"{column}\" has type {type_name}"),
                "A time column is a date, a timestamp or a timestamp with time zone.".to_owned(),
                "Name a column of one of these types, or make a view that converts it.".to_owned(),
            ),
            KeyType { column, type_name } => (
                Code::ERRCODE_UNDEFINED_FUNCTION,
                format!("key column \"{column}\" has type {type_name}, which cannot be a key"),
                "A key needs a default btree operator class.".to_owned(),
                "Name another column, or make a view that converts it.".to_owned(),
            ),
            NotAnAggregate { metric, expression } => (
                Code::ERRCODE_GROUPING_ERROR,
                format!("metric \"{metric}\" is not an aggregate"),
                format!("The expression is {expression}."),
                "Use an aggregate such as sum(amount), max(amount) or count(*).".to_owned(),
            ),
            NotOneExpression { what, expression, reason } => (
                Code::ERRCODE_SYNTAX_ERROR,
                format!("{what} is not one expression"),
                format!("{}. The text is {expression}.", sentence(&reason)),
                "Give one expression over the source's columns, without subqueries and window functions.".to_owned(),
            ),
            MutableExpression { what, expression } => (
                Code::ERRCODE_INVALID_OBJECT_DEFINITION,
                format!("{what} is not immutable"),
                format!("The same rows could give another result later. The expression is {expression}."),
                "Use immutable functions; to cut a timestamptz use (column AT TIME ZONE 'zone').".to_owned(),
            ),
            SetReturning { what, expression } => (
                Code::ERRCODE_FEATURE_NOT_SUPPORTED,
                format!("{what} returns a set"),
                format!("The expression is {expression}."),
                "Use an expression that gives one value.".to_owned(),
            ),
            FilterType { expression, type_name } => (
                Code::ERRCODE_DATATYPE_MISMATCH,
                format!("filter has type {type_name}, not boolean"),
                format!("The expression is {expression}."),
                "Use a condition such as filter => 'amount > 0'.".to_owned(),
            ),
            NotSummable { metric, type_name } => (
                Code::ERRCODE_UNDEFINED_FUNCTION,
                format!("metric \"{metric}\" has type {type_name}, which cannot be summed"),
                "Sums and averages take smallint, integer, bigint, real, double precision and numeric; \
                 max and min take types with a btree order."
                    .to_owned(),
                "Declare a \"type\" that can be summed, or \"rollup\": \"last\" or \"none\".".to_owned(),
            ),
            UnknownType { metric, type_name } => (
                Code::ERRCODE_UNDEFINED_OBJECT,
                format!("type \"{type_name}\" of metric \"{metric}\" does not exist"),
                "The element type of an array must be a type that has arrays.".to_owned(),
                "Use a type such as integer, bigint, numeric or double precision.".to_owned(),
            ),
            ZeroValue { metric, zero, type_name } => (
                Code::ERRCODE_INVALID_TEXT_REPRESENTATION,
                format!("zero of metric \"{metric}\" does not fit type {type_name}"),
                format!("It is \"{zero}\"."),
                "Give a value of the metric's type, or null.".to_owned(),
            ),
            NameTooLong { name, bytes } => (
                Code::ERRCODE_NAME_TOO_LONG,
                format!("name \"{name}\" is too long"),
                format!("It has {bytes} bytes; names in PostgreSQL have at most 63."),
                "Shorten the name of the table or of the metric that it is made from.".to_owned(),
            ),
            NameTaken { name, kind } => (
                Code::ERRCODE_DUPLICATE_TABLE,
                format!("\"{name}\" already exists"),
                format!("It is {kind}."),
                "Choose another name, or drop or rename the object that has it.".to_owned(),
            ),
            OtherDefinition { table, differences } => (
                Code::ERRCODE_DUPLICATE_TABLE,
                format!("cumulative table \"{table}\" exists with another definition"),
                format!("Its {}.", differences.join("; its ")),
                format!("Compare with SELECT cumulate.definition({});", literal(&table)),
            ),
            Windows { reason } => (
                Code::ERRCODE_INVALID_PARAMETER_VALUE,
                "windows are not valid".to_owned(),
                format!("{}.", sentence(&reason)),
                "Use different lengths between 1 and 3660 days, such as windows => '{7,28}'.".to_owned(),
            ),
            UnknownZone { zone } => (
                Code::ERRCODE_INVALID_PARAMETER_VALUE,
                format!("time zone \"{zone}\" not recognized"),
                "A time zone is stored by its name.".to_owned(),
                "Use a name of pg_timezone_names, such as time_zone => 'America/New_York'.".to_owned(),
            ),
            NotASource { source, kind } => (
                Code::ERRCODE_WRONG_OBJECT_TYPE,
                format!("\"{source}\" cannot be a source"),
                format!("It is {kind}."),
                "Use a table, a partitioned table, a view, a materialized view or a foreign table.".to_owned(),
            ),
            LateOnSource { source, kind } => (
                Code::ERRCODE_WRONG_OBJECT_TYPE,
                format!("late changes of \"{source}\" cannot be noted by triggers"),
                format!("It is {kind}."),
                "Use late => 'scan' or late => 'none'.".to_owned(),
            ),
            ExpireRagged => (
                Code::ERRCODE_INVALID_PARAMETER_VALUE,
                "expire_idle needs padded arrays".to_owned(),
                "A ragged array counts the days since the first event of its key, and an expired key does not keep that day.".to_owned(),
                "Use shape => 'padded'.".to_owned(),
            ),
            RetentionTooShort { retention, least } => (
                Code::ERRCODE_INVALID_PARAMETER_VALUE,
                format!("retention {retention} is too short"),
                "The repair of late changes needs the snapshots of the longest window and one more day.".to_owned(),
                format!("Use retention => '{least} days' or more."),
            ),
            DoesNotFit { table, reason } => (
                Code::ERRCODE_WRONG_OBJECT_TYPE,
                format!("existing table \"{table}\" does not fit the definition"),
                format!("{}.", sentence(&reason)),
                "Rename or drop it, or change the definition.".to_owned(),
            ),
            OldStart { first, today } => (
                Code::ERRCODE_INVALID_PARAMETER_VALUE,
                format!("the earliest event is from {first}, more than 3660 days before today"),
                format!("Without a start date, the day of the first event is the start. Today is {today}."),
                "Say from which day events count: start_date => DATE '2024-01-01'.".to_owned(),
            ),
            About { what, cause: Report { code, message, detail, hint } } => (
                code,
                format!("{what}: {message}"),
                detail.unwrap_or_else(|| "PostgreSQL could not use it as it is written.".to_owned()),
                hint.unwrap_or_else(|| "Try it in a SELECT over the source first.".to_owned()),
            ),
            NotACumulativeTable { name } => (
                Code::ERRCODE_WRONG_OBJECT_TYPE,
                format!("\"{name}\" is not a cumulative table"),
                "It was not made by cumulate.create_table.".to_owned(),
                "SELECT target FROM cumulate.tables ORDER BY 1;".to_owned(),
            ),
            NotOwner { table, owner } => (
                Code::ERRCODE_INSUFFICIENT_PRIVILEGE,
                format!("must be owner of table {table}"),
                format!("Its owner is \"{owner}\"."),
                format!("SET ROLE {};", ident(&owner)),
            ),
            SourceDenied { source, owner } => (
                Code::ERRCODE_INSUFFICIENT_PRIVILEGE,
                format!("role \"{owner}\" cannot read \"{source}\""),
                "A cumulative table reads its source with its owner's rights.".to_owned(),
                format!("GRANT SELECT ON {source} TO {};", ident(&owner)),
            ),
            RowSecurity { source, owner, owned } => (
                Code::ERRCODE_INSUFFICIENT_PRIVILEGE,
                format!("row security of {source} applies to role \"{owner}\""),
                "A snapshot of only the rows that the policies show to that role would not be complete.".to_owned(),
                if owned {
                    format!("ALTER TABLE {source} NO FORCE ROW LEVEL SECURITY;")
                } else {
                    format!("ALTER ROLE {} BYPASSRLS;", ident(&owner))
                },
            ),
            IsolationLevel => (
                Code::ERRCODE_ACTIVE_SQL_TRANSACTION,
                "days are closed in READ COMMITTED transactions only".to_owned(),
                "Closing a day waits for writers, and a transaction of another isolation level would not see what they wrote.".to_owned(),
                "BEGIN ISOLATION LEVEL READ COMMITTED;".to_owned(),
            ),
            InTransactionBlock { call, instead } => (
                Code::ERRCODE_ACTIVE_SQL_TRANSACTION,
                format!("{call} cannot run inside a transaction block"),
                "It commits as it goes.".to_owned(),
                instead,
            ),
            NoEvents { source } => (
                Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!("\"{source}\" has no events yet"),
                "Without a start date, the day of the first event is the start.".to_owned(),
                "Load events first, or give create_table a start_date.".to_owned(),
            ),
            FrozenDay { day, through, table } => (
                Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!("day {day} of \"{table}\" is frozen"),
                format!("Days through {through} are final, and their source rows may be gone."),
                format!("Give days from {} on.", through.plus(1)),
            ),
            DroppedDay { day, kept, table } => (
                Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!("the snapshot of day {day} of \"{table}\" has been dropped"),
                format!("It is older than the table's retention; snapshots are kept from {kept} on."),
                format!("Give days from {kept} on, or a longer retention to alter_table."),
            ),
            MetricUnderWay { metric, table } => (
                Code::ERRCODE_OBJECT_IN_USE,
                format!("metric \"{metric}\" is being added to \"{table}\""),
                "Metrics are added one after another.".to_owned(),
                "See how far it is: SELECT * FROM cumulate.progress;".to_owned(),
            ),
            Busy { table, call } => (
                Code::ERRCODE_LOCK_NOT_AVAILABLE,
                format!("\"{table}\" was in use all the time"),
                "Its columns can change only while nobody reads it. No such moment came within cumulate.lock_timeout, and no reader had to wait.".to_owned(),
                call,
            ),
            Unclosed { day, through, table } => (
                Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!("day {day} of {table} is not closed"),
                "Only closed days can be frozen, because a frozen day does not change any more.".to_owned(),
                format!("CALL cumulate.backfill({}, DATE '{day}', DATE '{through}');", literal(&table)),
            ),
            NoRun { id } => (
                Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!("run {id} is not a run of this session"),
                "The steps of a run are called by procedures cumulate.backfill and cumulate.add_metric.".to_owned(),
                "SELECT run_id, target, status FROM cumulate.runs;".to_owned(),
            ),
            KeyTooLong { table, day, column, bytes, remedy } => (
                Code::ERRCODE_PROGRAM_LIMIT_EXCEEDED,
                format!("a key of \"{table}\" is too long"),
                format!(
                    "Column \"{column}\" of a row of {day} has {bytes} bytes. A key takes about 2,600 bytes, compressed as in an index."
                ),
                remedy,
            ),
            FrozenFilter { table, through } => (
                Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!("the filter of {table} cannot change"),
                format!("Days through {through} are frozen and not read again. Only a table made anew can have another filter."),
                format!("SELECT cumulate.definition({});", literal(&table)),
            ),
            Broken { table, id } => (
                Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!("a part of the cumulative table {table} has been dropped"),
                "Its source, its daily table or its aggregate function is gone; its rows are still there.".to_owned(),
                format!("SELECT cumulate.forget({id});"),
            ),
            Incomplete { table, reason, remedy } => (
                Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!("{table} is incomplete"),
                format!("{}.", sentence(&reason)),
                remedy,
            ),
            StillThere { table } => (
                Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!("{table} has all its parts"),
                "Only a table of which a part has been dropped can be forgotten.".to_owned(),
                format!("SELECT cumulate.drop_table({});", literal(&table)),
            ),
            UnknownMetric { metric, table, metrics } => (
                Code::ERRCODE_UNDEFINED_COLUMN,
                format!("metric \"{metric}\" of \"{table}\" does not exist"),
                format!("Its metrics are {}.", quoted_list(&metrics)),
                format!("Use metric => {}.", literal(metrics.first().map_or("", String::as_str))),
            ),
            NotANumber { metric, type_name, table } => (
                Code::ERRCODE_DATATYPE_MISMATCH,
                format!("metric \"{metric}\" has type {type_name}, which is not a type of numbers"),
                "The types of numbers are smallint, integer, bigint, real, double precision and numeric.".to_owned(),
                format!("SELECT metric, value FROM cumulate.metrics WHERE target = {}::regclass;", literal(&table)),
            ),
            NoRollup { metric, rollup, of } => (
                Code::ERRCODE_FEATURE_NOT_SUPPORTED,
                format!("metric \"{metric}\" has no value of {of}"),
                format!("Its roll-up is \"{rollup}\", which cannot be made of {of}."),
                "Ask for one key and day, or for a metric whose roll-up is sum, max or min.".to_owned(),
            ),
            KeyForm { table, columns } => (
                Code::ERRCODE_INVALID_PARAMETER_VALUE,
                format!("key does not name the key columns of \"{table}\""),
                format!("A key is a jsonb object of all key columns and nothing else. They are {}.", quoted_list(&columns)),
format!(
                    "Use key => jsonb_build_object({}).",
                    columns.iter().map(|name| format!("{}, ...", literal(name))).collect::<Vec<_>>().join(", ")
                ),
            ),
            ReaderDenied { table, role, grant } => (
                Code::ERRCODE_INSUFFICIENT_PRIVILEGE,
                format!("permission denied for table {table}"),
                format!("Role \"{role}\" cannot read all columns that the answer is about."),
                format!("GRANT {grant} TO {};", ident(&role)),
            ),
            ReaderRowSecurity { table, role } => (
                Code::ERRCODE_INSUFFICIENT_PRIVILEGE,
                format!("row security of {table} applies to role \"{role}\""),
                "The answer counts the rows of all keys, and with them rows that the policies hide from that role.".to_owned(),
                format!("ALTER ROLE {} BYPASSRLS;", ident(&role)),
            ),
            NothingClosed { table } => (
                Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!("no day of {table} is closed yet"),
                "The answer needs at least one day that is closed.".to_owned(),
                format!("CALL cumulate.backfill({});", literal(&table)),
            ),
            DaysNotUsable { table, told, remedy } => (
                Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!("the days of {table} are not all closed and clean"),
                told,
                remedy,
            ),
            ForecastMemory { table, keys, day, most } => (
                Code::ERRCODE_OUT_OF_MEMORY,
                format!("the keys of {table} take more memory than cumulate.forecast_memory allows"),
                format!("Up to {day} there are {keys} keys, and what is known of them takes more than {} MB.", most >> 20),
                format!("SET cumulate.forecast_memory = '{} MB';", 2 * (most >> 20)),
            ),
            BadSchedule { schedule, reason } => (
                Code::ERRCODE_INVALID_PARAMETER_VALUE,
                format!("\"{schedule}\" is not a schedule"),
                format!("{}.", sentence(&reason)),
                "Use minute, hour, day, month and weekday, such as '30 2 * * *', or @hourly, @daily, @weekly or @monthly."
                    .to_owned(),
            ),
            NoScheduler { reason, remedy } => (
                Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                "the scheduler is not running".to_owned(),
                reason.to_owned(),
                remedy,
            ),
            InRecovery => (
                Code::ERRCODE_READ_ONLY_SQL_TRANSACTION,
                "cannot change cumulative tables during recovery".to_owned(),
                "This server is a standby, and days advance on its primary.".to_owned(),
                "Connect to the primary.".to_owned(),
            ),
            ReadOnly => (
                Code::ERRCODE_READ_ONLY_SQL_TRANSACTION,
                "cannot change cumulative tables in a read-only transaction".to_owned(),
                "The transaction, or each of the session, was declared READ ONLY.".to_owned(),
                "BEGIN READ WRITE;".to_owned(),
            ),
            Paused { table, reason } => (
                Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!("{table} is paused"),
                if reason.is_empty() { "No reason was given.".to_owned() } else { format!("The reason is: {reason}") },
                format!("SELECT cumulate.resume({});", literal(&table)),
            ),
            NotAnEventTable { table, reason } => (
                Code::ERRCODE_WRONG_OBJECT_TYPE,
                format!("\"{table}\" cannot take mock events"),
                format!("{}.", sentence(&reason)),
                "SELECT cumulate.create_sales_pipeline('shop');".to_owned(),
            ),
        };
        Report { code, message, detail: Some(detail), hint: Some(hint) }
    }
}

/// A reason as a sentence without its full stop.
fn sentence(reason: &str) -> String {
    let mut letters = reason.trim_end_matches('.').chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn quoted_list(names: &[impl std::fmt::Display]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
    quoted.join(", ")
}
