//! docs/reference.md beside the catalog: it has all that there is, as it is, and nothing else.

use super::fences::fences;
use super::{all_documents, read};
use pg_cumulate_tests::{Ask, Cluster, literal};
use postgres::Client;
use std::collections::BTreeSet;

const REFERENCE: &str = "docs/reference.md";

#[test]
fn the_reference_has_every_function_with_its_arguments_and_result() {
    with_extension(|client| {
        let reference = read(REFERENCE);
        let documented: BTreeSet<String> = sections(&reference).iter().flat_map(Section::synopses).collect();
        let catalog = functions(client);
        let synopses: BTreeSet<String> = catalog.iter().map(|function| function.synopsis.clone()).collect();
        assert_same("functions", &synopses, &documented);
        for section in sections(&reference).iter().filter(|section| !section.synopses().is_empty()) {
            let named: Vec<&Function> = catalog.iter().filter(|function| function.name == section.title).collect();
            assert_eq!(section.synopses().len(), named.len(), "synopses of {}", section.title);
            section.check_names("argument", &named[0].arguments);
            section.check_names("result", &named[0].results);
        }
    });
}

#[test]
fn the_reference_has_every_view_with_its_columns() {
    with_extension(|client| {
        let reference = read(REFERENCE);
        let views = client.lines(
            "SELECT format('%s: %s', c.relname, string_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod), ', '
                                                           ORDER BY a.attnum))
             FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
             WHERE c.relnamespace = 'cumulate'::regnamespace AND c.relkind = 'v' GROUP BY c.oid",
        );
        let sections = sections(&reference);
        let documented = sections.iter().filter_map(|section| {
            let columns: Vec<String> =
                section.table("column")?.iter().map(|row| format!("{} {}", row[0], row[1])).collect();
            Some(format!("{}: {}", section.title, columns.join(", ")))
        });
        assert_same("views", &views.into_iter().collect(), &documented.collect());
    });
}

#[test]
fn the_reference_has_every_setting_with_its_default_and_unit() {
    with_extension(|client| {
        let reference = read(REFERENCE);
        let sections = sections(&reference);
        let rows = sections.iter().find_map(|section| section.table("setting")).unwrap();
        let names: BTreeSet<String> = rows.iter().map(|row| row[0].trim_matches('`').to_owned()).collect();
        let settings = client.lines("SELECT name FROM pg_settings WHERE name LIKE 'cumulate.%'");
        assert_same("settings", &settings.into_iter().collect(), &names);
        for row in rows {
            let (name, default, unit, set_by) = (row[0].trim_matches('`'), row[1], row[2], row[3]);
            // 30s in the document is 30000 ms in the catalog, and 1GB is 1024 MB.
            let same_default = match unit {
                "" => format!("boot_val = {}", literal(default)),
                "MB" => format!("pg_size_bytes(boot_val || unit) = pg_size_bytes({})", literal(default)),
                _ => format!("(boot_val || unit)::interval = {}::interval", literal(default)),
            };
            let agrees: bool = client.value(&format!(
                "SELECT {same_default} AND coalesce(unit, '') = {} AND {} =
                        CASE context WHEN 'user' THEN 'anybody' WHEN 'superuser' THEN 'superuser' WHEN 'sighup' THEN 'server' END
                 FROM pg_settings WHERE name = {}",
                literal(unit),
                literal(set_by),
                literal(name)
            ));
            assert!(agrees, "{name}: default {default}, unit {unit:?}, set by {set_by}");
        }
    });
}

#[test]
fn documents_name_only_objects_that_exist() {
    with_extension(|client| {
        let known = client.lines(
            "SELECT proname FROM pg_proc WHERE pronamespace = 'cumulate'::regnamespace
             UNION SELECT relname FROM pg_class WHERE relnamespace = 'cumulate'::regnamespace
             UNION SELECT split_part(name, '.', 2) FROM pg_settings WHERE name LIKE 'cumulate.%'",
        );
        let unknown = |path: &String| {
            let names = names_behind("cumulate.", &read(path));
            let unknown = names.into_iter().filter(|name| !known.contains(name));
            unknown.map(|name| format!("{path}: cumulate.{name}")).collect::<Vec<String>>()
        };
        let unknown: Vec<String> = all_documents().iter().flat_map(unknown).collect();
        assert!(unknown.is_empty(), "documents name what does not exist:\n{}", unknown.join("\n"));
    });
}

#[test]
fn names_are_found_in_text() {
    let text = "`cumulate.days`, pg_cumulate.control, cumulate.* and SELECT cumulate.plan('t')";
    assert_eq!(names_behind("cumulate.", text).into_iter().collect::<Vec<_>>(), ["days", "plan"]);
}

fn with_extension(check: impl FnOnce(&mut Client)) {
    let cluster = Cluster::builder().start();
    let database = cluster.database_with_extension();
    check(&mut database.connect());
}

