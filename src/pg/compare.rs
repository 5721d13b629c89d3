//! Order of values of a type that is known at run time only: its default btree order.

use super::value::{Datum, Layout};
use pgrx::pg_sys::{self, Oid};
use std::cmp::Ordering;

/// Whether texts of a collation are equal only when their bytes are.
pub fn is_deterministic(collation: Oid) -> bool {
    // SAFETY: a syscache look-up; an unknown collation raises PostgreSQL's error.
    unsafe { pg_sys::get_collation_isdeterministic(collation) }
}

/// The btree order of one type, as an index on such a column has it.
pub struct Order {
    support: Box<pg_sys::SortSupportData>,
    layout: Layout,
    way: Way,
}

/// How two values are compared.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// By a function of PostgreSQL that raises no error.
    Plainly,
    /// By their bytes.
    Bytewise,
    /// By a function that may raise an error, for it asks for memory, looks something up, answers cancel, or is not
    /// PostgreSQL's own.
    Guarded,
}

/// Types whose values PostgreSQL compares by themselves alone.
const PLAIN: [Oid; 10] = [
    pg_sys::INT2OID,
    pg_sys::INT4OID,
    pg_sys::INT8OID,
    pg_sys::OIDOID,
    pg_sys::DATEOID,
    pg_sys::TIMESTAMPOID,
    pg_sys::TIMESTAMPTZOID,
    pg_sys::FLOAT4OID,
    pg_sys::FLOAT8OID,
    pg_sys::UUIDOID,
];

const TEXTS: [Oid; 2] = [pg_sys::TEXTOID, pg_sys::VARCHAROID];

impl Order {
    /// Whether a type has a default btree order.
    pub fn exists(oid: Oid) -> bool {
        less_than(oid).is_some()
    }

    /// The order of a type with a collation; None when the type has no default btree order.
    pub fn of(oid: Oid, collation: Oid) -> Option<Self> {
        let less = less_than(oid)?;
        let support = prepare(less, collation);
        let own = less.to_u32() < pg_sys::FirstNormalObjectId;
        // SAFETY: a look-up in PostgreSQL's cache.
        let way = match unsafe { pg_sys::getBaseType(oid) } {
            plain if own && PLAIN.contains(&plain) => Way::Plainly,
            text if own && TEXTS.contains(&text) && is_bytewise(less, &support) => Way::Bytewise,
            _ => Way::Guarded,
        };
        Some(Order { support, layout: Layout::of(oid), way })
    }

    #[inline]
    pub fn compare(&mut self, left: Datum, right: Datum) -> Ordering {
        match self.way {
            // SAFETY: such a function raises no error.
            Way::Plainly => unsafe { self.by_function(left, right) },
            Way::Bytewise => self.layout.bytes(left, |left| self.layout.bytes(right, |right| left.cmp(right))),
            Way::Guarded if self.layout.same(left, right) => Ordering::Equal,
            // SAFETY: an error jumps over nothing that owns memory.
            Way::Guarded => unsafe { pg_sys::ffi::pg_guard_ffi_boundary(|| self.by_function(left, right)) },
        }
    }

    /// # Safety
    /// Nothing that owns memory may lie between this and who takes an error.
    #[inline]
    unsafe fn by_function(&mut self, left: Datum, right: Datum) -> Ordering {
        let Some(compare) = self.support.comparator else { return Ordering::Equal };
        // SAFETY: both are non-null datums of the type.
        unsafe { compare(left.raw(), right.raw(), &mut *self.support) }.cmp(&0)
    }
}

/// The operator of a type's default btree order that says what comes first.
fn less_than(oid: Oid) -> Option<Oid> {
    // SAFETY: the type cache entry lives as long as the backend.
    let less = unsafe { (*pg_sys::lookup_type_cache(oid, pg_sys::TYPECACHE_LT_OPR as i32)).lt_opr };
    (less != Oid::INVALID).then_some(less)
}

fn prepare(less: Oid, collation: Oid) -> Box<pg_sys::SortSupportData> {
    // SAFETY: the sort support is boxed, so its address is fixed, and its context is the current one, which outlives one
    // engine call.
    unsafe {
        let mut support: Box<pg_sys::SortSupportData> = Box::new(std::mem::zeroed());
        support.ssup_cxt = pg_sys::CurrentMemoryContext;
        support.ssup_collation = collation;
        support.abbreviate = false;
        pg_sys::PrepareSortSupportFromOrderingOp(less, &mut *support);
        support
    }
}

/// Whether texts are compared as by collation "C".
fn is_bytewise(less: Oid, support: &pg_sys::SortSupportData) -> bool {
    let place = |support: &pg_sys::SortSupportData| support.comparator.map(|compare| compare as usize);
    place(support) == place(&prepare(less, pg_sys::C_COLLATION_OID))
}
