//! The rows that a function returns, handed over one by one: beyond work_mem PostgreSQL keeps them on disk.

use super::value::Datum;
use pgrx::pg_sys;

/// The result of one call of a function that returns rows of several columns.
pub struct Rows {
    store: *mut pg_sys::Tuplestorestate,
    columns: pg_sys::TupleDesc,
    values: Vec<pg_sys::Datum>,
    nulls: Vec<bool>,
}

impl Rows {
    /// # Safety
    /// `call` must be what PostgreSQL passed to a function that is declared to return such rows.
    pub(super) unsafe fn of(call: pg_sys::FunctionCallInfo) -> Self {
        // SAFETY: by contract; where no rows can be taken it raises PostgreSQL's error.
        unsafe {
            pg_sys::InitMaterializedSRF(call, 0);
            let result = (*call).resultinfo.cast::<pg_sys::ReturnSetInfo>();
            let (store, columns) = ((*result).setResult, (*result).setDesc);
            let width = usize::try_from((*columns).natts).unwrap_or(0);
            Rows { store, columns, values: vec![pg_sys::Datum::null(); width], nulls: vec![true; width] }
        }
    }

    /// Adds a row, which is copied; columns that are left out are NULL.
    pub fn put(&mut self, row: &[Option<Datum>]) {
        for (index, (value, null)) in self.values.iter_mut().zip(&mut self.nulls).enumerate() {
            let given = row.get(index).copied().flatten();
            *null = given.is_none();
            *value = given.map_or(pg_sys::Datum::null(), Datum::raw);
        }
        // SAFETY: store and columns live as long as the call; both slices are as wide as a row.
        unsafe {
            pg_sys::tuplestore_putvalues(self.store, self.columns, self.values.as_mut_ptr(), self.nulls.as_mut_ptr());
        }
    }
}
