//! What PostgreSQL's catalogs say of tables, columns and names.

use super::encoding::{ServerText, from_c};
use super::identity::as_extension;
use super::spi::Statement;
use crate::error::Error;
use pgrx::pg_sys::{self, Oid};
use std::ffi::{CStr, CString};

/// Names have at most so many bytes.
pub const LONGEST_NAME: usize = pg_sys::NAMEDATALEN as usize - 1;

/// A relation as pg_class has it.
#[derive(Clone, Debug)]
pub struct Table {
    pub oid: Oid,
    pub schema: String,
    pub name: String,
    pub owner: Oid,
    pub kind: char,
    pub is_partition: bool,
}

impl Table {
    pub fn find(oid: Oid) -> Option<Self> {
        Statement::new(
            "SELECT c.oid, n.nspname::text, c.relname::text, c.relowner, c.relkind::text, c.relispartition
             FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = $1",
        )
        .bind(oid)
        .first(|row| {
            Some(Table {
                oid: row.get(0)?,
                schema: row.get(1)?,
                name: row.get(2)?,
                owner: row.get(3)?,
                kind: row.get::<String>(4)?.chars().next()?,
                is_partition: row.get(5)?,
            })
        })
        .flatten()
    }

    /// The relation with this schema and name.
    pub fn named(schema: &str, name: &str) -> Option<Self> {
        Statement::new(
            "SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
             WHERE n.nspname::text = $1 AND c.relname::text = $2",
        )
        .bind(schema)
        .bind(name)
        .first(|row| row.get::<Oid>(0))
        .flatten()
        .and_then(Table::find)
    }

    /// Schema and name, quoted where needed.
    pub fn sql(&self) -> String {
        qualified(&self.schema, &self.name)
    }

    /// Schema and name for messages.
    pub fn label(&self) -> String {
        format!("{}.{}", self.schema, self.name)
    }

    /// What kind of thing it is, for messages.
    pub fn kind_name(&self) -> &'static str {
        match self.kind {
            'r' => "a table",
            'p' => "a partitioned table",
            'v' => "a view",
            'm' => "a materialized view",
            'f' => "a foreign table",
            'S' => "a sequence",
            'i' | 'I' => "an index",
            'c' => "a composite type",
            _ => "another kind of relation",
        }
    }

    pub fn columns(&self) -> Vec<Column> {
        Column::all(self.oid)
    }
}

/// A column as pg_attribute has it.
#[derive(Clone, Debug)]
pub struct Column {
    pub name: String,
    pub number: i16,
    pub type_oid: Oid,
    pub modifier: i32,
    pub collation: Oid,
    /// Has a default, is an identity or generated.
    pub computed: bool,
    pub not_null: bool,
}

impl Column {
    fn all(table: Oid) -> Vec<Self> {
        Statement::new(
            "SELECT attname::text, attnum, atttypid, atttypmod, attcollation,
                    atthasdef OR attidentity <> '' OR attgenerated <> '', attnotnull
             FROM pg_catalog.pg_attribute WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        )
        .bind(table)
        .map(|row| Column {
            name: row.get(0).unwrap_or_default(),
            number: row.get(1).unwrap_or_default(),
            type_oid: row.get(2).unwrap_or(Oid::INVALID),
            modifier: row.get(3).unwrap_or(-1),
            collation: row.get(4).unwrap_or(Oid::INVALID),
            computed: row.get(5).unwrap_or_default(),
            not_null: row.get(6).unwrap_or_default(),
        })
    }

    /// The type as SQL writes it, with its modifier.
    pub fn type_sql(&self) -> String {
        type_sql(self.type_oid, self.modifier)
    }

    /// The column's COLLATE clause, when its collation is not its type's own.
    pub fn collate_sql(&self) -> String {
        let name = Statement::new(
            "SELECT pg_catalog.format(' COLLATE %I.%I', n.nspname, c.collname) FROM pg_catalog.pg_collation c
             JOIN pg_catalog.pg_namespace n ON n.oid = c.collnamespace
             WHERE c.oid = $1 AND c.oid <> (SELECT typcollation FROM pg_catalog.pg_type WHERE oid = $2)",
        )
        .bind(self.collation)
        .bind(self.type_oid)
        .first(|row| row.get::<String>(0))
        .flatten();
        name.unwrap_or_default()
    }
}

/// A type as SQL writes it, with its modifier.
pub fn type_sql(oid: Oid, modifier: i32) -> String {
    let flags = (pg_sys::FORMAT_TYPE_TYPEMOD_GIVEN | pg_sys::FORMAT_TYPE_FORCE_QUALIFY) as u16;
    let plain = pg_sys::FORMAT_TYPE_TYPEMOD_GIVEN as u16;
    // SAFETY: returns a fresh C string for any oid.
    unsafe {
        // Types of pg_catalog read better without their schema, and search_path is pinned to it.
        let builtin = oid.to_u32() < pg_sys::FirstNormalObjectId;
        let text = pg_sys::format_type_extended(oid, modifier, if builtin { plain } else { flags });
        from_c(text)
    }
}

/// The type that a name stands for, with its modifier; None when there is no such type.
pub fn type_named(name: &str) -> Option<(Oid, i32)> {
    let plain = ServerText::of(name);
    let (mut oid, mut modifier) = (Oid::INVALID, -1);
    super::version::parse_type(plain.as_c_str(), &mut oid, &mut modifier).then_some((oid, modifier))
}

/// The array type of an element type, if it has one.
pub fn array_type(element: Oid) -> Option<Oid> {
    // SAFETY: a syscache look-up.
    let oid = unsafe { pg_sys::get_array_type(element) };
    (oid != Oid::INVALID).then_some(oid)
}