fn assert_same(what: &str, catalog: &BTreeSet<String>, documented: &BTreeSet<String>) {
    let missing: Vec<&String> = catalog.difference(documented).collect();
    let unknown: Vec<&String> = documented.difference(catalog).collect();
    assert!(
        missing.is_empty() && unknown.is_empty(),
        "{what} that {REFERENCE} lacks: {missing:#?}\nand that do not exist: {unknown:#?}"
    );
}

/// A function or procedure as the catalog has it.
struct Function {
    /// With its schema, unless that is cumulate.
    name: String,
    arguments: Vec<String>,
    results: Vec<String>,
    synopsis: String,
}

fn functions(client: &mut Client) -> Vec<Function> {
    let rows = client.lines(
        "SELECT CASE n.nspname WHEN 'cumulate' THEN '' ELSE n.nspname || '.' END || p.proname,
                array_to_string(p.proargnames[:p.pronargs], ','), array_to_string(p.proargnames[p.pronargs + 1:], ','),
                format('%s.%s(%s)%s', n.nspname, p.proname,
                    (SELECT string_agg(concat_ws(' ', p.proargnames[a.number], format_type(a.type, NULL),
                         'DEFAULT ' || regexp_replace(pg_get_function_arg_default(p.oid, a.number::integer),
                                                      '::[a-z ]+(\\[\\])?$', '')), ', ' ORDER BY a.number)
                     FROM unnest(p.proargtypes) WITH ORDINALITY AS a (type, number)),
                    ' returns ' || coalesce(
                        (SELECT 'table (' || string_agg(p.proargnames[a.number] || ' ' || format_type(a.type, NULL), ', '
                                                        ORDER BY a.number) || ')'
                         FROM unnest(p.proallargtypes, p.proargmodes) WITH ORDINALITY AS a (type, mode, number)
                         WHERE a.mode IN ('o', 't')),
                        replace(pg_get_function_result(p.oid), 'SETOF', 'setof')))
         FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
         WHERE n.nspname IN ('cumulate', 'sales')",
    );
    rows.iter().map(|row| Function::of(row)).collect()
}

impl Function {
    fn of(row: &str) -> Self {
        let parts: Vec<&str> = row.splitn(4, '|').collect();
        let names = |list: &str| list.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        Function {
            name: parts[0].to_owned(),
            arguments: names(parts[1]),
            results: names(parts[2]),
            synopsis: parts[3].to_owned(),
        }
    }
}

/// A heading and what stands below it, up to the next one.
struct Section<'d> {
    title: &'d str,
    body: &'d str,
}

fn sections(document: &str) -> Vec<Section<'_>> {
    let parts = document.split("\n#").skip(1);
    parts
        .map(|part| {
            let (title, body) = part.split_once('\n').unwrap_or((part, ""));
            Section { title: title.trim_start_matches('#').trim(), body }
        })
        .collect()
}

impl<'d> Section<'d> {
    /// What its synopsis blocks say, each function in one line.
    fn synopses(&self) -> Vec<String> {
        let fences = fences(self.body).unwrap_or_else(|reason| panic!("{REFERENCE}, {}: {reason}", self.title));
        let mut found: Vec<String> = Vec::new();
        for fence in fences.iter().filter(|fence| fence.language == "synopsis") {
            for line in self.body[fence.body.clone()].lines() {
                match found.last_mut() {
                    Some(last) if line.starts_with([' ', ')']) => last.push_str(&format!(" {}", line.trim())),
                    _ => found.push(line.trim().to_owned()),
                }
            }
        }
        found.into_iter().map(|synopsis| synopsis.replace("( ", "(").replace(" )", ")")).collect()
    }

    /// The rows of the table whose first heading this is, cell by cell.
    fn table(&self, first_heading: &str) -> Option<Vec<Vec<&'d str>>> {
        let mut lines = self.body.lines().skip_while(|line| !line.starts_with(&format!("| {first_heading} |")));
        lines.next()?;
        let rows = lines.skip(1).take_while(|line| line.starts_with('|'));
        Some(rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect()).collect())
    }

    /// A table of arguments or results names all of them in their order; the target, which means the same
    /// everywhere, may be left out.
    fn check_names(&self, first_heading: &str, expected: &[String]) {
        let Some(rows) = self.table(first_heading) else { return };
        let named: Vec<&str> = rows.iter().map(|row| row[0]).collect();
        let optional = expected.first().is_some_and(|name| name == "target") && named.first() != Some(&"target");
        let expected: Vec<&str> = expected.iter().skip(usize::from(optional)).map(String::as_str).collect();
        assert_eq!(named, expected, "table of {first_heading}s of {}", self.title);
    }
}

/// The names that stand right behind a prefix which is no part of another name.
fn names_behind(prefix: &str, text: &str) -> BTreeSet<String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let places = text.match_indices(prefix).filter(|(at, _)| !text[..*at].ends_with(is_name));
    let names = places.map(|(at, _)| text[at + prefix.len()..].split(|c| !is_name(c)).next().unwrap_or_default());
    names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
}
