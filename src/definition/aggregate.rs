//! The function that aggregates a source: planned when it is made, inlined later, following renames and stopping drops.

use crate::catalog::TimeType;
use crate::catalog::definition::{NUM_EVENTS, SNAPSHOT_DATE};
use crate::catalog::parts::ARGUMENTS;
use crate::pg::body::Body;
use crate::pg::settings::with_search_path;
use crate::pg::spi::Statement;
use crate::pg::table::{Table, ident, literal};
use pgrx::pg_sys;

/// What the function is made of. Expressions and filter are read by the search_path that it is made with.
pub struct Aggregate<'a> {
    /// Its name as SQL writes it.
    pub name: String,
    /// The cumulative table, as SQL writes its name.
    pub target: String,
    pub source: &'a Table,
    pub time_column: &'a str,
    pub time_type: TimeType,
    pub time_zone: &'a str,
    pub filter: Option<String>,
    pub keys: Vec<KeyColumn>,
    pub metrics: Vec<MetricColumn>,
}

/// A key column: its name in the source, and name and type in the tables made of it.
pub struct KeyColumn {
    pub source_name: String,
    pub name: String,
    pub type_sql: String,
}

/// A metric: its expression, and its column in the daily table.
pub struct MetricColumn {
    pub expression: String,
    pub name: String,
    pub type_sql: String,
}

impl Aggregate<'_> {
    /// Makes the function, reading expressions by a search_path.
    pub fn make(&self, search_path: &str) {
        let create = self.sql();
        with_search_path(search_path, || run(&create));
        let name = &self.name;
        run(&format!("ALTER FUNCTION {name}{ARGUMENTS} DEPENDS ON EXTENSION pg_cumulate"));
        let comment = format!("Aggregates {} from one day to another: a row per day and key", self.source.label());
        run(&format!("COMMENT ON FUNCTION {name}{ARGUMENTS} IS {}", literal(&comment)));
    }

    fn sql(&self) -> String {
        let mut columns = vec![format!("{SNAPSHOT_DATE} pg_catalog.date")];
        columns.extend(self.keys.iter().map(|key| format!("{} {}", ident(&key.name), key.type_sql)));
        columns.push(format!("{NUM_EVENTS} bigint"));
        columns.extend(self.metrics.iter().map(|metric| format!("{} {}", ident(&metric.name), metric.type_sql)));
        let [from_day, to_day, of] = ["from_day", "to_day", "target"].map(|name| self.unlike(name));
        format!(
            "CREATE FUNCTION {}({from_day} pg_catalog.date, {to_day} pg_catalog.date,
                                {of} pg_catalog.regclass DEFAULT {}::pg_catalog.regclass)
             RETURNS TABLE ({}) LANGUAGE sql STABLE BEGIN ATOMIC {}; END",
            self.name,
            literal(&self.target),
            columns.join(", "),
            self.query()
        )
    }

    /// What the function selects, from the day $1 to the day $2.
    fn query(&self) -> String {
        let (day, range) = self.day_and_range();
        let mut values = vec![day];
        values.extend(self.keys.iter().map(|key| ident(&key.source_name)));
        values.push("pg_catalog.count(*)".to_owned());
        let cast = |metric: &MetricColumn| format!("(\n{}\n)::{}", metric.expression, metric.type_sql);
        values.extend(self.metrics.iter().map(cast));
        let positions: Vec<String> = (1..=self.keys.len() + 1).map(|position| position.to_string()).collect();
        let filter = self.filter.as_ref().map_or(String::new(), |filter| format!("(\n{filter}\n) AND "));
        let (values, source, positions) = (values.join(", "), self.source.sql(), positions.join(", "));
        format!("SELECT {values} FROM {source} WHERE {filter}{range} GROUP BY {positions}")
    }

    /// The body that the function would have.
    pub fn body(&self, search_path: &str) -> Option<Body> {
        with_search_path(search_path, || {
            Body::analysed(&self.query(), &[pg_sys::DATEOID, pg_sys::DATEOID], self.source.oid)
        })
    }

    /// A name that no column has.
    fn unlike(&self, name: &str) -> String {
        let keys = self.keys.iter().map(|key| key.name.as_str());
        let taken: Vec<&str> = keys.chain(self.metrics.iter().map(|metric| metric.name.as_str())).collect();
        let mut names = std::iter::successors(Some(name.to_owned()), |name| Some(format!("{name}_")));
        names.find(|name| !taken.contains(&name.as_str())).unwrap_or_default()
    }

    /// The day of a row, and the condition that its day lies in the range of the arguments.
    fn day_and_range(&self) -> (String, String) {
        let time = ident(self.time_column);
        let zone = literal(self.time_zone);
        match self.time_type {
            TimeType::Date => (time.clone(), format!("{time} BETWEEN $1 AND $2")),
            TimeType::Timestamp => (
                format!("{time}::pg_catalog.date"),
                format!("{time} >= $1::timestamp AND {time} < ($2 + 1)::timestamp"),
            ),
            TimeType::TimestampTz => {
                let day = format!("({time} AT TIME ZONE {zone})::date");
                // The offset from UTC around a day's ends bounds the instants of the day, whatever clocks do there.
                let offset = |day: &str| {
                    format!("(({day})::timestamp AT TIME ZONE 'UTC' AT TIME ZONE {zone} - ({day})::timestamp)")
                };
                let first = format!("greatest({}, {})", offset("$1 - 1"), offset("$1 + 1"));
                let last = format!("least({}, {})", offset("$2"), offset("$2 + 2"));
                let range = format!(
                    "{time} >= ($1::timestamp - {first}) AT TIME ZONE 'UTC'
                     AND {time} < (($2 + 1)::timestamp - {last}) AT TIME ZONE 'UTC' AND {day} BETWEEN $1 AND $2"
                );
                (day, range)
            }
        }
    }
}

fn run(sql: &str) {
    Statement::new(sql).run();
}
