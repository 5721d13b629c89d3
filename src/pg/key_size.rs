//! How long a key may be: a btree takes no row that is longer than a third of a page.

use super::border::attempt;
use super::value::Datum;
use pgrx::PgSqlErrorCode;
use pgrx::pg_sys::{self, Oid};

/// The longest row that a btree of pages of 8 kB takes.
const LONGEST_ROW: usize = 2704;

/// What a key of one column may have at most, uncompressed, with room for headers.
pub const LONGEST_KEY: usize = 2600;

/// The bytes of a varlena when it is not compressed.
pub fn bytes(value: Datum<'_>) -> usize {
    // SAFETY: a non-null varlena; short ones need no look at where they are stored.
    unsafe {
        let value: *mut pg_sys::varlena = value.raw().cast_mut_ptr();
        if pgrx::varatt_is_1b(value) && !pgrx::varatt_is_1b_e(value) {
            pgrx::varsize_any(value)
        } else {
            pg_sys::toast_raw_datum_size(value.into())
        }
    }
}

/// Whether a btree takes a row of these values of some columns of a table, which are given by their numbers.
pub fn fits(table: Oid, columns: &[i16], values: &[Datum<'_>]) -> bool {
    let formed = attempt(|| {
        // SAFETY: the columns exist; what is made lives in the current context, and all arrays are as long as the columns.
        unsafe {
            let relation = pg_sys::table_open(table, pg_sys::AccessShareLock as i32);
            let row = pg_sys::CreateTemplateTupleDesc(columns.len() as i32);
            for (index, column) in columns.iter().enumerate() {
                pg_sys::TupleDescCopyEntry(row, index as i16 + 1, (*relation).rd_att, *column);
            }
            let mut values: Vec<pg_sys::Datum> = values.iter().map(|value| value.raw()).collect();
            let mut nulls = vec![false; columns.len()];
            let formed = pg_sys::index_form_tuple(row, values.as_mut_ptr(), nulls.as_mut_ptr());
            let size = usize::from((*formed).t_info) & pg_sys::INDEX_SIZE_MASK as usize;
            pg_sys::pfree(formed.cast());
            pg_sys::table_close(relation, pg_sys::NoLock as i32);
            size.next_multiple_of(8)
        }
    });
    match formed {
        Ok(size) => size <= LONGEST_ROW,
        // What is longer than any index takes is an error of its own.
        Err(caught) if caught.report.code == PgSqlErrorCode::ERRCODE_PROGRAM_LIMIT_EXCEEDED => false,
        Err(caught) => caught.rethrow(),
    }
}
