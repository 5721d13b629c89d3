//! The parts of a cumulative table. All belong to the table's owner, and the function that aggregates the source is as
//! it was made: what others could change would run with the owner's rights.

use super::definition::{NUM_EVENTS, SNAPSHOT_DATE, daily_column};
use super::{Definition, Key};
use crate::error::{Error, Failure};
use crate::pg::body::Body;
use crate::pg::identity::as_extension;
use crate::pg::spi::Statement;
use crate::pg::table::{self, Table, ident, literal};
use crate::rules::metrics::MetricForm;
use pgrx::pg_sys::{self, Oid};

/// What is wrong with a part, and the statement that mends it.
#[derive(Clone, Debug)]
pub struct Defect {
    pub reason: String,
    pub remedy: String,
}

/// The arguments of an aggregate function: a range of days, and the table that it is for. The default of the last is
/// what ties the function to its table through renames, moves and dumps.
pub const ARGUMENTS: &str = "(date, date, regclass)";

/// The function that aggregates a source.
#[derive(Clone, Debug)]
pub struct Aggregate {
    pub oid: Oid,
    /// As SQL writes it.
    pub name: String,
    /// The type modifiers of what it selects.
    pub modifiers: Vec<i32>,
}

/// Why a table has no function that could be called.
#[derive(Clone, Debug)]
pub enum Lack {
    Gone,
    Unfit(Defect),
}

/// What a table's aggregate function must be like.
pub struct Wanted<'a> {
    pub target: &'a Table,
    pub source: Oid,
    pub daily: &'a Table,
    pub keys: &'a [Key],
    pub forms: &'a [MetricForm],
}

/// A function that could be meant.
struct Candidate {
    aggregate: Aggregate,
    owner: Oid,
    /// Marked as going with the extension, which replacing a function undoes.
    marked: bool,
    /// Of the form, and with the columns, that create_table gives it.
    fits: bool,
}

impl Wanted<'_> {
    /// The table's aggregate function.
    pub fn find(&self) -> Result<Aggregate, Lack> {
        let candidates = self.candidates();
        let (own, others): (Vec<_>, Vec<_>) =
            candidates.into_iter().partition(|candidate| candidate.owner == self.target.owner);
        let mut fitting = own.iter().filter(|candidate| candidate.fits && candidate.marked);
        match (fitting.next(), fitting.next()) {
            (Some(only), None) => Ok(only.aggregate.clone()),
            (Some(one), Some(other)) => Err(Lack::Unfit(several(&one.aggregate, &other.aggregate))),
            (None, _) => Err(self.lack(&own, &others)),
        }
    }

    fn lack(&self, own: &[Candidate], others: &[Candidate]) -> Lack {
        let given_away = others.iter().find(|candidate| candidate.fits && candidate.marked);
        let replaced = own.iter().find(|candidate| candidate.fits).or(own.first());
        match (replaced, given_away) {
            (Some(replaced), _) => Lack::Unfit(self.replaced(replaced)),
            (None, Some(function)) => Lack::Unfit(Defect {
                reason: strange("aggregate function", &function.aggregate.name, function.owner, self.target),
                remedy: format!(
                    "ALTER FUNCTION {}{ARGUMENTS} OWNER TO {};",
                    function.aggregate.name,
                    ident(&table::role_name(self.target.owner))
                ),
            }),
            (None, None) => Lack::Gone,
        }
    }

    /// What fits may be taken for the function again when the days have been aggregated with it.
    fn replaced(&self, function: &Candidate) -> Defect {
        let name = &function.aggregate.name;
        Defect {
            reason: format!("its aggregate function {name} is not the one that was made for it"),
            remedy: if function.fits {
                let restate = restate_all(self.target);
                format!("ALTER FUNCTION {name}{ARGUMENTS} DEPENDS ON EXTENSION pg_cumulate; {restate}")
            } else {
                format!("SELECT cumulate.drop_table({}, keep_data => true);", literal(&self.target.sql()))
            },
        }
    }

    fn candidates(&self) -> Vec<Candidate> {
        functions_of(self.target.oid)
            .into_iter()
            .map(|(mut aggregate, owner, marked)| {
                let body = Body::of(aggregate.oid, self.source);
                aggregate.modifiers = body.as_ref().map(Body::modifiers).unwrap_or_default();
                let fits = body.is_some() && self.has_columns(aggregate.oid);
                Candidate { aggregate, owner, marked, fits }
            })
            .collect()
    }

    /// Rows are read past the executor's types: each column must have the one of the daily table.
    fn has_columns(&self, function: Oid) -> bool {
        let daily = self.daily.columns();
        let of_daily = |name: &str| daily.iter().find(|column| column.name == name).map(|column| column.type_oid);
        let mut expected = vec![(SNAPSHOT_DATE.to_owned(), Some(pg_sys::DATEOID))];
        expected.extend(self.keys.iter().map(|key| (key.name.clone(), Some(key.layout.oid))));
        expected.push((NUM_EVENTS.to_owned(), Some(pg_sys::INT8OID)));
        expected.extend(self.forms.iter().map(daily_column).map(|name| (name.clone(), of_daily(&name))));
        let found = Statement::new(
            "SELECT c.name, c.type FROM pg_catalog.pg_proc p
             CROSS JOIN LATERAL ROWS FROM (pg_catalog.unnest(p.proargnames), pg_catalog.unnest(p.proallargtypes),
                                           pg_catalog.unnest(p.proargmodes)) WITH ORDINALITY AS c (name, type, mode, number)
             WHERE p.oid = $1 AND c.mode = 't' ORDER BY c.number",
        )
        .bind(function)
        .map(|row| (row.get::<String>(0).unwrap_or_default(), row.get::<Oid>(1)));
        found == expected
    }
}

