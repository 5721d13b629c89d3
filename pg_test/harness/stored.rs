//! Reads a cumulative table as text, ready to be held against the law.

use crate::model::{Day, Key, StoredHistory, StoredRow};
use crate::quote::ident;
use postgres::{GenericClient, Row};
use std::collections::BTreeMap;

/// How the columns of a cumulative table are found.
#[derive(Debug, Clone)]
pub struct Reader {
    /// The table, as SQL reads it.
    pub table: String,
    /// An expression of type text for each key column.
    pub keys: Vec<String>,
    /// Each metric's name, with the windows for which it has totals.
    pub metrics: Vec<(String, Vec<usize>)>,
}

impl Reader {
    /// All snapshots, by day.
    pub fn snapshots<C: GenericClient>(
        &self,
        client: &mut C,
    ) -> Result<BTreeMap<Day, Vec<StoredRow>>, postgres::Error> {
        let mut snapshots: BTreeMap<Day, Vec<StoredRow>> = BTreeMap::new();
        for row in client.query(&self.query(), &[])? {
            snapshots.entry(row.get(0)).or_default().push(self.stored_row(&row));
        }
        Ok(snapshots)
    }

    fn query(&self) -> String {
        let mut columns = vec!["snapshot_date".to_owned()];
        columns.extend(self.keys.iter().cloned());
        for (name, windows) in &self.metrics {
            columns.push(format!("{}::text[]", ident(&format!("{name}_array"))));
            columns.extend(windows.iter().map(|days| format!("{}::text", ident(&format!("total_{name}_{days}d")))));
        }
        format!("SELECT {} FROM {}", columns.join(", "), self.table)
    }

    fn stored_row(&self, row: &Row) -> StoredRow {
        let mut columns = 1..row.len();
        let mut next = || columns.next().expect("the query names every column that is read");
        let key: Key = self.keys.iter().map(|_| row.get(next())).collect();
        let metrics = self.metrics.iter().map(|(_, windows)| {
            let array = row.get(next());
            StoredHistory { array, totals: windows.iter().map(|_| row.get(next())).collect() }
        });
        StoredRow { key, metrics: metrics.collect() }
    }
}
