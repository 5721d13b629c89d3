//! Functions of PostgreSQL that raise no error, called as C calls them: pgrx sets a jump buffer around every call, which
//! at several calls a row costs as much as the work.

use pgrx::pg_sys;
use std::ffi::{c_int, c_void};

/// Requests up to this size are never refused as such.
const MOST_BYTES: usize = 1 << 20;

mod c {
    use super::{c_int, c_void, pg_sys};

    unsafe extern "C" {
        pub fn ExecStoreVirtualTuple(slot: *mut pg_sys::TupleTableSlot) -> *mut pg_sys::TupleTableSlot;
        pub fn MemoryContextAllocExtended(
            context: pg_sys::MemoryContext,
            size: pg_sys::Size,
            flags: c_int,
        ) -> *mut c_void;
        pub fn pfree(pointer: *mut c_void);
    }
}

/// Memory in the current context, not zeroed.
pub fn allocate(size: usize) -> *mut u8 {
    if size <= MOST_BYTES {
        // SAFETY: with this flag NULL is the answer where there is no memory, instead of an error.
        let block = unsafe {
            c::MemoryContextAllocExtended(pg_sys::CurrentMemoryContext, size, pg_sys::MCXT_ALLOC_NO_OOM as c_int)
        };
        if !block.is_null() {
            return block.cast();
        }
    }
    // SAFETY: raises PostgreSQL's error where there is no memory.
    unsafe { pg_sys::palloc(size).cast() }
}

/// Frees memory of a context.
///
/// # Safety
/// The block must have been allocated in a memory context that is still there, and is not used afterwards.
pub unsafe fn free<T>(block: *mut T) {
    // SAFETY: by contract.
    unsafe { c::pfree(block.cast()) };
}

/// Says that all columns of an empty slot have been filled.
///
/// # Safety
/// The slot must be empty, with values for all of its columns.
pub unsafe fn store_virtual_tuple(slot: *mut pg_sys::TupleTableSlot) {
    // SAFETY: by contract; it sets two fields.
    unsafe { c::ExecStoreVirtualTuple(slot) };
}

/// Empties a slot.
///
/// # Safety
/// The slot must be valid; nothing that it holds is used afterwards.
pub unsafe fn clear_tuple(slot: *mut pg_sys::TupleTableSlot) {
    // SAFETY: by contract; it frees the slot's own row.
    unsafe {
        if let Some(clear) = (*(*slot).tts_ops).clear {
            clear(slot);
        }
    }
}
