//! Partitions of a cumulative table: found by day, made before they are filled, attached after. Users may have made some of
//! them, with any bounds, and may have detached or dropped others.

use super::suitable;
use crate::catalog::definition::SNAPSHOT_DATE;
use crate::catalog::{Definition, PartitionBy, ledger};
use crate::pg::bulk::TableState;
use crate::pg::identity::as_extension;
use crate::pg::lock;
use crate::pg::message::notice;
use crate::pg::spi::Statement;
use crate::pg::table::{LONGEST_NAME, Table, literal, qualified};
use crate::rules::calendar::Day;
use pgrx::pg_sys::Oid;
use std::collections::HashSet;

/// The days of a partition; without a bound the first or last of all.
pub struct Bounds {
    pub table: Oid,
    pub first: Day,
    pub last: Day,
}

impl Bounds {
    pub fn take(&self, day: Day) -> bool {
        (self.first..=self.last).contains(&day)
    }
}

/// The partitions of a table, and the one that takes what no other takes.
pub fn bounds_of(table: Oid) -> (Vec<Bounds>, Option<Oid>) {
    // The owner of a table need not be allowed to use our schema.
    let found = as_extension(|| {
        Statement::new(
            "SELECT partition::oid, first_day, past FROM cumulate_internal.bounds($1::regclass) ORDER BY 2, 1",
        )
        .bind(table)
        .map(|row| {
            let day = |index| row.datum(index).map(|day| Day::stored(day.value() as i32));
            (row.get(0).unwrap_or(Oid::INVALID), day(1).zip(day(2)))
        })
    });
    let rest = found.iter().find(|(_, bounds)| bounds.is_none()).map(|(table, _)| *table);
    let of = |(table, bounds): (Oid, Option<(Day, Day)>)| {
        bounds.map(|(first, past)| Bounds { table, first, last: past.minus(1) })
    };
    (found.into_iter().filter_map(of).collect(), rest)
}

/// Days that have a snapshot by the ledger, but no partition any more that could hold it: somebody has dropped or detached
/// it. Nobody does that until the transaction ends.
pub fn lost_days(definition: &Definition) -> Vec<Day> {
    let target = definition.target.oid;
    lock::as_writer(target);
    if definition.partition_by == PartitionBy::None {
        return Vec::new();
    }
    let (partitions, rest) = bounds_of(target);
    let mut days = ledger::snapshots(target, Day::FIRST, None);
    days.retain(|day| rest.is_none() && !partitions.iter().any(|bounds| bounds.take(*day)));
    days
}

/// One partition, or the whole table where there are none.
struct Leaf {
    bounds: Bounds,
    /// Its name as SQL writes it, when it was made in this transaction and is not attached yet.
    made: Option<String>,
}

/// A constraint that a partition has until it is attached: its rows need not be read once more for their bounds.
const BOUNDS: &str = "pg_cumulate_bounds";

pub struct Partitions {
    target: Table,
    leaves: Vec<Leaf>,
    /// The partition that takes what no other takes. Beside it none is made: attaching one would read all of its rows, and
    /// keep readers out meanwhile.
    rest: Option<Oid>,
}

impl Partitions {
    /// Finds the partitions for these days, and makes those that are missing, without attaching them: a table that
    /// nobody sees is filled faster, and nobody waits for it.
    pub fn prepare(definition: &Definition, days: &[Day]) -> Self {
        let target = definition.target.clone();
        // As INSERT would: nobody detaches a partition that we have found.
        lock::as_writer(target.oid);
        if definition.partition_by == PartitionBy::None {
            return Partitions { leaves: Vec::new(), rest: Some(target.oid), target };
        }
        complete_divided(&target);
        let (attached, rest) = bounds_of(target.oid);
        let mut leaves: Vec<Leaf> = attached.into_iter().map(|bounds| Leaf { bounds, made: None }).collect();
        for day in days.iter().filter(|_| rest.is_none()) {
            if !leaves.iter().any(|leaf| leaf.bounds.take(*day)) {
                leaves.push(make(&target, definition.partition_by, *day, &leaves));
            }
        }
        Partitions { target, leaves, rest }
    }

    /// Whether others may have to do with the partition of a day.
    pub fn state_of(&self, day: Day) -> TableState {
        let made = self.find(day).is_some_and(|leaf| leaf.made.is_some());
        if made { TableState::Unseen } else { TableState::InUse }
    }

    /// Whether rows of these days go into ordinary tables.
    pub fn are_plain(&self, days: &[Day]) -> bool {
        let tables: HashSet<Oid> = days.iter().map(|day| self.leaf(*day).0).collect();
        tables.into_iter().all(|table| self.plain(table).is_some())
    }

    /// The ordinary table that rows of a day go into.
    pub fn plain_table(&self, day: Day) -> Option<Table> {
        self.plain(self.leaf(day).0)
    }

    /// The partition of a day, and its first and last day, or those around that day that are its own.
    pub fn leaf(&self, day: Day) -> (Oid, (Day, Day)) {
        match self.find(day) {
            Some(Leaf { bounds, .. }) => (bounds.table, (bounds.first, bounds.last)),
            None => (self.rest.unwrap_or(self.target.oid), gap_around(&self.leaves, day)),
        }
    }

