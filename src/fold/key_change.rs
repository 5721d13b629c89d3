//! Rows that come key by key: in which order, and where one key ends and the next begins.

use crate::catalog::Key;
use crate::pg::compare::{Order, is_deterministic};
use crate::pg::table::ident;
use crate::pg::value::{Datum, Image};
use pgrx::pg_sys::{self, Oid};

/// Whether two keys are the same.
pub struct SameKey(Vec<Order>);

impl SameKey {
    pub fn of(keys: &[Key]) -> Self {
        SameKey(keys.iter().filter_map(|key| Order::of(key.layout.oid, collation(key))).collect())
    }

    /// Whether the key of a row, column by column, is one that is known.
    pub fn is<'r>(&mut self, known: &[Image], row: impl Fn(usize) -> Datum<'r>) -> bool {
        let mut columns = self.0.iter_mut().zip(known).enumerate();
        columns.all(|(index, (order, value))| order.compare(value.datum(), row(index)).is_eq())
    }
}

/// ORDER BY for key columns behind a prefix, where any order will do in which the rows of a key come together.
pub fn any_order(keys: &[Key], prefix: &str) -> String {
    let column = |key: &Key| {
        let bytewise = if is_text(key) { " COLLATE \"C\"" } else { "" };
        format!("{prefix}{}{bytewise}", ident(&key.name))
    };
    keys.iter().map(column).collect::<Vec<_>>().join(", ")
}

fn collation(key: &Key) -> Oid {
    if is_text(key) { pg_sys::C_COLLATION_OID } else { key.collation }
}

/// Whether it is text that is equal only when its bytes are: to compare these is much faster than what a language says.
fn is_text(key: &Key) -> bool {
    const TEXTS: [Oid; 3] = [pg_sys::TEXTOID, pg_sys::VARCHAROID, pg_sys::BPCHAROID];
    TEXTS.contains(&key.layout.oid) && is_deterministic(key.collation)
}
