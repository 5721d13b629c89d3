//! What differs between PostgreSQL's major versions.

use pgrx::pg_sys;
use std::ffi::CStr;

/// # Safety
/// As ExecInsertIndexTuples: a slot with a tuple id, of the relation of `target`, whose indexes are open.
pub unsafe fn insert_index_tuples(
    target: *mut pg_sys::ResultRelInfo,
    slot: *mut pg_sys::TupleTableSlot,
    estate: *mut pg_sys::EState,
) -> *mut pg_sys::List {
    let none = std::ptr::null_mut();
    // SAFETY: by contract.
    unsafe {
        #[cfg(feature = "pg15")]
        return pg_sys::ExecInsertIndexTuples(target, slot, estate, false, false, none, std::ptr::null_mut());
        #[cfg(not(feature = "pg15"))]
        return pg_sys::ExecInsertIndexTuples(target, slot, estate, false, false, none, std::ptr::null_mut(), false);
    }
}

/// # Safety
/// The relation must be open.
pub unsafe fn finish_bulk_insert(relation: pg_sys::Relation) {
    // SAFETY: by contract; the callback is optional.
    unsafe {
        if let Some(finish) = (*(*relation).rd_tableam).finish_bulk_insert {
            finish(relation, 0);
        }
    }
}

/// The parts of a possibly qualified name; a wrong one raises PostgreSQL's error.
///
/// # Safety
/// Inside a backend.
pub unsafe fn name_list(name: &CStr) -> *mut pg_sys::List {
    // SAFETY: by contract; a null error context makes errors raise.
    unsafe {
        #[cfg(feature = "pg15")]
        return pg_sys::stringToQualifiedNameList(name.as_ptr());
        #[cfg(not(feature = "pg15"))]
        return pg_sys::stringToQualifiedNameList(name.as_ptr(), std::ptr::null_mut());
    }
}

/// Looks a type name up; false when there is no such type.
pub fn parse_type(name: &CStr, oid: &mut pg_sys::Oid, modifier: &mut i32) -> bool {
    #[cfg(feature = "pg15")]
    // SAFETY: with missing_ok an unknown name leaves an invalid oid.
    unsafe {
        pg_sys::parseTypeString(name.as_ptr(), oid, modifier, true);
        *oid != pg_sys::Oid::INVALID
    }
    #[cfg(not(feature = "pg15"))]
    // SAFETY: errors are collected in the context and only say that there is no such type.
    unsafe {
        let mut errors: pg_sys::ErrorSaveContext = std::mem::zeroed();
        errors.type_ = pg_sys::NodeTag::T_ErrorSaveContext;
        let found = pg_sys::parseTypeString(name.as_ptr(), oid, modifier, (&raw mut errors).cast());
        found && *oid != pg_sys::Oid::INVALID
    }
}
