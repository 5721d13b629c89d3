//! Expressions that users write, parsed alone and analysed against their source before they are used in SQL.

use super::border::attempt;
use super::encoding::ServerText;
use super::settings::with_search_path;
use super::table::Table;
use crate::error::Error;
use pgrx::PgList;
use pgrx::pg_sys::{self, Oid};

/// What the analysis of an expression says.
pub struct Analysis {
    pub type_oid: Oid,
    pub modifier: i32,
    pub aggregates: bool,
}

/// Analyses `expression` as the only column of `SELECT (expression) rest`; `what` names it in errors.
pub fn analyse(what: &str, expression: &str, rest: &str) -> Result<Analysis, Error> {
    named(what, || {
        parse_alone(what, expression)?;
        let sql = ServerText::of(&format!("SELECT (\n{expression}\n) {rest}"));
        let sql = sql.as_c_str();
        // SAFETY: raw_parser gives exactly one statement for one SELECT; the query tree lives in the current context.
        unsafe {
            let statements = pg_sys::raw_parser(sql.as_ptr(), pg_sys::RawParseMode::RAW_PARSE_DEFAULT);
            let raw = PgList::<pg_sys::RawStmt>::from_pg(statements).get_ptr(0).unwrap_or(std::ptr::null_mut());
            let query = pg_sys::parse_analyze_fixedparams(raw, sql.as_ptr(), std::ptr::null(), 0, std::ptr::null_mut());
            judge(what, expression, &*query)
        }
    })
}

/// An expression that has been analysed, as SQL that means the same by the search_path of now, whatever that is.
pub fn qualified(expression: &str, source: &Table, search_path: &str) -> String {
    let sql = ServerText::of(&format!("SELECT (\n{expression}\n) FROM {}", source.sql()));
    let sql = sql.as_c_str();
    // SAFETY: as above; the expression is the query's only column.
    unsafe {
        let query = with_search_path(search_path, || {
            let statements = pg_sys::raw_parser(sql.as_ptr(), pg_sys::RawParseMode::RAW_PARSE_DEFAULT);
            let raw = PgList::<pg_sys::RawStmt>::from_pg(statements).get_ptr(0).unwrap_or(std::ptr::null_mut());
            pg_sys::parse_analyze_fixedparams(raw, sql.as_ptr(), std::ptr::null(), 0, std::ptr::null_mut())
        });
        let targets = PgList::<pg_sys::TargetEntry>::from_pg((*query).targetList);
        targets.get_ptr(0).map_or(String::new(), |entry| super::body::deparse(query, (*entry).expr.cast()))
    }
}

/// # Safety
/// A query with one target column.
unsafe fn judge(what: &str, expression: &str, query: &pg_sys::Query) -> Result<Analysis, Error> {
    // SAFETY: by contract.
    unsafe {
        let targets = PgList::<pg_sys::TargetEntry>::from_pg(query.targetList);
        let target = targets.get_ptr(0).map_or(std::ptr::null_mut(), |entry| (*entry).expr.cast::<pg_sys::Node>());
        let refuse = |reason: &str| {
            Err(Error::NotOneExpression {
                what: what.to_owned(),
                expression: expression.to_owned(),
                reason: reason.to_owned(),
            })
        };
        if query.hasSubLinks {
            return refuse("it has a subquery");
        }
        if query.hasWindowFuncs {
            return refuse("it has a window function");
        }
        if query.hasTargetSRFs {
            return Err(Error::SetReturning { what: what.to_owned(), expression: expression.to_owned() });
        }
        if pg_sys::contain_mutable_functions(target) {
            return Err(Error::MutableExpression { what: what.to_owned(), expression: expression.to_owned() });
        }
        Ok(Analysis {
            type_oid: pg_sys::exprType(target),
            modifier: pg_sys::exprTypmod(target),
            aggregates: query.hasAggs,
        })
    }
}

/// Refuses text that is more than one expression: what closes a parenthesis and goes on, a second column, clauses.
fn parse_alone(what: &str, expression: &str) -> Result<(), Error> {
    if expression.contains('\0') {
        return Err(Error::NotOneExpression {
            what: what.to_owned(),
            expression: expression.replace('\0', "?"),
            reason: "it has a zero byte".to_owned(),
        });
    }
    let sql = ServerText::of(&format!("SELECT {expression}"));
    // SAFETY: the parse tree is only read.
    let alone = unsafe {
        let list = pg_sys::raw_parser(sql.as_c_str().as_ptr(), pg_sys::RawParseMode::RAW_PARSE_DEFAULT);
        let statements = PgList::<pg_sys::RawStmt>::from_pg(list);
        statements.len() == 1 && statements.get_ptr(0).is_some_and(|raw| is_one_column((*raw).stmt))
    };
    if alone {
        return Ok(());
    }
    Err(Error::NotOneExpression {
        what: what.to_owned(),
        expression: expression.to_owned(),
        reason: "it is more than one expression, or none".to_owned(),
    })
}

/// # Safety
/// A raw parse tree node.
unsafe fn is_one_column(node: *mut pg_sys::Node) -> bool {
    // SAFETY: the tag says what the node is.
    unsafe {
        if (*node).type_ != pg_sys::NodeTag::T_SelectStmt {
            return false;
        }
        let select = &*node.cast::<pg_sys::SelectStmt>();
        let targets = PgList::<pg_sys::ResTarget>::from_pg(select.targetList);
        targets.len() == 1
            && targets.get_ptr(0).is_some_and(|target| (*target).name.is_null())
            && select.op == pg_sys::SetOperation::SETOP_NONE
            && select.intoClause.is_null()
            && select.whereClause.is_null()
            && select.havingClause.is_null()
            && select.limitOffset.is_null()
            && select.limitCount.is_null()
            && select.withClause.is_null()
            && [
                select.distinctClause,
                select.fromClause,
                select.groupClause,
                select.windowClause,
                select.valuesLists,
                select.sortClause,
                select.lockingClause,
            ]
            .iter()
            .all(|clause| clause.is_null())
    }
}

/// Runs `work`; an error of PostgreSQL comes back as ours, saying what it is about. The caller must end the
/// transaction with it, for nothing has been cleaned up.
pub fn named<T>(what: &str, work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    attempt(work).unwrap_or_else(|caught| Err(Error::About { what: what.to_owned(), cause: caught.report }))
}
