//! The objects of a cumulative table: daily table, aggregate function, the table itself and its newest-snapshot view.
//! All are ordinary objects of their owner, made by plain SQL.

use super::blueprint::{Blueprint, NewColumn};
use crate::catalog::definition::SNAPSHOT_DATE;
use crate::catalog::parts::{self, ARGUMENTS};
use crate::catalog::{Definition, PartitionBy, registry};
use crate::error::Error;
use crate::pg::spi::Statement;
use crate::pg::table::{self, Table, ident, literal, qualified};
use pgrx::pg_sys::Oid;

/// What has been made.
pub struct Made {
    pub target: Oid,
    pub daily: Oid,
    /// The cumulative table was there before.
    pub adopted: bool,
}

pub fn make(blueprint: &Blueprint) -> Result<Made, Error> {
    refuse_registered(blueprint)?;
    let daily = make_or_adopt(blueprint, &blueprint.daily, &blueprint.daily_columns(), "", "Daily table of")?;
    let partitioned = match blueprint.partition_by {
        PartitionBy::None => "",
        PartitionBy::Month | PartitionBy::Day => " PARTITION BY RANGE (snapshot_date)",
    };
    let target_name = (blueprint.schema.clone(), blueprint.name.clone());
    let target =
        make_or_adopt(blueprint, &target_name, &blueprint.target_columns(), partitioned, "Cumulative table over")?;
    make_aggregate(blueprint)?;
    make_latest(blueprint)?;
    Ok(Made { target: target.0, daily: daily.0, adopted: target.1 && has_rows(&blueprint.sql()) })
}

fn refuse_registered(blueprint: &Blueprint) -> Result<(), Error> {
    let Some(existing) = Table::named(&blueprint.schema, &blueprint.name) else { return Ok(()) };
    if registry::number_of(existing.oid).is_none() {
        return Ok(());
    }
    Definition::find(existing.oid)?;
    Err(Error::NameTaken { name: blueprint.label(), kind: "a cumulative table".to_owned() })
}

/// Makes a table with its key, or takes one that is there and fits; whether it was there.
fn make_or_adopt(
    blueprint: &Blueprint,
    (schema, name): &(String, String),
    columns: &[NewColumn],
    partitioned: &str,
    title: &str,
) -> Result<(Oid, bool), Error> {
    let sql = qualified(schema, name);
    if let Some(existing) = Table::named(schema, name) {
        fits(blueprint, &existing, columns, !partitioned.is_empty())?;
        return Ok((existing.oid, true));
    }
    let lines: Vec<String> = columns.iter().map(column_sql).collect();
    run(&format!(
        "CREATE TABLE {sql} ({}, PRIMARY KEY ({SNAPSHOT_DATE}, {})){partitioned}",
        lines.join(", "),
        blueprint.key_list()
    ));
    run(&format!("COMMENT ON TABLE {sql} IS {}", literal(&format!("{title} {}", blueprint.source.label()))));
    comment_columns(&sql, columns);
    let made = Table::named(schema, name).map_or(Oid::INVALID, |table| table.oid);
    Ok((made, false))
}

pub fn column_sql(column: &NewColumn) -> String {
    let not_null = if column.not_null { " NOT NULL" } else { "" };
    format!("{} {}{}{not_null}", ident(&column.name), column.type_sql, column.collate)
}