    /// The attached partition that has all rows of a day and no others, as SQL names it.
    pub fn of_day_alone(&self, day: Day) -> Option<String> {
        let alone = |leaf: &&Leaf| leaf.made.is_none() && leaf.is_of_one_day();
        self.find(day).filter(alone).and_then(|leaf| self.plain(leaf.bounds.table)).map(|table| table.sql())
    }

    /// Whether the partition of a day is for that day alone, made here and not attached yet.
    pub fn is_unseen(&self, day: Day) -> bool {
        self.find(day).is_some_and(|leaf| leaf.made.is_some() && leaf.is_of_one_day())
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
                leaf.bounds.first,
                leaf.bounds.last.plus(1)
            ))
            .run();
            Statement::new(&format!("ALTER TABLE {made} DROP CONSTRAINT {BOUNDS}")).run();
        }
    }

    fn made(&self) -> impl Iterator<Item = (&Leaf, &str)> {
        self.leaves.iter().filter_map(|leaf| leaf.made.as_deref().map(|made| (leaf, made)))
    }

    fn find(&self, day: Day) -> Option<&Leaf> {
        self.leaves.iter().find(|leaf| leaf.bounds.take(day))
    }

    /// The partition itself, if rows may be read and written there by its name alone. It is of the same owner and schema
    /// as the table, so that whoever may use the one may use the other; and its days are all that bounds its rows.
    fn plain(&self, table: Oid) -> Option<Table> {
        let akin = |table: &Table| table.owner == self.target.owner && table.schema == self.target.schema;
        Table::find(table)
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
    fn is_of_one_day(&self) -> bool {
        self.bounds.first == self.bounds.last
    }
}

/// A partition of a user's that is divided once more may have no place for a day or a key: what none of its own takes
/// goes into one that is made for that.
fn complete_divided(target: &Table) {
    let lacking = as_extension(|| {
        Statement::new(
            "SELECT p.relid::oid FROM cumulate_internal.partitions($1::regclass) p
             JOIN pg_catalog.pg_partitioned_table t ON t.partrelid = p.relid
             WHERE p.relid <> $1 AND t.partstrat <> 'h' AND t.partdefid = 0",
        )
        .bind(target.oid)
        .map(|row| row.get(0).unwrap_or(Oid::INVALID))
    });
    for divided in lacking.into_iter().filter_map(Table::find) {
        let rest = qualified(&divided.schema, &free_name(&divided, "rest"));
        // To attach one keeps nobody out, as to make it in its place would.
        for command in [
            format!(
                "CREATE TABLE {rest} (LIKE {} INCLUDING ALL EXCLUDING INDEXES EXCLUDING IDENTITY EXCLUDING STATISTICS)",
                divided.sql()
            ),
            format!("ALTER TABLE {} ATTACH PARTITION {rest} DEFAULT", divided.sql()),
            format!(
                "COMMENT ON TABLE {rest} IS {}",
                literal(&format!("Snapshots of {} that no other partition takes", divided.label()))
            ),
        ] {
            Statement::new(&command).run();
        }
        notice!(
            "partition {} has a partition for the rest now, for its others do not take all days or keys",
            divided.label()
        );
    }
}

/// The days around one that no partition takes, as far as they go.
fn gap_around(leaves: &[Leaf], day: Day) -> (Day, Day) {
    let before = leaves.iter().map(|leaf| leaf.bounds.last).filter(|last| *last < day).max();
    let behind = leaves.iter().map(|leaf| leaf.bounds.first).filter(|first| *first > day).min();
    let first = before.map_or(Day::stored(i32::MIN), |last| last.plus(1));
    (first, behind.map_or(Day::stored(i32::MAX), |first| first.minus(1)))
}

/// Makes the partition of a day, as far as it does not meet others.
fn make(target: &Table, partition_by: PartitionBy, day: Day, leaves: &[Leaf]) -> Leaf {
    let (begin, end) = match partition_by {
        PartitionBy::Month => (day.month_start(), day.next_month_start().minus(1)),
        PartitionBy::Day | PartitionBy::None => (day, day),
    };
    let (after, before) = gap_around(leaves, day);
    let (first, last) = (begin.max(after), end.min(before));
    let suffix = first.to_string().replace('-', "");
    let whole_month = partition_by == PartitionBy::Month && (first, last) == (begin, end);
    let name = free_name(target, if whole_month { &suffix[..6] } else { &suffix });
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
    Leaf { bounds: Bounds { table, first, last }, made: Some(sql) }
}

/// A name for a partition that no relation has, as one that was detached may have.
fn free_name(target: &Table, suffix: &str) -> String {
    let mut names = (1..).map(|number| {
        let suffix = if number == 1 { format!("_{suffix}") } else { format!("_{suffix}_{number}") };
        format!("{}{suffix}", within(&target.name, LONGEST_NAME - suffix.len()))
    });
    names.find(|name| Table::named(&target.schema, name).is_none()).unwrap_or_default()
}

/// A name cut to so many bytes.
fn within(name: &str, bytes: usize) -> &str {
    let end = (0..=bytes.min(name.len())).rev().find(|end| name.is_char_boundary(*end));
    &name[..end.unwrap_or(0)]
}
