//! Partitions of a cumulative table: found by day, made before they are filled, attached after.

use crate::catalog::definition::SNAPSHOT_DATE;
use crate::catalog::{Definition, PartitionBy};
use crate::pg::bulk::TableState;
use crate::pg::lock;
use crate::pg::spi::Statement;
use crate::pg::table::{Table, literal, qualified};
use crate::rules::calendar::Day;
use pgrx::pg_sys::Oid;

/// One partition, or the whole table where there are none: its first and last day.
#[derive(Clone)]
struct Leaf {
    table: Oid,
    sql: String,
    first: Day,
    last: Day,
    plain: bool,
    /// Of the same owner and schema as the table, so that whoever may read the one may read the other.
    akin: bool,
    /// Made in this transaction and not attached yet.
    fresh: bool,
}

/// A constraint that a partition has until it is attached: its rows need not be read once more for their bounds.
const BOUNDS: &str = "pg_cumulate_bounds";

pub struct Partitions {
    target: Table,
    leaves: Vec<Leaf>,
}

impl Partitions {
    /// Finds the partitions for these days, and makes those that are missing, without attaching them: a table that
    /// nobody sees is filled faster, and nobody waits for it.
    pub fn prepare(definition: &Definition, days: &[Day]) -> Self {
        let target = definition.target.clone();
        // As INSERT would: nobody detaches a partition that we have found.
        lock::as_writer(target.oid);
        if definition.partition_by == PartitionBy::None {
            let whole = Leaf {
                table: target.oid,
                sql: target.sql(),
                first: Day::stored(i32::MIN),
                last: Day::stored(i32::MAX),
                plain: target.kind == 'r',
                akin: true,
                fresh: false,
            };
            return Partitions { target, leaves: vec![whole] };
        }
        let mut leaves = attached(&target);
        for day in days {
            if !leaves.iter().any(|leaf| leaf.takes(*day)) {
                let (first, last, suffix) = bounds(definition.partition_by, *day);
                leaves.push(make(&target, first, last, &suffix));
            }
        }
        Partitions { target, leaves }
    }

    /// Whether others may have to do with the partition of a day.
    pub fn state_of(&self, day: Day) -> TableState {
        let fresh = self.leaves.iter().any(|leaf| leaf.fresh && leaf.takes(day));
        if fresh { TableState::Unseen } else { TableState::InUse }
    }

    /// Whether all partitions are ordinary tables.
    pub fn are_plain(&self) -> bool {
        self.leaves.iter().all(|leaf| leaf.plain)
    }

    /// The partition of a day, and its first and last day.
    pub fn leaf(&self, day: Day) -> (Oid, (Day, Day)) {
        let leaf = self.leaves.iter().find(|leaf| leaf.takes(day));
        leaf.map_or((self.target.oid, (day, day)), |leaf| (leaf.table, (leaf.first, leaf.last)))
    }

    /// The attached partition that has all rows of a day and no others, as SQL names it.
    pub fn of_day_alone(&self, day: Day) -> Option<&str> {
        let alone = |leaf: &&Leaf| !leaf.fresh && leaf.plain && leaf.akin && (leaf.first, leaf.last) == (day, day);
        self.leaves.iter().find(alone).map(|leaf| leaf.sql.as_str())
    }

    /// Whether the partition of a day is for that day alone, made here and not attached yet.
    pub fn is_unseen(&self, day: Day) -> bool {
        self.leaves.iter().any(|leaf| leaf.fresh && (leaf.first, leaf.last) == (day, day))
    }

    /// Empties what was made.
    pub fn empty(&self) {
        for leaf in self.leaves.iter().filter(|leaf| leaf.fresh) {
            Statement::new(&format!("TRUNCATE TABLE {}", leaf.sql)).run();
        }
    }

    /// Attaches what was made; the key is built now, over all rows at once.
    pub fn attach(&self) {
        for leaf in self.leaves.iter().filter(|leaf| leaf.fresh) {
            Statement::new(&format!(
                "ALTER TABLE {} ATTACH PARTITION {} FOR VALUES FROM ('{}') TO ('{}')",
                self.target.sql(),
                leaf.sql,
                leaf.first,
                leaf.last.plus(1)
            ))
            .run();
            Statement::new(&format!("ALTER TABLE {} DROP CONSTRAINT {BOUNDS}", leaf.sql)).run();
        }
    }
}

impl Leaf {
    fn takes(&self, day: Day) -> bool {
        (self.first..=self.last).contains(&day)
    }
}

fn bounds(partition_by: PartitionBy, day: Day) -> (Day, Day, String) {
    match partition_by {
        PartitionBy::Month => {
            let first = day.month_start();
            let suffix = first.to_string().replace('-', "");
            (first, day.next_month_start().minus(1), suffix[..6].to_owned())
        }
        PartitionBy::Day | PartitionBy::None => (day, day, day.to_string().replace('-', "")),
    }
}

/// The partitions with finite bounds.
fn attached(target: &Table) -> Vec<Leaf> {
    let leaves = Statement::new(
        "SELECT oid, kind, am, first, last FROM (
             SELECT c.oid, c.relkind::text AS kind, coalesce(a.amname::text, '') AS am,
                    substring(pg_catalog.pg_get_expr(c.relpartbound, c.oid), 'FROM \\(''([^'']+)''\\)')::date AS first,
                    substring(pg_catalog.pg_get_expr(c.relpartbound, c.oid), 'TO \\(''([^'']+)''\\)')::date AS last
             FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
             LEFT JOIN pg_catalog.pg_am a ON a.oid = c.relam
             WHERE i.inhparent = $1) AS bounds
         WHERE first IS NOT NULL AND last IS NOT NULL",
    )
    .bind(target.oid)
    .map(|row| {
        let table: Oid = row.get(0)?;
        let found = Table::find(table)?;
        let (kind, method): (String, String) = (row.get(1)?, row.get(2)?);
        Some(Leaf {
            table,
            akin: found.owner == target.owner && found.schema == target.schema,
            sql: found.sql(),
            first: Day::stored(row.datum(3)?.value() as i32),
            last: Day::stored(row.datum(4)?.value() as i32).minus(1),
            plain: kind == "r" && method == "heap" && super::suitable::for_direct_write(table, &all_columns(target)),
            fresh: false,
        })
    });
    leaves.into_iter().flatten().collect()
}

fn all_columns(target: &Table) -> Vec<String> {
    target.columns().into_iter().filter(|column| !column.computed).map(|column| column.name).collect()
}

fn make(target: &Table, first: Day, last: Day, suffix: &str) -> Leaf {
    let name = format!("{}_{suffix}", target.name);
    let sql = qualified(&target.schema, &name);
    Statement::new(&format!(
        "CREATE TABLE {sql} (LIKE {} INCLUDING ALL EXCLUDING INDEXES EXCLUDING IDENTITY EXCLUDING STATISTICS,
         CONSTRAINT {BOUNDS} CHECK ({SNAPSHOT_DATE} >= DATE '{first}' AND {SNAPSHOT_DATE} < DATE '{}'))",
        target.sql(),
        last.plus(1)
    ))
    .run();
    let comment = literal(&format!("Snapshots of {} from {first} to {last}", target.label()));
    Statement::new(&format!("COMMENT ON TABLE {sql} IS {comment}")).run();
    let table = Table::named(&target.schema, &name).map_or(Oid::INVALID, |table| table.oid);
    Leaf { table, sql, first, last, plain: true, akin: true, fresh: true }
}
