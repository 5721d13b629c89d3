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
            pg_sys::ffi::pg_guard_ffi_boundary(|| finish(relation, 0));
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

/// Has a signal answered by a handler.
///
/// # Safety
/// The handler must be one that may run at any moment.
pub unsafe fn set_signal_handler(signal: u32, handler: unsafe extern "C-unwind" fn(std::ffi::c_int)) {
    // SAFETY: by contract.
    unsafe {
        #[cfg(feature = "pg18")]
        pg_sys::pqsignal_be(signal as i32, Some(handler));
        #[cfg(not(feature = "pg18"))]
        pg_sys::pqsignal(signal as i32, Some(handler));
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

/// Since 18 what a query groups by is selected from a range table entry of its own: puts the columns back that it has.
///
/// # Safety
/// An analysed query.
pub unsafe fn select_columns_themselves(query: *mut pg_sys::Query) {
    #[cfg(not(feature = "pg18"))]
    let _ = query;
    #[cfg(feature = "pg18")]
    // SAFETY: by contract; without a planner's root it only looks at the query.
    unsafe {
        if (*query).hasGroupRTE {
            let targets = (*query).targetList.cast();
            (*query).targetList = pg_sys::flatten_group_exprs(std::ptr::null_mut(), query, targets).cast();
        }
    }
}

/// How many range table entries of a query are no relations but what it groups by, since 18.
///
/// # Safety
/// An analysed query.
pub unsafe fn entries_for_groups(query: *mut pg_sys::Query) -> usize {
    #[cfg(not(feature = "pg18"))]
    let _ = query;
    #[cfg(not(feature = "pg18"))]
    return 0;
    #[cfg(feature = "pg18")]
    // SAFETY: by contract.
    return usize::from(unsafe { (*query).hasGroupRTE });
}

/// A column's description by its number, from 1.
///
/// # Safety
/// The number must be one of the descriptor's columns.
pub unsafe fn attribute(columns: pg_sys::TupleDesc, number: i16) -> *const pg_sys::FormData_pg_attribute {
    // SAFETY: by contract.
    unsafe {
        #[cfg(feature = "pg18")]
        return pg_sys::TupleDescAttr(columns, i32::from(number) - 1);
        #[cfg(not(feature = "pg18"))]
        return (*columns).attrs.as_ptr().add(usize::try_from(number - 1).unwrap_or(0));
    }
}

/// The value that a text stands for; None when it is not one of the type.
pub fn read_softly(oid: pg_sys::Oid, modifier: i32, text: &CStr) -> Option<pg_sys::Datum> {
    let (mut function, mut parameter) = (pg_sys::Oid::INVALID, pg_sys::Oid::INVALID);
    // SAFETY: before 16 a wrong text raises its error; since then it is collected and only says that there is none.
    unsafe {
        pg_sys::getTypeInputInfo(oid, &mut function, &mut parameter);
        #[cfg(feature = "pg15")]
        return Some(pg_sys::OidInputFunctionCall(function, text.as_ptr().cast_mut(), parameter, modifier));
        #[cfg(not(feature = "pg15"))]
        {
            let mut errors: pg_sys::ErrorSaveContext = std::mem::zeroed();
            errors.type_ = pg_sys::NodeTag::T_ErrorSaveContext;
            let mut call: pg_sys::FmgrInfo = std::mem::zeroed();
            pg_sys::fmgr_info(function, &mut call);
            let mut value = pg_sys::Datum::null();
            let read = pg_sys::InputFunctionCallSafe(
                &mut call,
                text.as_ptr().cast_mut(),
                parameter,
                modifier,
                (&raw mut errors).cast(),
                &mut value,
            );
            read.then_some(value)
        }
    }
}
