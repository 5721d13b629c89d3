//! The functions and procedures of the public surface, as the catalog has them at run time.

use crate::world::MAIN;
use pg_cumulate_tests::Ask;
use postgres::Client;

#[derive(Debug, Clone)]
pub struct Function {
    /// cumulate or cumulate_internal; that of the sales pipeline; or that of the tables.
    pub schema: String,
    pub name: String,
    pub is_procedure: bool,
    pub arguments: Vec<Argument>,
}

#[derive(Debug, Clone)]
pub struct Argument {
    pub name: String,
    pub type_name: String,
    pub has_default: bool,
}

impl Function {
    /// How the table names it: overloads apart, the schemas of worlds as one.
    pub fn label(&self) -> String {
        let types: Vec<&str> = self.arguments.iter().map(|argument| argument.type_name.as_str()).collect();
        let short = |name: &str| name.replace("double precision", "double");
        match self.name.as_str() {
            "shift" | "total" => format!("{}({})", self.name, short(types[0])),
            _ if self.schema.starts_with("cumulate") => self.name.clone(),
            _ => format!("{}.{}", self.schema, self.name),
        }
    }

    /// What takes no time: these calls fill the campaign up.
    pub fn is_cheap(&self) -> bool {
        ["shift", "total", "shift_array", "next_runs", "definition", "scheduler_problem"].contains(&self.name.as_str())
    }
}

/// What PUBLIC may call of schemas cumulate and cumulate_internal, and of a sales pipeline; and the aggregate function
/// of a cumulative table.
pub fn functions(client: &mut Client) -> Vec<Function> {
    let rows = client.lines(&format!(
        "SELECT n.nspname, p.proname, p.prokind = 'p', p.pronargs - p.pronargdefaults,
                (SELECT string_agg(coalesce(p.proargnames[a.number], '') || ':' || format_type(a.type, NULL), ';' ORDER BY a.number)
                   FROM unnest(p.proargtypes) WITH ORDINALITY AS a (type, number))
           FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
          WHERE n.nspname IN ('cumulate', 'cumulate_internal', 'sales') AND has_function_privilege('public', p.oid, 'EXECUTE') OR p.oid = '{MAIN}.counts_rows(date, date, regclass)'::regprocedure
          ORDER BY n.nspname, p.oid::regprocedure::text COLLATE \"C\""
    ));
    rows.iter().map(|row| function(row)).collect()
}

fn function(row: &str) -> Function {
    let columns: Vec<&str> = row.split('|').collect();
    let required: usize = columns[3].parse().expect("a number of arguments");
    let arguments = columns[4].split(';').filter(|argument| !argument.is_empty()).enumerate();
    let argument = |(index, text): (usize, &str)| {
        let (name, type_name) = text.split_once(':').expect("a name and a type");
        Argument { name: name.to_owned(), type_name: type_name.to_owned(), has_default: index >= required }
    };
    let schema = if columns[0] == MAIN { "tables" } else { columns[0] };
    Function {
        schema: schema.to_owned(),
        name: columns[1].to_owned(),
        is_procedure: columns[2] == "t",
        arguments: arguments.map(argument).collect(),
    }
}
