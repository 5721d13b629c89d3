//! Order of values of a type that is known at run time only: its default btree order.

use pgrx::pg_sys::{self, Datum, Oid};
use std::cmp::Ordering;

/// Whether texts of a collation are equal only when their bytes are.
pub fn is_deterministic(collation: Oid) -> bool {
    // SAFETY: a syscache look-up; an unknown collation raises PostgreSQL's error.
    unsafe { pg_sys::get_collation_isdeterministic(collation) }
}

/// The btree order of one type, as an index on such a column has it.
pub struct Order {
    support: Box<pg_sys::SortSupportData>,
    /// The comparator is not PostgreSQL's own, so that it may raise an error.
    foreign: bool,
}

impl Order {
    /// Whether a type has a default btree order.
    pub fn exists(oid: Oid) -> bool {
        // SAFETY: the type cache entry lives as long as the backend.
        unsafe { (*pg_sys::lookup_type_cache(oid, pg_sys::TYPECACHE_LT_OPR as i32)).lt_opr != Oid::INVALID }
    }

    /// The order of a type with a collation; None when the type has no default btree order.
    pub fn of(oid: Oid, collation: Oid) -> Option<Self> {
        // SAFETY: the type cache entry lives as long as the backend; the sort support is boxed, so its address is
        // fixed, and its context is the current one, which outlives one engine call.
        unsafe {
            let entry = pg_sys::lookup_type_cache(oid, pg_sys::TYPECACHE_LT_OPR as i32);
            let less = (*entry).lt_opr;
            if less == Oid::INVALID {
                return None;
            }
            let mut support: Box<pg_sys::SortSupportData> = Box::new(std::mem::zeroed());
            support.ssup_cxt = pg_sys::CurrentMemoryContext;
            support.ssup_collation = collation;
            support.abbreviate = false;
            pg_sys::PrepareSortSupportFromOrderingOp(less, &mut *support);
            Some(Order { support, foreign: oid.to_u32() >= pg_sys::FirstNormalObjectId })
        }
    }

    #[inline]
    pub fn compare(&mut self, left: Datum, right: Datum) -> Ordering {
        let support: *mut pg_sys::SortSupportData = &mut *self.support;
        let Some(compare) = self.support.comparator else { return Ordering::Equal };
        // SAFETY: both are non-null datums of the type; an error of a foreign comparator must not jump over Rust.
        let result = unsafe {
            if self.foreign {
                pg_sys::ffi::pg_guard_ffi_boundary(|| compare(left, right, support))
            } else {
                compare(left, right, support)
            }
        };
        result.cmp(&0)
    }
}
