//! The note triggers of a source: made, dropped, looked after.

use crate::pg::identity::as_extension;
use crate::pg::lock;
use crate::pg::spi::Statement;
use crate::pg::table::{Table, ident, literal, tree};
use crate::rules::calendar::Day;
use pgrx::pg_sys::Oid;

/// What the triggers of one definition are made from.
pub struct Plan<'a> {
    pub definition: i64,
    pub source: &'a Table,
    pub time_column: &'a str,
    pub time_type: &'a str,
    pub zone: &'a str,
    pub start: Option<Day>,
}

const EVENTS: [&str; 3] = ["INSERT", "UPDATE", "DELETE"];

/// Makes the triggers. They fire for every writer, replication included, and only for rows of days before today.
pub fn make(plan: &Plan) {
    let source = plan.source.sql();
    for event in EVENTS {
        let name = name(plan.definition, event);
        // A dump of the source alone brings triggers along, with numbers of another database.
        drop_one(&name, plan.source);
        let when = match event {
            "INSERT" => plan.is_late("NEW"),
            "DELETE" => plan.is_late("OLD"),
            _ => format!("({}) OR ({})", plan.is_late("OLD"), plan.is_late("NEW")),
        };
        run(&format!(
            "CREATE TRIGGER {name} AFTER {event} ON {source} FOR EACH ROW WHEN ({when})
             EXECUTE FUNCTION cumulate_internal.note_late('{}')",
            plan.definition
        ));
        finish(&name, &source);
    }
    for table in with_leaves(plan.source) {
        make_truncate(plan.definition, &table);
    }
}

/// TRUNCATE fires statement triggers alone, and those of a partition are its own.
fn make_truncate(definition: i64, table: &Table) {
    let name = name(definition, "TRUNCATE");
    drop_one(&name, table);
    run(&format!(
        "CREATE TRIGGER {name} AFTER TRUNCATE ON {} FOR EACH STATEMENT EXECUTE FUNCTION cumulate_internal.note_late('{definition}')",
        table.sql()
    ));
    finish(&name, &table.sql());
}

/// A source and its partitions, each with its triggers: those of a partition are clones, made when it is attached. Tables
/// that inherit from it get none.
pub fn leaves(definition: i64, source: Oid) -> Vec<(Oid, String)> {
    // The owner of a table need not be allowed to use our schema.
    as_extension(|| {
        Statement::new("SELECT leaf::oid, triggers FROM cumulate_internal.leaves($1, $2::regclass) ORDER BY 1")
            .bind(definition)
            .bind(source)
            .map(|row| (row.get(0).unwrap_or(Oid::INVALID), row.get(1).unwrap_or_default()))
    })
}

/// Makes the TRUNCATE trigger of partitions that came later.
pub fn make_missing_truncate(definition: i64, source: Oid) {
    let Some(source) = Table::find(source) else { return };
    for table in with_leaves(&source) {
        if !exists(&name(definition, "TRUNCATE"), &table) {
            make_truncate(definition, &table);
        }
    }
}

fn exists(name: &str, table: &Table) -> bool {
    Statement::new("SELECT FROM pg_catalog.pg_trigger WHERE tgrelid = $1 AND tgname::text = $2")
        .bind(table.oid)
        .bind(name)
        .exists()
}

fn finish(name: &str, table: &str) {
    run(&format!("ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}"));
    run(&format!("ALTER TRIGGER {name} ON {table} DEPENDS ON EXTENSION pg_cumulate"));
    let comment = literal("Notes late changes for pg_cumulate");
    run(&format!("COMMENT ON TRIGGER {name} ON {table} IS {comment}"));
}

/// Drops the triggers of a definition, where they still are.
pub fn drop(definition: i64, source: &Table) {
    let tables = with_leaves(source);
    let of_rows = EVENTS.iter().any(|event| exists(&name(definition, event), source));
    if !of_rows && !tables.iter().any(|table| exists(&name(definition, "TRUNCATE"), table)) {
        return;
    }
    // DROP TRIGGER locks partitions before their parent, and would wait for who comes the other way.
    lock::in_order(&tables.iter().map(|table| table.oid).collect::<Vec<_>>());
    for event in EVENTS {
        drop_one(&name(definition, event), source);
    }
    for table in tables {
        drop_one(&name(definition, "TRUNCATE"), &table);
    }
}

fn drop_one(name: &str, table: &Table) {
    if exists(name, table) {
        run(&format!("DROP TRIGGER {name} ON {}", table.sql()));
    }
}

impl Plan<'_> {
    /// SQL: whether a row is of a day that is over and counts. By the wall clock of the write, not of the transaction's
    /// begin: a transaction may begin before midnight and write after the day was closed.
    fn is_late(&self, row: &str) -> String {
        let time = format!("{row}.{}", ident(self.time_column));
        let zone = literal(self.zone);
        let before_today = match self.time_type {
            "date" => format!("{time} < (pg_catalog.clock_timestamp() AT TIME ZONE {zone})::date"),
            "timestamp" => {
                format!("{time} < pg_catalog.date_trunc('day', pg_catalog.clock_timestamp() AT TIME ZONE {zone})")
            }
            _ => format!("{time} < pg_catalog.date_trunc('day', pg_catalog.clock_timestamp(), {zone})"),
        };
        let Some(start) = self.start else { return before_today };
        let from_start = match self.time_type {
            "date" => format!("{time} >= DATE '{start}'"),
            "timestamp" => format!("{time} >= TIMESTAMP '{start}'"),
            // A day before the start's midnight, wherever clocks are set.
            _ => format!("{time} >= TIMESTAMPTZ '{} 00:00:00+00'", start.minus(1)),
        };
        format!("{before_today} AND {from_start}")
    }
}

fn name(definition: i64, event: &str) -> String {
    format!("cumulate_note_{}_{definition}", event.to_lowercase())
}

/// A table with all its partitions.
fn with_leaves(table: &Table) -> Vec<Table> {
    tree(table.oid).into_iter().filter_map(Table::find).collect()
}

/// Whether a table is a partition below another.
pub fn is_partition_of(table: Oid, root: Oid) -> bool {
    Statement::new("SELECT FROM pg_catalog.pg_partition_ancestors($1::regclass) WHERE relid = $2")
        .bind(table)
        .bind(root)
        .exists()
}

fn run(sql: &str) {
    Statement::new(sql).run();
}
