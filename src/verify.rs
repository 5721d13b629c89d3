//! The law, checked: snapshots recomputed from the source by one set-based query that knows nothing of the fold.

use crate::catalog::definition::SNAPSHOT_DATE;
use crate::catalog::{Definition, Metric, State, ledger};
use crate::engine::daily;
use crate::error::Error;
use crate::late::waiting;
use crate::pg::message::notice;
use crate::pg::spi::Statement;
use crate::pg::table::{equality_operator, ident, literal, type_sql};
use crate::pg::value::{Image, Layout};
use crate::rules::calendar::Day;
use crate::rules::window::{Rollup, Shape};
use pgrx::pg_sys;

/// One column of one row that is not what the source says.
pub struct Difference {
    pub day: Day,
    /// As jsonb.
    pub key: Option<Image>,
    pub column: String,
    pub stored: Option<String>,
    pub expected: Option<String>,
}

/// Compares all closed, clean days of a range with the source.
pub fn differences(definition: &Definition, from: Option<Day>, to: Option<Day>) -> Result<Vec<Difference>, Error> {
    let Some(start) = definition.start else { return Ok(Vec::new()) };
    let from = from.unwrap_or(start);
    let Some(to) = to.or_else(|| ledger::newest_snapshot(definition.target.oid)) else { return Ok(Vec::new()) };
    if from > to {
        return Err(Error::ReversedRange { from, to });
    }
    let days = clean_days(definition, start, from, to);
    let Some(last) = days.last().copied() else { return Ok(Vec::new()) };
    daily::check_row_security(definition.source, definition.target.owner)?;
    let json = Layout::of(pg_sys::JSONBOID);
    let found = Statement::new(&Query::new(definition, start, last).sql()).bind(days).map(|row| Difference {
        day: row.get(0).unwrap_or_default(),
        key: row.datum(1).map(|key| Image::of(json, key)),
        column: row.get(2).unwrap_or_default(),
        stored: row.get(3),
        expected: row.get(4),
    });
    Ok(found)
}

/// Closed days without a note that could touch them; says in a NOTICE which are left out.
fn clean_days(definition: &Definition, start: Day, from: Day, to: Day) -> Vec<Day> {
    let entries = ledger::entries(definition.target.oid, from, to);
    let closed: Vec<Day> = entries.iter().filter(|entry| entry.state == State::Closed).map(|entry| entry.day).collect();
    let Some(noted) = waiting::days(definition, start, to).first().copied() else { return closed };
    let (clean, left_out): (Vec<Day>, Vec<Day>) = closed.into_iter().partition(|day| *day < noted);
    if let (Some(first), Some(last)) = (left_out.first(), left_out.last()) {
        notice!("days {first} to {last} of {} are left out because late changes wait", definition.target.label());
    }
    clean
}

struct Query<'a> {
    definition: &'a Definition,
    start: Day,
    last: Day,
    names: Names,
}

/// What the query calls columns of its own; keys may have any name.
struct Names {
    day: String,
    days_ago: String,
    first: String,
    present: String,
    has_events: String,
    metrics: Vec<String>,
}

impl Names {
    fn of(definition: &Definition) -> Self {
        let metrics = 0..definition.metrics.len();
        Names {
            day: definition.alias("?day"),
            days_ago: definition.alias("?days_ago"),
            first: definition.alias("?first"),
            present: definition.alias("?present"),
            has_events: definition.alias("?has_events"),
            metrics: metrics.map(|index| definition.alias(&format!("?metric{index}"))).collect(),
        }
    }
}

impl<'a> Query<'a> {
    fn new(definition: &'a Definition, start: Day, last: Day) -> Self {
        Query { definition, start, last, names: Names::of(definition) }
    }

