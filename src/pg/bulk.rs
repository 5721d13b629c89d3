//! Rows written straight into an ordinary table, many at a time, as COPY does it.

use super::memory::Arena;
use super::value::Made;
use super::{unguarded, version};
use pgrx::pg_sys::{self, Oid};

/// Rows held before they are written, as COPY has it: enough to fill pages, few enough to stay in the cache.
const BATCH_ROWS: usize = 200;
/// And that many bytes, for wide rows.
const BATCH_BYTES: usize = 128 << 10;

/// Writes rows into one table: no triggers, no rules, no defaults; indexes, constraints and durability as always.
pub struct BulkWriter {
    relation: pg_sys::Relation,
    estate: *mut pg_sys::EState,
    target: *mut pg_sys::ResultRelInfo,
    slots: Vec<*mut pg_sys::TupleTableSlot>,
    used: usize,
    state: *mut pg_sys::BulkInsertStateData,
    command: pg_sys::CommandId,
    columns: usize,
    /// Columns that must not be NULL.
    required: Vec<usize>,
    /// Whether there are CHECK constraints that the rows may break.
    checked: bool,
    /// Pages are filled one behind the other where all are ours, so that rows lie in the order they come in.
    options: i32,
    /// What the rows of the batch point to; emptied with each batch.
    batch: Arena,
    /// What lives as long as the writer.
    long: Arena,
}

/// The columns of a row, which are NULL until they are set.
pub struct Fields<'a> {
    values: &'a mut [pg_sys::Datum],
    nulls: &'a mut [bool],
}

impl Fields<'_> {
    /// Sets a column by its place among all of the table's.
    #[inline]
    pub fn set(&mut self, place: usize, value: Made) {
        self.values[place] = value.raw();
        self.nulls[place] = false;
    }
}

/// Takes the transaction id now: in a parallel query none can be taken any more.
pub fn prepare_to_write() {
    // SAFETY: inside a transaction.
    unsafe { pg_sys::GetCurrentTransactionId() };
}

/// Whether others may have to do with a table.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum TableState {
    InUse,
    /// Made in this transaction, with one CHECK constraint that all rows fulfil by the way they are made.
    Unseen,
}

impl BulkWriter {
    /// Opens a table for writing. The caller has checked that a direct write is right there.
    pub fn open(table: Oid, state: TableState) -> Self {
        let long = Arena::new();
        let batch = Arena::new();
        // SAFETY: the table is locked as INSERT does; all structures live in `long`.
        long.enter(|| unsafe {
            let relation = pg_sys::table_open(table, pg_sys::RowExclusiveLock as i32);
            let estate = pg_sys::CreateExecutorState();
            let target = pg_sys::palloc0(size_of::<pg_sys::ResultRelInfo>()).cast::<pg_sys::ResultRelInfo>();
            (*target).type_ = pg_sys::NodeTag::T_ResultRelInfo;
            // In no range table: the error for a row that breaks a constraint would look there for the columns inserted.
            pg_sys::InitResultRelInfo(target, relation, 0, std::ptr::null_mut(), 0);
            pg_sys::ExecOpenIndices(target, false);
            let columns = (*(*relation).rd_att).natts;
            let constraints = (*(*relation).rd_att).constr;
            let checks = if constraints.is_null() { 0 } else { (*constraints).num_check };
            let required = (0..columns as usize)
                .filter(|place| (*version::attribute((*relation).rd_att, *place as i16 + 1)).attnotnull);
            BulkWriter {
                relation,
                estate,
                target,
                slots: Vec::with_capacity(BATCH_ROWS),
                used: 0,
                state: pg_sys::GetBulkInsertState(),
                command: pg_sys::GetCurrentCommandId(true),
                columns: columns as usize,
                required: required.collect(),
                checked: checks > u16::from(state == TableState::Unseen),
                options: if state == TableState::Unseen { pg_sys::TABLE_INSERT_SKIP_FSM as i32 } else { 0 },
                batch,
                long: Arena::new(),
            }
        })
        .with_long(long)
    }