/// Functions with the arguments of an aggregate function that are tied to a table, each with its owner, and whether it
/// is marked as going with the extension.
fn functions_of(target: Oid) -> Vec<(Aggregate, Oid, bool)> {
    Statement::new(
        "SELECT DISTINCT p.oid, pg_catalog.format('%I.%I', n.nspname, p.proname), p.proowner,
                EXISTS (SELECT FROM pg_catalog.pg_depend x
                        JOIN pg_catalog.pg_extension e ON e.oid = x.refobjid AND e.extname = 'pg_cumulate'
                        WHERE x.classid = d.classid AND x.objid = p.oid AND x.deptype = 'x'
                          AND x.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass)
         FROM pg_catalog.pg_depend d
         JOIN pg_catalog.pg_proc p ON p.oid = d.objid AND p.prokind = 'f'
             AND p.proargtypes = '1082 1082 2205'::pg_catalog.oidvector
         JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
         WHERE d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = $1
           AND d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.deptype = 'n'
         ORDER BY p.oid",
    )
    .bind(target)
    .map(|row| {
        let (oid, name) = (row.get(0).unwrap_or(Oid::INVALID), row.get(1).unwrap_or_default());
        let aggregate = Aggregate { oid, name, modifiers: Vec::new() };
        (aggregate, row.get(2).unwrap_or(Oid::INVALID), row.get(3).unwrap_or_default())
    })
}

/// The call that aggregates all days of a table again.
pub fn restate_all(target: &Table) -> String {
    let target = literal(&target.sql());
    format!(
        "SELECT cumulate.restate({target}, pg_catalog.min(day), pg_catalog.max(day)) FROM cumulate.days \
         WHERE target = {target}::pg_catalog.regclass AND state <> 'frozen';"
    )
}

