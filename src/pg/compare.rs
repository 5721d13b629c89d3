//! Order of values of a type that is known at run time only: its default btree order.

use pgrx::pg_sys::{self, Datum, Oid};
use std::cmp::Ordering;

/// The btree order of one type, as an index on such a column has it.
pub struct Order {
    support: Box<pg_sys::SortSupportData>,
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
            Some(Order { support })
        }
    }

    #[inline]
    pub fn compare(&mut self, left: Datum, right: Datum) -> Ordering {
        let support: *mut pg_sys::SortSupportData = &mut *self.support;
        // SAFETY: both are non-null datums of the type; the comparator was set when the order was made.
        let result = unsafe { self.support.comparator.map_or(0, |compare| compare(left, right, support)) };
        result.cmp(&0)
    }
}
