//! The aggregate function made anew, by the names and expressions of today, when a definition changes.

use super::aggregate::{Aggregate, KeyColumn, MetricColumn};
use super::blueprint::PlannedMetric;
use super::describe;
use crate::catalog::Definition;
use crate::catalog::definition::daily_column;
use crate::catalog::parts::ARGUMENTS;
use crate::catalog::source_names::{self, SourceNames};
use crate::pg::expression;
use crate::pg::spi::Statement;
use crate::pg::table::Table;
use pgrx::pg_sys::Oid;

/// The filter as it is.
pub fn filter(definition: &Definition) -> Option<String> {
    let body = definition.body();
    let names = SourceNames::of(definition, body.as_ref());
    source_names::filter(definition, body.as_ref(), names.time_type)
}

/// A metric that the function is to have, too.
pub fn metric(definition: &Definition, metric: PlannedMetric, search_path: &str) -> Option<MetricColumn> {
    let source = Table::find(definition.source)?;
    Some(MetricColumn {
        expression: expression::qualified(&metric.form.body.value, &source, search_path),
        name: daily_column(&metric.form),
        type_sql: metric.element,
    })
}

/// Makes the function with the metrics that it has, perhaps one more, and this filter. Expressions are written with the
/// schemas of all names.
pub fn aggregate(definition: &Definition, filter: Option<String>, more: Option<MetricColumn>) {
    let (Some(source), Ok(old)) = (Table::find(definition.source), &definition.aggregate) else { return };
    let body = definition.body();
    let names = SourceNames::of(definition, body.as_ref());
    let columns = definition.target.columns();
    let type_of = |name: &str| columns.iter().find(|column| column.name == name).map(|column| column.type_sql());
    let keys = definition.keys.iter().zip(&names.keys).map(|(key, source_name)| KeyColumn {
        source_name: source_name.clone(),
        name: key.name.clone(),
        type_sql: type_of(&key.name).unwrap_or_default(),
    });
    let known = describe::forms(definition, body.as_ref()).into_iter().map(|form| MetricColumn {
        name: daily_column(&form),
        type_sql: form.body.element.unwrap_or_default(),
        expression: form.body.value,
    });
    let aggregate = Aggregate {
        name: old.name.clone(),
        target: definition.target.sql(),
        source: &source,
        time_column: &names.time,
        time_type: names.time_type,
        time_zone: &definition.time_zone,
        filter,
        keys: keys.collect(),
        metrics: known.chain(more).collect(),
    };
    let grantees = grantees(old.oid);
    run(&format!("DROP FUNCTION {}{ARGUMENTS}", old.name));
    aggregate.make("pg_catalog, pg_temp");
    if let Some(grantees) = grantees {
        let function = format!("FUNCTION {}{ARGUMENTS}", old.name);
        run(&format!("REVOKE ALL ON {function} FROM PUBLIC"));
        grantees.iter().for_each(|role| run(&format!("GRANT EXECUTE ON {function} TO {role}")));
    }
}

/// Who may call a function, as SQL writes roles; None when nobody has granted or revoked anything.
fn grantees(function: Oid) -> Option<Vec<String>> {
    let roles = Statement::new(
        "SELECT coalesce(pg_catalog.quote_ident(r.rolname), 'PUBLIC') FROM pg_catalog.pg_proc p
         CROSS JOIN LATERAL pg_catalog.aclexplode(p.proacl) a
         LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.grantee
         WHERE p.oid = $1 AND a.privilege_type = 'EXECUTE'",
    )
    .bind(function)
    .map(|row| row.get(0).unwrap_or_default());
    (!roles.is_empty()).then_some(roles)
}

fn run(sql: &str) {
    Statement::new(sql).run();
}