/// Whether a table that is there can serve: same owner, kind, columns and key; more columns only if they fill themselves.
fn fits(blueprint: &Blueprint, existing: &Table, columns: &[NewColumn], partitioned: bool) -> Result<(), Error> {
    let refuse = |reason: String| Err(Error::DoesNotFit { table: existing.label(), reason });
    let kind = if partitioned { 'p' } else { 'r' };
    if existing.kind != kind {
        return refuse(format!("it is {}", existing.kind_name()));
    }
    if partitioned && !is_by_range_of_days(existing.oid) {
        return refuse(format!("it is not partitioned by range of {SNAPSHOT_DATE}"));
    }
    if existing.owner != blueprint.owner {
        return refuse(format!("it belongs to role \"{}\"", table::role_name(existing.owner)));
    }
    // What one repair has brought up to date, the other's would find as it should be.
    if let Some(other) = registry::part_of(existing.oid) {
        return refuse(format!("it is a part of the cumulative table {}", table::label(other)));
    }
    // Its owner could have code of its own run when rows come there.
    if let Some(strange) = parts::strange_tables(existing.oid, blueprint.owner).first() {
        let owner = table::role_name(strange.owner);
        return refuse(format!("its partition {} belongs to role \"{owner}\"", strange.sql()));
    }
    let present = existing.columns();
    for column in columns {
        let Some(found) = present.iter().find(|found| found.name == column.name) else {
            return refuse(format!("it has no column \"{}\"", column.name));
        };
        if found.type_sql() != column.type_sql {
            let (is, should) = (found.type_sql(), &column.type_sql);
            return refuse(format!("its column \"{}\" has type {is}, not {should}", column.name));
        }
    }
    let foreign = |name: &str| !columns.iter().any(|column| column.name == name);
    if let Some(more) = present.iter().find(|found| foreign(&found.name) && found.not_null && !found.computed) {
        return refuse(format!("its column \"{}\" is NOT NULL and has no default", more.name));
    }
    let mut key: Vec<String> = blueprint.keys.iter().map(|key| key.name.clone()).collect();
    key.push(SNAPSHOT_DATE.to_owned());
    if !has_unique_index(existing.oid, key) {
        return refuse("it has no unique index on the key columns and snapshot_date alone".to_owned());
    }
    Ok(())
}

fn is_by_range_of_days(table: Oid) -> bool {
    Statement::new("SELECT WHERE pg_catalog.pg_get_partkeydef($1) = 'RANGE (snapshot_date)'").bind(table).exists()
}

