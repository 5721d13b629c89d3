//! SQL statements: text, bound values, and rows handed to a closure.
//!
//! An error of PostgreSQL unwinds with its own SQLSTATE; only errors of closures come back as `Err`.

use super::convert::Bind;
use super::encoding::ServerText;
use super::receiver::{Receiver, Row};
use super::settings::with_own_names;
use super::value::Datum;
use crate::error::Error;
use pgrx::pg_sys::{self, Oid};
use std::cell::Cell;
use std::ops::ControlFlow;

/// A bound value.
#[derive(Clone, Copy)]
pub struct Param<'a> {
    pub oid: Oid,
    pub value: Option<Datum<'a>>,
}

/// One statement and its values.
pub struct Statement<'a> {
    sql: ServerText,
    params: Vec<Param<'a>>,
    parallel: bool,
}

impl<'a> Statement<'a> {
    /// Each statement sees everything done so far in this transaction; one that only reads takes no transaction id.
    pub fn new(sql: &str) -> Self {
        Statement { sql: ServerText::of(sql), params: Vec::new(), parallel: true }
    }

    /// Keeps the plan in this process, so that the closure may run statements that write while the query runs.
    pub fn serial_if(mut self, serial: bool) -> Self {
        self.parallel = !serial;
        self
    }

    pub fn bind<T: Bind>(self, value: T) -> Self {
        self.bind_param(Param { oid: T::TYPE, value: value.bind() })
    }

    pub fn bind_param(mut self, param: Param<'a>) -> Self {
        self.params.push(param);
        self
    }

    /// Runs it; the number of rows processed.
    pub fn run(self) -> u64 {
        self.execute(None)
    }

    /// Runs it and calls `each` with every row.
    pub fn each(self, mut each: impl FnMut(Row) -> Result<(), Error>) -> Result<(), Error> {
        self.each_until(|row| each(row).map(ControlFlow::Continue))
    }

    /// Runs it and calls `each` with every row until that breaks.
    pub fn each_until(self, mut each: impl FnMut(Row) -> Result<ControlFlow<()>, Error>) -> Result<(), Error> {
        let mut receiver = Receiver::new(&mut each);
        self.execute(Some(&mut receiver));
        receiver.failure.map_or(Ok(()), Err)
    }

    /// All rows, converted; in order.
    pub fn map<T>(self, mut convert: impl FnMut(Row) -> T) -> Vec<T> {
        let mut rows = Vec::new();
        let mut each = |row: Row| {
            rows.push(convert(row));
            Ok(ControlFlow::Continue(()))
        };
        let mut receiver = Receiver::new(&mut each);
        self.execute(Some(&mut receiver));
        rows
    }

    /// The first row, converted.
    pub fn first<T>(self, convert: impl FnMut(Row) -> T) -> Option<T> {
        self.map(convert).into_iter().next()
    }

    /// Whether there is a row.
    pub fn exists(self) -> bool {
        self.first(|_| ()).is_some()
    }

    fn execute(self, receiver: Option<&mut Receiver>) -> u64 {
        with_own_names(|| {
            connected(|| {
                let plan = Prepared::make(&self.sql, &self.params, self.parallel);
                plan.execute(&self.params, receiver)
            })
        })
    }
}

/// A prepared statement for many executions, valid inside `connected`.
pub struct Prepared {
    plan: pg_sys::SPIPlanPtr,
    /// It outlives the connection, and the transaction, too, unless it is freed.
    kept: bool,
}

impl Prepared {
    pub fn new(sql: &str, types: &[Oid]) -> Self {
        let params: Vec<Param> = types.iter().map(|oid| Param { oid: *oid, value: None }).collect();
        let sql = ServerText::of(sql);
        connected(|| {
            let mut prepared = Self::make(&sql, &params, false);
            // SAFETY: the plan was just made; keeping it moves it out of this connection's memory.
            unsafe { pg_sys::SPI_keepplan(prepared.plan) };
            prepared.kept = true;
            prepared
        })
    }

