//! Partitions of a cumulative table: found by day, made before they are filled, attached after.

use super::suitable;
use crate::catalog::definition::SNAPSHOT_DATE;
use crate::catalog::{Definition, PartitionBy};
use crate::pg::bulk::TableState;
use crate::pg::lock;
use crate::pg::spi::Statement;
use crate::pg::table::{Table, literal, qualified};
use crate::rules::calendar::Day;
use pgrx::pg_sys::Oid;

/// One partition, or the whole table where there are none: its first and last day.
struct Leaf {
    table: Oid,
    first: Day,
    last: Day,
    /// Its name as SQL writes it, when it was made in this transaction and is not attached yet.
    made: Option<String>,
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
            let (first, last) = (Day::stored(i32::MIN), Day::stored(i32::MAX));
            let whole = Leaf { table: target.oid, first, last, made: None };
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
        let made = self.find(day).is_some_and(|leaf| leaf.made.is_some());
        if made { TableState::Unseen } else { TableState::InUse }
    }

    /// Whether rows of these days go into ordinary tables.
    pub fn are_plain(&self, days: &[Day]) -> bool {
        let takes_some = |leaf: &&Leaf| days.iter().any(|day| leaf.takes(*day));
        self.leaves.iter().filter(takes_some).all(|leaf| self.plain(leaf).is_some())
    }

    /// The ordinary table that rows of a day go into.
    pub fn plain_table(&self, day: Day) -> Option<Table> {
        self.find(day).and_then(|leaf| self.plain(leaf))
    }

    /// The partition of a day, and its first and last day.
    pub fn leaf(&self, day: Day) -> (Oid, (Day, Day)) {
        self.find(day).map_or((self.target.oid, (day, day)), |leaf| (leaf.table, (leaf.first, leaf.last)))
    }

    /// The attached partition that has all rows of a day and no others, as SQL names it.
    pub fn of_day_alone(&self, day: Day) -> Option<String> {
        let alone = |leaf: &&Leaf| leaf.made.is_none() && (leaf.first, leaf.last) == (day, day);
        self.find(day).filter(alone).and_then(|leaf| self.plain(leaf)).map(|table| table.sql())
    }

    /// Whether the partition of a day is for that day alone, made here and not attached yet.
    pub fn is_unseen(&self, day: Day) -> bool {
        self.find(day).is_some_and(|leaf| leaf.made.is_some() && (leaf.first, leaf.last) == (day, day))
    }

    /// Empties what was made.
    pub fn empty(&self) {
        for (_, made) in self.made() {
            Statement::new(&format!("TRUNCATE TABLE {made}")).run();
        }
    }

    /// Attaches what was made; the key is built now, over all rows at once.
    pub fn attach(&self) {
        for (leaf, made) in self.made() {
            Statement::new(&format!(
                "ALTER TABLE {} ATTACH PARTITION {made} FOR VALUES FROM ('{}') TO ('{}')",
                self.target.sql(),
                leaf.first,
                leaf.last.plus(1)
            ))
            .run();
            Statement::new(&format!("ALTER TABLE {made} DROP CONSTRAINT {BOUNDS}")).run();
        }
    }

    fn made(&self) -> impl Iterator<Item = (&Leaf, &str)> {
        self.leaves.iter().filter_map(|leaf| leaf.made.as_deref().map(|made| (leaf, made)))
    }

    fn find(&self, day: Day) -> Option<&Leaf> {
        self.leaves.iter().find(|leaf| leaf.takes(day))
    }

    /// The partition itself, if rows may be read and written there by its name alone. It is of the same owner and schema
    /// as the table, so that whoever may use the one may use the other; and its days are all that bounds its rows.
    fn plain(&self, leaf: &Leaf) -> Option<Table> {
        let akin = |table: &Table| table.owner == self.target.owner && table.schema == self.target.schema;
        Table::find(leaf.table)
            .filter(|table| table.kind == 'r' && akin(table) && !self.target.is_partition)
            .filter(|table| suitable::for_direct_write(table.oid, &self.columns()))
    }

    /// Whether an INSERT into the table itself would do nothing but write rows into partitions.
    pub fn is_parent_plain(&self) -> bool {
        suitable::for_direct_write(self.target.oid, &self.columns())
    }

    fn columns(&self) -> Vec<String> {
        self.target.columns().into_iter().filter(|column| !column.computed).map(|column| column.name).collect()
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
    Statement::new(
        "SELECT oid, first - DATE '2000-01-01', last - DATE '2000-01-01' FROM (
             SELECT c.oid, substring(bound, 'FROM \\(''([^'']+)''\\)')::date AS first,
                    substring(bound, 'TO \\(''([^'']+)''\\)')::date AS last
             FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
             CROSS JOIN LATERAL pg_catalog.pg_get_expr(c.relpartbound, c.oid) AS bound
             WHERE i.inhparent = $1) AS bounds
         WHERE first IS NOT NULL AND last IS NOT NULL",
    )
    .bind(target.oid)
    .map(|row| Leaf {
        table: row.get(0).unwrap_or(Oid::INVALID),
        first: Day::stored(row.get(1).unwrap_or_default()),
        last: Day::stored(row.get(2).unwrap_or_default()).minus(1),
        made: None,
    })
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
    Leaf { table, first, last, made: Some(sql) }
}