    fn sql(&self) -> String {
        let definition = self.definition;
        let Names { day, days_ago, first, present, has_events, .. } = &self.names;
        let keys = definition.key_list("");
        let names: Vec<String> = definition.keys.iter().map(|key| ident(&key.name)).collect();
        let keyed: Vec<String> = names.iter().map(|name| format!("{name} IS NOT NULL")).collect();
        let metrics: Vec<String> = definition.daily_columns().iter().map(|name| ident(name)).collect();
        let window = definition.window();
        let length = match definition.shape {
            Shape::Ragged => format!("least({window}, d.{day} - k.{first} + 1)"),
            Shape::Padded => window.to_string(),
        };
        let expired = if definition.expire_idle { format!("HAVING bool_or({has_events})") } else { String::new() };
        format!(
            "WITH e AS MATERIALIZED (
                 SELECT {SNAPSHOT_DATE} AS {day}, {keys}, {metrics} FROM {aggregated}
                 WHERE {keyed}
                 UNION ALL
                 SELECT {SNAPSHOT_DATE}, {keys}, {metrics} FROM {daily}
                 WHERE {SNAPSHOT_DATE} >= DATE '{start}' AND {SNAPSHOT_DATE} < DATE '{live}'),
             k AS (SELECT {keys}, min({day}) AS {first} FROM e GROUP BY {keys}),
             d AS (SELECT day AS {day} FROM pg_catalog.unnest($1) AS day),
             cells AS (
                 SELECT d.{day}, {k_keys}, {days_ago}, e.{day} IS NOT NULL AS {has_events}, {cells}
                 FROM d JOIN k ON k.{first} <= d.{day}
                 CROSS JOIN LATERAL pg_catalog.generate_series(0, {length} - 1) AS {days_ago}
                 LEFT JOIN e ON e.{day} = d.{day} - {days_ago} AND {e_is_k}),
             x AS (SELECT {day}, {keys}, true AS {present}, {expected} FROM cells GROUP BY {day}, {keys} {expired}),
             s AS (SELECT {SNAPSHOT_DATE} AS {day}, {keys}, true AS {present}, {values} FROM {target}
                   WHERE {SNAPSHOT_DATE} IN (SELECT {day} FROM d))
             SELECT coalesce(x.{day}, s.{day}), pg_catalog.jsonb_build_object({json}),
                    c.name, c.stored, c.expected
             FROM x FULL JOIN s ON x.{day} = s.{day} AND {x_is_s}
             CROSS JOIN LATERAL (VALUES {comparisons}) AS c (name, stored, expected, agree)
             WHERE NOT c.agree
             ORDER BY coalesce(x.{day}, s.{day}), {ordered}",
            metrics = metrics.join(", "),
            aggregated = definition.aggregated(definition.first_live_day(self.start), self.last),
            start = self.start,
            // Source rows of frozen days may be gone; their daily rows stand for them.
            live = definition.first_live_day(self.start),
            daily = definition.daily.sql(),
            keyed = keyed.join(" AND "),
            k_keys = definition.key_list("k."),
            cells = self.cells(),
            e_is_k = self.same("e.", "k."),
            expected = self.expected(),
            values = definition.value_columns().iter().map(|name| ident(name)).collect::<Vec<_>>().join(", "),
            target = definition.target.sql(),
            json = self.each_key(|key, name| format!("{}, coalesce(x.{name}, s.{name})", literal(key))),
            x_is_s = self.same("x.", "s."),
            comparisons = self.comparisons(),
            ordered = self.each_key(|_, name| format!("coalesce(x.{name}, s.{name})")),
        )
    }

    fn each_key(&self, write: impl Fn(&str, &str) -> String) -> String {
        let keys: Vec<String> = self.definition.keys.iter().map(|key| write(&key.name, &ident(&key.name))).collect();
        keys.join(", ")
    }

    fn same(&self, left: &str, right: &str) -> String {
        let keys: Vec<String> = self.definition.keys.iter().map(|key| key.equal(left, right)).collect();
        keys.join(" AND ")
    }

    /// The metrics, each with the name of its value of one day.
    fn metrics(&self) -> impl Iterator<Item = (&String, &Metric)> {
        self.names.metrics.iter().zip(&self.definition.metrics)
    }

    /// Each metric's value of one day, or its zero.
    fn cells(&self) -> String {
        let cell = |(name_of_value, metric): (&String, &Metric)| {
            let column = ident(&metric.daily_column);
            let name = type_sql(metric.element.oid, metric.modifier);
            let zero = metric.zero.as_ref().map_or("NULL".to_owned(), |zero| literal(zero));
            format!("coalesce(e.{column}, {zero}::{name}) AS {name_of_value}")
        };
        self.metrics().map(cell).collect::<Vec<_>>().join(", ")
    }

    /// Arrays and totals from the cells.
    fn expected(&self) -> String {
        let mut columns = Vec::new();
        let days_ago = &self.names.days_ago;
        for (value, metric) in self.metrics() {
            let array = ident(&metric.array_column());
            columns.push(format!("pg_catalog.array_agg({value} ORDER BY {days_ago}) AS {array}"));
            for window in self.definition.windows.iter().filter(|_| metric.rollup != Rollup::None) {
                let total = total_sql(metric, value, days_ago, *window);
                columns.push(format!("{total} AS {}", ident(&metric.total_column(*window))));
            }
        }
        columns.join(", ")
    }

    /// One row a column: name, stored, expected, and whether they agree; first whether the row is there at all.
    fn comparisons(&self) -> String {
        let present = &self.names.present;
        let shown = |alias: &str| format!("CASE WHEN {alias}.{present} THEN 'present' ELSE 'missing' END");
        let both = format!("coalesce(x.{present} AND s.{present}, false)");
        let mut rows = vec![format!("('(row)', {}, {}, {both})", shown("s"), shown("x"))];
        let columns = self.definition.target.columns();
        for name in self.definition.value_columns() {
            let oid =
                columns.iter().find(|column| column.name == name).map_or(pg_sys::InvalidOid, |column| column.type_oid);
            let quoted = ident(&name);
            let of_real = self.definition.metrics.iter().any(|metric| {
                let totals = |window: &usize| metric.total_column(*window) == name;
                metric.element.oid == pg_sys::FLOAT4OID && self.definition.windows.iter().any(totals)
            });
            let agree = agreement_sql(oid, of_real, &format!("s.{quoted}"), &format!("x.{quoted}"));
            rows.push(format!(
                "({}, s.{quoted}::text, x.{quoted}::text, x.{present} IS NULL OR s.{present} IS NULL OR {agree})",
                literal(&name)
            ));
        }
        rows.join(", ")
    }
}