    /// Runs it, writing; the number of rows processed.
    pub fn run(&self, params: &[Param]) -> u64 {
        connected(|| self.execute(params, None))
    }

    /// Runs it; its first row, converted.
    pub fn first<T>(&self, params: &[Param], mut convert: impl FnMut(Row) -> T) -> Option<T> {
        let mut first = None;
        let mut each = |row: Row| {
            first = Some(convert(row));
            Ok(ControlFlow::Break(()))
        };
        let mut receiver = Receiver::new(&mut each);
        connected(|| self.execute(params, Some(&mut receiver)));
        first
    }

    pub(super) fn make(sql: &ServerText, params: &[Param], parallel: bool) -> Self {
        let mut types: Vec<Oid> = params.iter().map(|param| param.oid).collect();
        let options = if parallel { pg_sys::CURSOR_OPT_PARALLEL_OK as i32 } else { 0 };
        // SAFETY: inside an SPI connection; a wrong statement raises its own error.
        let plan = unsafe {
            pg_sys::SPI_prepare_cursor(sql.as_c_str().as_ptr(), types.len() as i32, types.as_mut_ptr(), options)
        };
        Prepared { plan, kept: false }
    }

    /// Opens a portal that outlives the plan and the connection.
    pub(super) fn open(&self) -> pg_sys::Portal {
        let none = std::ptr::null_mut();
        // SAFETY: inside an SPI connection; the plan has no parameters.
        unsafe { pg_sys::SPI_cursor_open(std::ptr::null(), self.plan, none, std::ptr::null(), false) }
    }

    fn execute(&self, params: &[Param], receiver: Option<&mut Receiver>) -> u64 {
        // SAFETY: inside an SPI connection, with a valid plan and as many values as it has parameters.
        unsafe {
            let list = pg_sys::makeParamList(params.len() as i32);
            let slots = (*list).params.as_mut_slice(params.len());
            for (slot, param) in slots.iter_mut().zip(params) {
                slot.value = param.value.map_or(pg_sys::Datum::null(), Datum::raw);
                slot.isnull = param.value.is_none();
                slot.pflags = pg_sys::PARAM_FLAG_CONST as u16;
                slot.ptype = param.oid;
            }
            let options = pg_sys::SPIExecuteOptions {
                params: if params.is_empty() { std::ptr::null_mut() } else { list },
                // Without that each statement sees what others have committed meanwhile.
                read_only: READING.get(),
                dest: receiver.map_or(std::ptr::null_mut(), |receiver| receiver.as_dest()),
                ..Default::default()
            };
            pg_sys::SPI_execute_plan_extended(self.plan, &options);
            pg_sys::SPI_processed
        }
    }
}

impl Drop for Prepared {
    fn drop(&mut self) {
        // While an error unwinds, the abort frees what was not kept.
        if self.kept || !std::thread::panicking() {
            // SAFETY: the plan is ours and freed once; what an interrupted execution holds of it has its own count.
            unsafe { pg_sys::SPI_freeplan(self.plan) };
        }
    }
}

thread_local! {
    /// Whether statements read by the snapshot that `in_one_snapshot` took.
    static READING: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work`, which only reads: all its statements see the same, which is what there is now, and what this transaction
/// has written.
pub fn in_one_snapshot<T>(work: impl FnOnce() -> T) -> T {
    struct Reading(bool);
    impl Drop for Reading {
        fn drop(&mut self) {
            READING.set(self.0);
        }
    }
    let _reading = Reading(READING.replace(true));
    // SAFETY: pushed and popped in pairs; on an error the abort pops it.
    unsafe {
        pg_sys::CommandCounterIncrement();
        pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot());
        let result = work();
        pg_sys::PopActiveSnapshot();
        result
    }
}

/// Runs `work` inside an SPI connection.
pub(super) fn connected<T>(work: impl FnOnce() -> T) -> T {
    // SAFETY: connect and finish are paired; on an error the abort ends the connection.
    unsafe {
        pg_sys::SPI_connect();
        let result = work();
        pg_sys::SPI_finish();
        result
    }
}