    fn with_long(mut self, long: Arena) -> Self {
        self.long = long;
        self
    }

    /// Adds a row: `fill` gets all columns of the table, preset to NULL, and makes their values.
    pub fn push<E>(&mut self, fill: impl FnOnce(&mut Fields) -> Result<(), E>) -> Result<(), E> {
        let slot = self.next_slot();
        // SAFETY: the slot has `columns` values; they are valid until the batch is written.
        unsafe {
            let values = std::slice::from_raw_parts_mut((*slot).tts_values, self.columns);
            let nulls = std::slice::from_raw_parts_mut((*slot).tts_isnull, self.columns);
            nulls.fill(true);
            self.batch.enter(|| fill(&mut Fields { values, nulls }))?;
            unguarded::store_virtual_tuple(slot);
        }
        self.used += 1;
        if self.used == BATCH_ROWS || self.batch.size() >= BATCH_BYTES {
            self.flush();
        }
        Ok(())
    }

    fn next_slot(&mut self) -> *mut pg_sys::TupleTableSlot {
        if self.used == self.slots.len() {
            // SAFETY: the relation is open; the slot lives in the long context.
            let slot = self.long.enter(|| unsafe { pg_sys::table_slot_create(self.relation, std::ptr::null_mut()) });
            self.slots.push(slot);
        }
        self.slots[self.used]
    }

    fn flush(&mut self) {
        if self.used == 0 {
            return;
        }
        super::identity::check_for_interrupts();
        let (slots, count) = (self.slots.as_mut_ptr(), self.used);
        self.batch.enter(|| self.check(count));
        // SAFETY: `count` slots are filled; memory that heap and indexes need goes to the batch context.
        self.batch.enter(|| unsafe {
            pg_sys::table_multi_insert(self.relation, slots, count as i32, self.command, self.options, self.state);
        });
        self.batch.enter(|| self.index(count));
        for slot in &self.slots[..count] {
            // SAFETY: a slot of ours.
            unsafe { unguarded::clear_tuple(*slot) };
        }
        self.reset_expressions();
        self.batch.reset();
        self.used = 0;
    }

    /// PostgreSQL's own errors for rows that break a constraint.
    fn check(&self, count: usize) {
        for slot in &self.slots[..count] {
            // SAFETY: the slot holds a row of this table, so it has all its columns.
            unsafe {
                (**slot).tts_tableOid = (*self.relation).rd_id;
                if self.checked || self.required.iter().any(|place| *(**slot).tts_isnull.add(*place)) {
                    pg_sys::ExecConstraints(self.target, *slot, self.estate);
                }
            }
        }
    }

    fn index(&self, count: usize) {
        // SAFETY: table_multi_insert has given each slot its tuple id.
        unsafe {
            if (*self.target).ri_NumIndices == 0 {
                return;
            }
            for slot in &self.slots[..count] {
                version::insert_index_tuples(self.target, *slot, self.estate);
            }
        }
    }

    fn reset_expressions(&self) {
        // SAFETY: the per-tuple context, when there is one, holds nothing that outlives a batch.
        unsafe {
            let context = (*self.estate).es_per_tuple_exprcontext;
            if !context.is_null() {
                pg_sys::MemoryContextReset((*context).ecxt_per_tuple_memory);
            }
        }
    }

    /// Writes what is left and closes the table; its lock is kept until the transaction ends.
    pub fn finish(mut self) {
        self.flush();
        // SAFETY: everything was made by open() and is released once, slots before their relation.
        unsafe {
            for slot in &self.slots {
                pg_sys::ExecDropSingleTupleTableSlot(*slot);
            }
            pg_sys::FreeBulkInsertState(self.state);
            version::finish_bulk_insert(self.relation);
            pg_sys::ExecCloseIndices(self.target);
            pg_sys::FreeExecutorState(self.estate);
            pg_sys::table_close(self.relation, pg_sys::NoLock as i32);
        }
    }
}