fn total_sql(metric: &Metric, value: &str, days_ago: &str, window: usize) -> String {
    let within = format!("FILTER (WHERE {days_ago} < {window})");
    // PostgreSQL sums real in real; totals of real are double precision.
    let wide = if metric.element.oid == pg_sys::FLOAT4OID { "::float8" } else { "" };
    match metric.rollup {
        Rollup::Sum => format!("sum({value}{wide}) {within}"),
        Rollup::Max => format!("max({value}) {within}"),
        Rollup::Min => format!("min({value}) {within}"),
        Rollup::Avg => format!("avg({value}) {within}"),
        Rollup::Last | Rollup::None => {
            let known = format!("FILTER (WHERE {days_ago} < {window} AND {value} IS NOT NULL)");
            format!("(pg_catalog.array_agg({value} ORDER BY {days_ago}) {known})[1]")
        }
    }
}

/// SQL that says whether two values of a type agree by the law.
fn agreement_sql(oid: pg_sys::Oid, of_real: bool, left: &str, right: &str) -> String {
    let near = |left: &str, right: &str, tolerance: &str| {
        format!(
            "({left} IS NOT DISTINCT FROM {right} OR coalesce(abs({left} - {right})
              <= {tolerance} * greatest(abs({left}), abs({right})), false))"
        )
    };
    match oid {
        pg_sys::FLOAT4OID => near(left, right, "1e-5"),
        // A total of real is as exact as its elements.
        pg_sys::FLOAT8OID => near(left, right, if of_real { "1e-5" } else { "1e-9" }),
        pg_sys::FLOAT4ARRAYOID | pg_sys::FLOAT8ARRAYOID => {
            let tolerance = if oid == pg_sys::FLOAT4ARRAYOID { "1e-5" } else { "1e-9" };
            let elements = near("u.a", "u.b", tolerance);
            format!(
                "(pg_catalog.cardinality({left}) IS NOT DISTINCT FROM pg_catalog.cardinality({right})
                  AND NOT EXISTS (SELECT FROM ROWS FROM (pg_catalog.unnest({left}), pg_catalog.unnest({right})) AS u (a, b)
                                  WHERE NOT {elements}))"
            )
        }
        // Equal values may be written differently, as 2.2 and 2.20; some types have no equality.
        _ => match equality_operator(oid) {
            Some(equal) => format!("coalesce({left} {equal} {right}, {left} IS NULL AND {right} IS NULL)"),
            None => format!("{left}::text IS NOT DISTINCT FROM {right}::text"),
        },
    }
}
