//! What a table that keeps its snapshots for ever will take, said when it is made.

use super::blueprint::Blueprint;
use crate::pg::message;
use crate::pg::spi::Statement;
use crate::pg::table::{Table, ident, literal};
use crate::pg::value;
use crate::rules::footprint::{DAY, Stored, bytes_a_row, spoken, two_digits};
use pgrx::pg_sys::{self, Oid};

/// Rows of the source that are read for the estimate.
const SAMPLE: i64 = 100_000;

/// Less than that a day, 40 MB a year, needs no word.
const WORTH_A_WORD: f64 = 100_000.0;

/// Bytes of a value whose type does not say how many.
const NUMERIC: f64 = 8.0;
const TEXT: f64 = 16.0;

/// Says how fast a table grows that drops no snapshot, when its source has events.
pub fn announce(blueprint: &Blueprint, target: Oid) {
    if blueprint.retention.is_some() {
        return;
    }
    let Some(keys) = Keys::of(blueprint) else { return };
    let rows = keys.number;
    let bytes = rows * bytes_a_row(&columns(blueprint, target, keys.bytes), keys.bytes);
    if bytes < WORTH_A_WORD {
        return;
    }
    let (table, rows, bytes) = (blueprint.label(), two_digits(rows), spoken(bytes));
    let call = format!("SELECT cumulate.alter_table({}, retention => '90 days');", literal(&blueprint.sql()));
    message::tell_with_hint(
        &format!("{table} keeps all snapshots for ever: about {rows} rows and {bytes} more each day"),
        &format!("To drop old ones: {call}"),
    );
}

/// The keys of a source, about.
struct Keys {
    number: f64,
    /// Of one key.
    bytes: f64,
}

impl Keys {
    fn of(blueprint: &Blueprint) -> Option<Self> {
        if !is_at_hand(&blueprint.source) {
            return Some(Keys { number: planned(blueprint), bytes: TEXT * blueprint.keys.len() as f64 });
        }
        let (names, source) = (blueprint.key_list(), blueprint.source.sql());
        let each =
            |write: fn(&str) -> String| blueprint.keys.iter().map(|key| write(&ident(&key.name))).collect::<Vec<_>>();
        let bytes = each(|name| format!("pg_catalog.pg_column_size({name})")).join(" + ");
        let filled = each(|name| format!("{name} IS NOT NULL")).join(" AND ");
        let sample = Statement::new(&format!(
            "WITH sample AS MATERIALIZED (SELECT {names} FROM {source} LIMIT {SAMPLE})
             SELECT (SELECT pg_catalog.count(*) FROM sample), pg_catalog.count(*), pg_catalog.sum({bytes})::bigint,
                    (SELECT pg_catalog.count(*) FROM (SELECT DISTINCT {names} FROM sample WHERE {filled}) AS k)
             FROM sample WHERE {filled}"
        ));
        let [read, keyed, bytes, keys] =
            sample.first(|row| [0, 1, 2, 3].map(|index| row.get::<i64>(index).unwrap_or_default()))?;
        let number = if read < SAMPLE { keys as f64 } else { planned(blueprint).max(keys as f64) };
        (keyed > 0).then(|| Keys { number, bytes: bytes as f64 / keyed as f64 })
    }
}

/// Whether reading a few rows of a source takes little, and no other server.
fn is_at_hand(source: &Table) -> bool {
    let elsewhere = Statement::new(
        "WITH RECURSIVE part AS (
             SELECT $1 AS oid UNION ALL
             SELECT i.inhrelid FROM part JOIN pg_catalog.pg_inherits i ON i.inhparent = part.oid)
         SELECT FROM part JOIN pg_catalog.pg_class c ON c.oid = part.oid WHERE c.relkind = 'f'",
    );
    matches!(source.kind, 'r' | 'p') && !elsewhere.bind(source.oid).exists()
}

/// The number of keys that the planner expects.
fn planned(blueprint: &Blueprint) -> f64 {
    let (names, source) = (blueprint.key_list(), blueprint.source.sql());
    let plan = Statement::new(&format!("EXPLAIN (FORMAT JSON) SELECT DISTINCT {names} FROM {source}"))
        .first(|row| row.datum(0).map(|plan| value::to_text(pg_sys::JSONOID, plan).text()))
        .flatten();
    let plan = plan.and_then(|plan| serde_json::from_str::<serde_json::Value>(&plan).ok());
    plan.and_then(|plan| plan[0]["Plan"]["Plan Rows"].as_f64()).unwrap_or_default()
}

/// How the columns of the table are stored when its arrays are full.
fn columns(blueprint: &Blueprint, target: Oid, key: f64) -> Vec<Stored> {
    let bytes = |length: i16, oid: Oid| match length {
        1.. => f64::from(length),
        _ if oid == pg_sys::NUMERICOID => NUMERIC,
        _ => TEXT,
    };
    let stored = Statement::new(
        "SELECT t.typlen, t.oid, e.typlen, e.oid
         FROM pg_catalog.pg_attribute a
         JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
         LEFT JOIN pg_catalog.pg_type e ON e.oid = t.typelem AND t.typcategory = 'A'
         WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped AND a.attname::text <> ALL ($2)",
    )
    .bind(target)
    .bind(blueprint.keys.iter().map(|key| key.name.clone()).collect::<Vec<String>>())
    .map(|row| {
        let at = |index: usize| Some(bytes(row.get::<i16>(index)?, row.get::<Oid>(index + 1)?));
        match at(2) {
            Some(element) => Stored::Array(blueprint.longest_window(), element),
            None => Stored::Value(at(0).unwrap_or(DAY)),
        }
    });
    [vec![Stored::Value(key)], stored].concat()
}