/// Whether a type is a row type.
pub fn is_composite(oid: Oid) -> bool {
    // SAFETY: a syscache look-up.
    unsafe { pg_sys::type_is_rowtype(oid) }
}

/// The element type of an array type.
pub fn element_type(array: Oid) -> Oid {
    // SAFETY: a syscache look-up.
    unsafe { pg_sys::get_element_type(array) }
}

/// A name quoted as an identifier where needed.
pub fn ident(name: &str) -> String {
    let bytes = CString::new(name.replace('\0', "")).unwrap_or_default();
    // SAFETY: letters beyond ASCII are quoted whatever they are, so that UTF-8 serves as well as the server's encoding.
    let quoted = unsafe { CStr::from_ptr(pg_sys::quote_identifier(bytes.as_ptr())) };
    quoted.to_string_lossy().into_owned()
}

/// Several names as a list.
pub fn idents<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = names.into_iter().map(ident).collect();
    quoted.join(", ")
}

/// A text as a literal.
pub fn literal(text: &str) -> String {
    let escapes = if text.contains('\\') { "E" } else { "" };
    format!("{escapes}'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

pub fn qualified(schema: &str, name: &str) -> String {
    format!("{}.{}", ident(schema), ident(name))
}

/// Where CREATE TABLE would make a table of this name, by the caller's search_path: schema and name.
pub fn creation_name(name: &str) -> Result<(String, String), Error> {
    let text = ServerText::of(name);
    // SAFETY: a wrong name raises PostgreSQL's own error; the strings are copied.
    unsafe {
        let range = pg_sys::makeRangeVarFromNameList(super::version::name_list(text.as_c_str()));
        let schema = pg_sys::RangeVarGetCreationNamespace(range);
        let schema_name = from_c(pg_sys::get_namespace_name(schema));
        let relation = from_c((*range).relname);
        Ok((schema_name, relation))
    }
}

/// The relation's name for messages, whatever it is.
pub fn label(oid: Oid) -> String {
    Table::find(oid).map_or_else(|| oid.to_u32().to_string(), |table| table.label())
}

pub fn role_name(role: Oid) -> String {
    // SAFETY: returns NULL for an unknown role.
    unsafe {
        let name = pg_sys::GetUserNameFromId(role, true);
        if name.is_null() { role.to_u32().to_string() } else { from_c(name) }
    }
}

/// A table and all its partitions, from the top down; locks none of them.
pub fn tree(root: Oid) -> Vec<Oid> {
    let mut all = vec![root];
    // Whoever asks need not be allowed to use our schema.
    all.extend(as_extension(|| {
        Statement::new("SELECT relid::oid FROM cumulate_internal.partitions($1::regclass) WHERE relid <> $1")
            .bind(root)
            .map(|row| row.get(0).unwrap_or(Oid::INVALID))
    }));
    all
}

pub fn current_role() -> Oid {
    // SAFETY: a plain global of the backend.
    unsafe { pg_sys::GetUserId() }
}

/// Whether a role may SELECT from a relation, every column of it.
pub fn may_read(role: Oid, table: Oid) -> bool {
    // SAFETY: a catalog look-up.
    unsafe { pg_sys::pg_class_aclcheck(table, role, pg_sys::ACL_SELECT.into()) == pg_sys::AclResult::ACLCHECK_OK }
}

/// The equality of a type, by which its values are ordered or hashed, as `OPERATOR(schema.name)`; of arrays, if their
/// elements have one.
pub fn equality_operator(oid: Oid) -> Option<String> {
    // SAFETY: the type cache entry lives as long as the backend.
    let operator = unsafe { (*pg_sys::lookup_type_cache(oid, pg_sys::TYPECACHE_EQ_OPR as i32)).eq_opr };
    Statement::new(
        "SELECT pg_catalog.format('OPERATOR(%I.%s)', n.nspname, o.oprname) FROM pg_catalog.pg_operator o
         JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace WHERE o.oid = $1",
    )
    .bind(operator)
    .first(|row| row.get::<String>(0))
    .flatten()
}

/// Raises PostgreSQL's error when the current role may not INSERT into a table.
pub fn check_insert(table: &Table) {
    // SAFETY: a catalog look-up and PostgreSQL's own error.
    unsafe {
        let result = pg_sys::pg_class_aclcheck(table.oid, current_role(), pg_sys::ACL_INSERT.into());
        if result != pg_sys::AclResult::ACLCHECK_OK {
            let name = ServerText::of(&table.name);
            pg_sys::aclcheck_error(result, pg_sys::ObjectType::OBJECT_TABLE, name.as_c_str().as_ptr());
        }
    }
}

/// The sequence of an identity column.
pub fn identity_sequence(table: Oid, column: i16) -> Option<Oid> {
    Statement::new(
        "SELECT d.objid FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_attribute a
             ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid AND a.attidentity <> ''
         WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refclassid = d.classid
           AND d.refobjid = $1 AND d.refobjsubid = $2 AND d.deptype = 'i'",
    )
    .bind(table)
    .bind(i32::from(column))
    .first(|row| row.get(0))
    .flatten()
}

/// The next value of a sequence; who may insert into the table may take its identity values.
pub fn next_value(sequence: Oid) -> i64 {
    // SAFETY: the sequence belongs to a table that is locked.
    unsafe { pg_sys::ffi::pg_guard_ffi_boundary(|| nextval_internal(sequence, false)) }
}

unsafe extern "C-unwind" {
    fn nextval_internal(sequence: Oid, check_permissions: bool) -> i64;
}