fn has_unique_index(table: Oid, mut columns: Vec<String>) -> bool {
    columns.sort();
    Statement::new(
        "SELECT FROM pg_catalog.pg_index i
         WHERE i.indrelid = $1 AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
           AND (SELECT pg_catalog.array_agg(a.attname::text ORDER BY a.attname::text COLLATE \"C\")
                FROM pg_catalog.unnest(i.indkey[0:i.indnkeyatts - 1]) AS k (number)
                JOIN pg_catalog.pg_attribute a ON a.attrelid = $1 AND a.attnum = k.number) = $2",
    )
    .bind(table)
    .bind(columns)
    .exists()
}

/// Makes the aggregate function, in the place of one that was left over.
fn make_aggregate(blueprint: &Blueprint) -> Result<(), Error> {
    let name = blueprint.aggregate_name();
    let sql = qualified(&blueprint.schema, &name);
    if let Some(existing) = function_of_that_name(blueprint) {
        if !parts::is_left_over(existing, blueprint.owner) {
            let name = format!("{}.{name}", blueprint.schema);
            return Err(Error::NameTaken { name, kind: "a function".to_owned() });
        }
        run(&format!("DROP FUNCTION {sql}{ARGUMENTS}"));
    }
    blueprint.aggregate(sql).make(&blueprint.search_path);
    Ok(())
}

fn function_of_that_name(blueprint: &Blueprint) -> Option<Oid> {
    Statement::new(
        "SELECT p.oid FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
         WHERE n.nspname::text = $1 AND p.proname::text = $2
           AND p.proargtypes = '1082 1082 2205'::pg_catalog.oidvector",
    )
    .bind(blueprint.schema.as_str())
    .bind(blueprint.aggregate_name())
    .first(|row| row.get(0))
    .flatten()
}

fn has_rows(table: &str) -> bool {
    Statement::new(&format!("SELECT FROM {table} LIMIT 1")).exists()
}

/// The view of the newest snapshot of a day that is over. It names no object of the extension, so that DROP EXTENSION
/// leaves it alone.
fn make_latest(blueprint: &Blueprint) -> Result<(), Error> {
    let name = blueprint.latest_name();
    if let Some(existing) = Table::named(&blueprint.schema, &name) {
        if existing.kind == 'v' && existing.owner == blueprint.owner {
            return Ok(());
        }
        let kind = existing.kind_name().to_owned();
        return Err(Error::NameTaken { name: existing.label(), kind });
    }
    let view = qualified(&blueprint.schema, &name);
    let columns: Vec<String> = blueprint.target_columns().into_iter().map(|column| column.name).collect();
    write_latest("CREATE VIEW", &view, &blueprint.sql(), &columns, &blueprint.time_zone);
    let comment = literal(&format!("The newest snapshot of {}", blueprint.label()));
    run(&format!("COMMENT ON VIEW {view} IS {comment}"));
    comment_columns(&view, &blueprint.target_columns());
    Ok(())
}

/// Writes the view of the newest snapshot with these columns.
pub fn write_latest(create: &str, view: &str, target: &str, columns: &[String], zone: &str) {
    run(&format!(
        "{create} {view} WITH (security_invoker = true) AS
         SELECT {} FROM {target} WHERE {SNAPSHOT_DATE} = (SELECT max({SNAPSHOT_DATE}) FROM {target}
         WHERE {SNAPSHOT_DATE} < (pg_catalog.clock_timestamp() AT TIME ZONE {})::date)",
        table::idents(columns.iter().map(String::as_str)),
        literal(zone)
    ));
}

/// Comments the columns of a table or view.
pub fn comment_columns(relation: &str, columns: &[NewColumn]) {
    for column in columns {
        let comment = literal(&column.comment);
        run(&format!("COMMENT ON COLUMN {relation}.{} IS {comment}", ident(&column.name)));
    }
}

/// Drops what create_table made, and wrappers that are of no use without the extension; with `keep_data` only these.
pub fn drop(target: &Table, daily: &Table, keep_data: bool) {
    for function in wrappers(target) {
        run(&format!("DROP ROUTINE {function}"));
    }
    for function in parts::own_functions(target) {
        run(&format!("DROP FUNCTION {}{ARGUMENTS}", function.name));
    }
    if keep_data {
        return;
    }
    if let Some(latest) = latest_view(target.oid) {
        run(&format!("DROP VIEW {}", latest.sql()));
    }
    run(&format!("DROP TABLE {}", target.sql()));
    run(&format!("DROP TABLE {}", daily.sql()));
}

/// Functions of the owner over the table that are marked as depending on the extension, but for aggregate functions.
fn wrappers(target: &Table) -> Vec<String> {
    Statement::new(
        "SELECT DISTINCT d.objid::pg_catalog.regprocedure::text
         FROM pg_catalog.pg_depend d
         JOIN pg_catalog.pg_depend x ON x.classid = d.classid AND x.objid = d.objid AND x.deptype = 'x'
         JOIN pg_catalog.pg_extension e ON e.oid = x.refobjid AND e.extname = 'pg_cumulate'
         JOIN pg_catalog.pg_proc p ON p.oid = d.objid AND p.proowner = $2
             AND p.proargtypes <> '1082 1082 2205'::pg_catalog.oidvector
         WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.deptype = 'n'
           AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = $1",
    )
    .bind(target.oid)
    .bind(target.owner)
    .map(|row| row.get(0).unwrap_or_default())
}

/// The view of the newest snapshot, whatever table and view are called by now.
pub fn latest_view(target: Oid) -> Option<Table> {
    Statement::new(
        "SELECT DISTINCT v.oid FROM pg_catalog.pg_depend d
         JOIN pg_catalog.pg_rewrite r ON r.oid = d.objid
         JOIN pg_catalog.pg_class v ON v.oid = r.ev_class AND v.relname::text LIKE '%\\_latest'
         JOIN pg_catalog.pg_class t ON t.oid = d.refobjid AND t.relowner = v.relowner
         WHERE d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
           AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = $1
           AND pg_catalog.obj_description(v.oid, 'pg_class') LIKE 'The newest snapshot of %' LIMIT 1",
    )
    .bind(target)
    .first(|row| row.get(0))
    .flatten()
    .and_then(Table::find)
}

fn run(sql: &str) {
    Statement::new(sql).run();
}