/// The functions of a table's owner that are tied to it, whatever has become of them; not those of tables over it.
pub fn own_functions(target: &Table) -> Vec<Aggregate> {
    let own = functions_of(target.oid).into_iter().filter(|(_, owner, _)| *owner == target.owner);
    own.map(|(aggregate, ..)| aggregate).filter(|aggregate| !is_in_use(aggregate.oid, Some(target.oid))).collect()
}

/// Whether a function is tied to a cumulative table other than `but` and over its source.
pub fn is_in_use(function: Oid, but: Option<Oid>) -> bool {
    as_extension(|| {
        let tied = |column: &str| {
            format!(
                "EXISTS (SELECT FROM pg_catalog.pg_depend d
                         WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = $1 AND d.deptype = 'n'
                           AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = f.{column})"
            )
        };
        Statement::new(&format!(
            "SELECT FROM cumulate.definition f WHERE f.target IS DISTINCT FROM $2 AND {} AND {}",
            tied("target"),
            tied("source")
        ))
        .bind(function)
        .bind(but)
        .exists()
    })
}

/// Whether a function was made by us for a table of this role that is not defined any more.
pub fn is_left_over(function: Oid, owner: Oid) -> bool {
    let marked = Statement::new(
        "SELECT FROM pg_catalog.pg_depend x
         JOIN pg_catalog.pg_extension e ON e.oid = x.refobjid AND e.extname = 'pg_cumulate'
         JOIN pg_catalog.pg_proc p ON p.oid = x.objid AND p.proowner = $2
         WHERE x.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND x.objid = $1 AND x.deptype = 'x'",
    );
    marked.bind(function).bind(owner).exists() && !is_in_use(function, None)
}

/// A table with its partitions, and tables that inherit from it, as far as they belong to another role than `owner`.
pub fn strange_tables(root: Oid, owner: Oid) -> Vec<Table> {
    let strange = Statement::new(
        "WITH RECURSIVE part AS (
             SELECT $1 AS oid
             UNION SELECT i.inhrelid FROM part p JOIN pg_catalog.pg_inherits i ON i.inhparent = p.oid)
         SELECT p.oid FROM part p JOIN pg_catalog.pg_class c ON c.oid = p.oid WHERE c.relowner <> $2 ORDER BY p.oid",
    )
    .bind(root)
    .bind(owner)
    .map(|row| row.get::<Oid>(0));
    strange.into_iter().flatten().filter_map(Table::find).collect()
}

/// What of a table's daily table and partitions belongs to somebody else.
pub fn given_away(definition: &Definition) -> Vec<Defect> {
    let owner = definition.target.owner;
    let of = |root: &Table, part: &'static str| {
        strange_tables(root.oid, owner).into_iter().map(move |table| {
            let part = if table.oid == definition.daily.oid { "daily table" } else { part };
            Defect {
                reason: strange(part, &table.sql(), table.owner, &definition.target),
                remedy: format!("ALTER TABLE {} OWNER TO {};", table.sql(), ident(&table::role_name(owner))),
            }
        })
    };
    of(&definition.daily, "part").chain(of(&definition.target, "partition")).collect()
}

fn strange(part: &str, name: &str, owner: Oid, target: &Table) -> String {
    let (theirs, ours) = (table::role_name(owner), table::role_name(target.owner));
    format!("its {part} {name} belongs to role \"{theirs}\", and the table to role \"{ours}\"")
}

fn several(one: &Aggregate, other: &Aggregate) -> Defect {
    Defect {
        reason: format!("{} and {} both look like its aggregate function", one.name, other.name),
        remedy: format!("DROP FUNCTION {}{ARGUMENTS};", other.name),
    }
}

impl From<Error> for Defect {
    fn from(error: Error) -> Self {
        let unfit = match &error {
            Error::DoesNotFit { table, reason } => Some(format!("{table} does not fit the definition: {reason}")),
            _ => None,
        };
        let Failure { message, hint, .. } = error.report().into();
        Defect { reason: unfit.or(message).unwrap_or_default(), remedy: hint.unwrap_or_default() }
    }
}
