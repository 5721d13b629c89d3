//! The stored body of a SQL function: what it selects, as PostgreSQL keeps it through renames.

use super::encoding::{ServerText, from_c};
use super::version;
use pgrx::PgList;
use pgrx::pg_sys::{self, Oid};

/// The query of a `BEGIN ATOMIC` function: one SELECT that groups the rows of one table.
pub struct Body {
    query: *mut pg_sys::Query,
}

impl Body {
    /// The body of a function over a table; None when there is none of this form.
    pub fn of(function: Oid, table: Oid) -> Option<Self> {
        // SAFETY: the cache entry is released after its text has been copied; the tree lives in the current context.
        unsafe {
            let cache = pg_sys::SysCacheIdentifier::PROCOID as i32;
            let tuple = pg_sys::SearchSysCache1(cache, function.into());
            if tuple.is_null() {
                return None;
            }
            let mut null = false;
            let attribute = pg_sys::Anum_pg_proc_prosqlbody as i16;
            let datum = pg_sys::SysCacheGetAttr(cache, tuple, attribute, &mut null);
            let text = if null { std::ptr::null_mut() } else { pg_sys::text_to_cstring(datum.cast_mut_ptr()) };
            pg_sys::ReleaseSysCache(tuple);
            if text.is_null() {
                return None;
            }
            let mut node = pg_sys::stringToNode(text).cast::<pg_sys::Node>();
            pg_sys::pfree(text.cast());
            while !node.is_null() && (*node).type_ == pg_sys::NodeTag::T_List {
                let list = PgList::<pg_sys::Node>::from_pg(node.cast());
                node = list.get_ptr(0).filter(|_| list.len() == 1)?;
            }
            if node.is_null() || (*node).type_ != pg_sys::NodeTag::T_Query {
                return None;
            }
            Self::that_groups(node.cast(), table)
        }
    }

    /// The body that a function over a table would have if it selected that, by the search_path of now.
    pub fn analysed(sql: &str, parameters: &[Oid], table: Oid) -> Option<Self> {
        let sql = ServerText::of(sql);
        let (sql, count) = (sql.as_c_str(), i32::try_from(parameters.len()).ok()?);
        // SAFETY: raw_parser gives exactly one statement for one SELECT; the query tree lives in the current context.
        unsafe {
            let statements = pg_sys::raw_parser(sql.as_ptr(), pg_sys::RawParseMode::RAW_PARSE_DEFAULT);
            let raw = PgList::<pg_sys::RawStmt>::from_pg(statements).get_ptr(0)?;
            let (types, environment) = (parameters.as_ptr(), std::ptr::null_mut());
            let query = pg_sys::parse_analyze_fixedparams(raw, sql.as_ptr(), types, count, environment);
            Self::that_groups(query, table)
        }
    }

    /// # Safety
    /// An analysed query.
    unsafe fn that_groups(query: *mut pg_sys::Query, table: Oid) -> Option<Self> {
        // SAFETY: by contract.
        unsafe {
            if !groups_rows_of(query, table) {
                return None;
            }
            version::select_columns_themselves(query);
            Some(Body { query })
        }
    }

    fn target(&self, index: usize) -> Option<*mut pg_sys::Node> {
        // SAFETY: the query was read above.
        unsafe {
            let targets = PgList::<pg_sys::TargetEntry>::from_pg((*self.query).targetList);
            targets.get_ptr(index).map(|entry| (*entry).expr.cast())
        }
    }

    /// The type modifiers of what is selected.
    pub fn modifiers(&self) -> Vec<i32> {
        // SAFETY: the query was read above; junk columns come last.
        unsafe {
            let targets = PgList::<pg_sys::TargetEntry>::from_pg((*self.query).targetList);
            let selected = targets.iter_ptr().filter(|entry| !(**entry).resjunk);
            selected.map(|entry| pg_sys::exprTypmod((*entry).expr.cast())).collect()
        }
    }

    /// The number of the first column of the table that a selected expression is about.
    pub fn column_number(&self, index: usize) -> Option<i16> {
        // SAFETY: pull_var_clause gives Vars alone.
        unsafe {
            let vars = PgList::<pg_sys::Var>::from_pg(pg_sys::pull_var_clause(self.target(index)?, 0));
            vars.get_ptr(0).map(|var| (*var).varattno)
        }
    }

