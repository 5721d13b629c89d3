//! Whether rows may be written straight into a table, past the executor.

use crate::pg::spi::Statement;
use pgrx::pg_sys::Oid;

/// True for an ordinary (or partitioned) heap table where an INSERT of these columns would do nothing else: no triggers
/// of others, no rules, no row security that binds the owner, no defaults or generated values in other columns; and
/// where the current role may INSERT.
pub fn for_direct_write(table: Oid, columns: &[String]) -> bool {
    !Statement::new(
        "SELECT FROM pg_catalog.pg_class c WHERE c.oid = $1 AND (
             c.relkind NOT IN ('r', 'p') OR pg_catalog.row_security_active(c.oid) OR c.relforcerowsecurity OR c.relhasrules
             OR NOT pg_catalog.has_table_privilege(c.oid, 'INSERT')
             OR (c.relkind = 'r' AND c.relam <> (SELECT oid FROM pg_catalog.pg_am WHERE amname = 'heap'))
             OR EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgrelid = c.oid
                        AND NOT EXISTS (SELECT FROM pg_catalog.pg_proc p
                                        WHERE p.oid = t.tgfoid AND p.proname = 'note_late'
                                          AND p.pronamespace = 'cumulate_internal'::regnamespace))
             OR EXISTS (SELECT FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type y ON y.oid = a.atttypid
                        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                          AND (a.attgenerated <> '' OR a.attidentity <> '' OR a.atthasdef OR y.typtype = 'd')
                          AND a.attname::text <> ALL ($2)))",
    )
    .bind(table)
    .bind(columns.to_vec())
    .exists()
}

/// Whether our own triggers note what is written to a table.
pub fn is_noted(table: Oid) -> bool {
    Statement::new(
        "SELECT FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
         WHERE t.tgrelid = $1 AND p.proname = 'note_late' AND p.pronamespace = 'cumulate_internal'::regnamespace",
    )
    .bind(table)
    .exists()
}
