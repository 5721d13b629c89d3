//! Deferred constraints. Their triggers cannot fire in the restricted context at the end of the transaction, and outside
//! of it they must not: so those of the tables that are written to are immediate meanwhile, and no others.

use super::deferral::deferred_among;
use super::spi::Statement;
use super::table::{Table, qualified, tree};
use pgrx::pg_sys::{self, Oid};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashMap};

/// What is done to rows, as pg_trigger counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Write {
    Insert = pg_sys::TRIGGER_TYPE_INSERT,
    Update = pg_sys::TRIGGER_TYPE_UPDATE,
    Delete = pg_sys::TRIGGER_TYPE_DELETE,
}

thread_local! {
    /// Calls of `undisturbed` that are at work.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    /// Names of constraints that were deferred before.
    static MADE_IMMEDIATE: RefCell<BTreeSet<String>> = const { RefCell::new(BTreeSet::new()) };
}

/// Runs `work`; what it makes immediate is deferred again when the outermost call ends. On an error, the abort of the
/// (sub)transaction does that.
pub fn undisturbed<T>(work: impl FnOnce() -> T) -> T {
    let _depth = Depth::enter();
    let result = work();
    if DEPTH.get() == 1 {
        set(&MADE_IMMEDIATE.take(), "DEFERRED");
    }
    result
}

struct Depth;

impl Depth {
    fn enter() -> Self {
        DEPTH.set(DEPTH.get() + 1);
        Depth
    }
}

impl Drop for Depth {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get() - 1);
        if DEPTH.get() == 0 {
            MADE_IMMEDIATE.take();
        }
    }
}

/// Makes those constraints immediate that such a write to a table, or to a partition of it, would have to wait for; none
/// outside of `undisturbed`, where they may wait. What waits for them already is checked now, as SET CONSTRAINTS has it.
pub fn fire_now(table: &Table, write: Write) {
    if DEPTH.get() == 0 {
        return;
    }
    let tables = if table.kind == 'p' { tree(table.oid) } else { vec![table.oid] };
    let mut deferred = BTreeSet::new();
    for (table, triggers) in deferrable(&tables, write) {
        let all: Vec<Oid> = triggers.keys().copied().collect();
        let waiting = deferred_among(table, &all);
        deferred.extend(waiting.iter().filter_map(|trigger| triggers.get(trigger).cloned()));
    }
    set(&deferred, "IMMEDIATE");
    MADE_IMMEDIATE.with_borrow_mut(|made| made.extend(deferred));
}

fn set(constraints: &BTreeSet<String>, when: &str) {
    if !constraints.is_empty() {
        let names: Vec<&str> = constraints.iter().map(String::as_str).collect();
        Statement::new(&format!("SET CONSTRAINTS {} {when}", names.join(", "))).run();
    }
}

/// Triggers that may be deferred, by table, with their constraints' names as SQL writes them: those of the tables, and of
/// others whose rows a foreign key takes along. No row's key is changed, so an UPDATE does nothing to rows that refer to it.
fn deferrable(tables: &[Oid], write: Write) -> HashMap<Oid, HashMap<Oid, String>> {
    let mut found: HashMap<Oid, HashMap<Oid, String>> = HashMap::new();
    let (update, delete) = (Write::Update as i32, Write::Delete as i32);
    let rows = Statement::new(&format!(
        "WITH RECURSIVE written (oid, writes) AS (
             SELECT oid, $2 FROM pg_catalog.unnest($1) AS oid
             UNION
             SELECT c.conrelid, {update} | {delete} FROM written w JOIN pg_catalog.pg_constraint c ON c.confrelid = w.oid
             WHERE c.contype = 'f' AND c.confdeltype IN ('c', 'n', 'd') AND w.writes & {delete} <> 0)
         SELECT t.tgrelid, t.oid, n.nspname::text, c.conname::text
         FROM written w JOIN pg_catalog.pg_trigger t ON t.tgrelid = w.oid AND t.tgtype::integer & w.writes <> 0
         JOIN pg_catalog.pg_constraint c ON c.oid = t.tgconstraint
         JOIN pg_catalog.pg_namespace n ON n.oid = c.connamespace
         WHERE t.tgdeferrable AND t.tgenabled <> 'D'
           AND NOT (w.writes = {update} AND c.contype = 'f' AND c.confrelid = w.oid AND c.conrelid <> w.oid)",
    ))
    .bind(tables.to_vec())
    .bind(write as i32)
    .map(|row| Some((row.get(0)?, row.get(1)?, row.get::<String>(2)?, row.get::<String>(3)?)));
    for (table, trigger, schema, name) in rows.into_iter().flatten() {
        found.entry(table).or_default().insert(trigger, qualified(&schema, &name));
    }
    found
}