    /// A selected expression as SQL, with the columns' names of today and without its outermost cast.
    pub fn expression(&self, index: usize) -> Option<String> {
        let mut node = self.target(index)?;
        // SAFETY: the tag says what the node is.
        unsafe {
            let explicit = pg_sys::CoercionForm::COERCE_EXPLICIT_CAST;
            match (*node).type_ {
                pg_sys::NodeTag::T_FuncExpr => {
                    let call = node.cast::<pg_sys::FuncExpr>();
                    if (*call).funcformat == explicit {
                        node = PgList::<pg_sys::Node>::from_pg((*call).args).get_ptr(0)?;
                    }
                }
                pg_sys::NodeTag::T_RelabelType => node = (*node.cast::<pg_sys::RelabelType>()).arg.cast(),
                pg_sys::NodeTag::T_CoerceViaIO => node = (*node.cast::<pg_sys::CoerceViaIO>()).arg.cast(),
                _ => {}
            }
        }
        Some(self.deparse(node))
    }

    /// The conditions of the WHERE clause but for the last ones, as SQL; None when there are no others.
    pub fn conditions_before(&self, last: usize) -> Option<String> {
        // SAFETY: conditions that are joined by AND are a BoolExpr with a list of them, whatever parentheses were there.
        let conditions = unsafe {
            let quals = (*(*self.query).jointree).quals;
            if quals.is_null() || (*quals).type_ != pg_sys::NodeTag::T_BoolExpr {
                return None;
            }
            let and = quals.cast::<pg_sys::BoolExpr>();
            if (*and).boolop != pg_sys::BoolExprType::AND_EXPR {
                return None;
            }
            PgList::<pg_sys::Node>::from_pg((*and).args).iter_ptr().collect::<Vec<_>>()
        };
        let ours = &conditions[..conditions.len().saturating_sub(last)];
        let texts: Vec<String> = ours.iter().map(|condition| self.deparse(*condition)).collect();
        // Deparsed, a condition of more than a name has its parentheses.
        (!texts.is_empty()).then(|| texts.join(" AND "))
    }

    fn deparse(&self, expression: *mut pg_sys::Node) -> String {
        // SAFETY: the query was read above, and selects from one table.
        unsafe { deparse(self.query, expression) }
    }
}

/// Whether a query does nothing but group the rows of a table.
///
/// # Safety
/// An analysed query.
unsafe fn groups_rows_of(query: *mut pg_sys::Query, table: Oid) -> bool {
    // SAFETY: by contract.
    unsafe {
        let tables = PgList::<pg_sys::RangeTblEntry>::from_pg((*query).rtable);
        let from = PgList::<pg_sys::Node>::from_pg((*(*query).jointree).fromlist);
        let is_table = |entry: *mut pg_sys::RangeTblEntry| {
            (*entry).rtekind == pg_sys::RTEKind::RTE_RELATION && (*entry).relid == table
        };
        (*query).commandType == pg_sys::CmdType::CMD_SELECT
            && tables.len() == 1 + version::entries_for_groups(query)
            && from.len() == 1
            && tables.get_ptr(0).is_some_and(is_table)
            && (*query).hasAggs
            && !(*query).groupClause.is_null()
            && !(*query).hasSubLinks
            && !(*query).hasWindowFuncs
            && !(*query).hasTargetSRFs
            && (*query).groupingSets.is_null()
            && (*query).havingQual.is_null()
            && (*query).distinctClause.is_null()
            && (*query).limitCount.is_null()
            && (*query).limitOffset.is_null()
    }
}

/// An expression of a query over one table as SQL.
///
/// # Safety
/// An analysed query, whose table exists.
pub unsafe fn deparse(query: *mut pg_sys::Query, expression: *mut pg_sys::Node) -> String {
    // SAFETY: by contract.
    unsafe {
        let tables = PgList::<pg_sys::RangeTblEntry>::from_pg((*query).rtable);
        let Some(table) = tables.get_ptr(0) else { return String::new() };
        let name = pg_sys::get_rel_name((*table).relid);
        let context = pg_sys::deparse_context_for(name, (*table).relid);
        let text = pg_sys::deparse_expression(expression, context, false, false);
        from_c(text)
    }
}
