//! Type modifiers: what a value loses on its way into a column.

use pgrx::pg_sys::{self, Oid};

/// Whether a column with one modifier takes every value of its type with another as it is, as ALTER TABLE asks before it
/// rewrites rows; of arrays, whether every element is taken so.
pub fn keeps(type_oid: Oid, of_column: i32, of_values: i32) -> bool {
    if of_column == -1 || of_column == of_values {
        return true;
    }
    // SAFETY: an expression over one variable of the type, which is planned and never run.
    unsafe {
        let element = pg_sys::get_element_type(type_oid);
        let oid = if element == Oid::INVALID { type_oid } else { element };
        let value = pg_sys::makeVar(1, 1, oid, of_values, pg_sys::get_typcollation(oid), 0);
        let cast = pg_sys::coerce_to_target_type(
            std::ptr::null_mut(),
            value.cast(),
            oid,
            oid,
            of_column,
            pg_sys::CoercionContext::COERCION_ASSIGNMENT,
            pg_sys::CoercionForm::COERCE_IMPLICIT_CAST,
            -1,
        );
        if cast.is_null() {
            return false;
        }
        let mut planned = pg_sys::expression_planner(cast.cast()).cast::<pg_sys::Node>();
        while (*planned).type_ == pg_sys::NodeTag::T_RelabelType {
            planned = (*planned.cast::<pg_sys::RelabelType>()).arg.cast();
        }
        (*planned).type_ == pg_sys::NodeTag::T_Var
    }
}
