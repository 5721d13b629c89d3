//! What the documents show is what happens: their sql blocks are run, in order, in a new database for each document.
//!
//! psql reads each block on stdin, in the top folder of the checkout. The text block right behind it is what psql
//! prints, errors and notices in their place. A sql block that is not to be run has `<!-- not run -->` in the line
//! before it.

mod fences;
mod links;
mod reference;

use fences::blocks;
use pg_cumulate_tests::{Cluster, Database, Server};
use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

/// The folders whose documents are run, below the top of the checkout.
const FOLDERS: [&str; 3] = ["", "docs/", "examples/"];

/// A test for each document, and the list of them.
macro_rules! documents {
    ($($test:ident: $path:literal),*) => {
        const DOCUMENTS: &[&str] = &[$($path),*];
        $(
            #[test]
            fn $test() {
                check($path);
            }
        )*
    };
}

documents! {
    readme: "README.md",
    activity: "docs/activity.md",
    forecasts: "docs/forecasts.md",
    late_changes: "docs/late-changes.md",
    operations: "docs/operations.md",
    reference: "docs/reference.md",
    scheduler: "docs/scheduler.md",
    tables: "docs/tables.md",
    examples: "examples/README.md"
}

/// More than that nobody reads before they know what it is.
const LONGEST_README: usize = 250;

#[test]
fn the_readme_is_short() {
    let lines = read("README.md").lines().count();
    assert!(lines <= LONGEST_README, "README.md has {lines} lines");
}

#[test]
fn every_document_with_sql_is_run() {
    let has_sql = |path: &String| read(path).lines().any(|line| line.trim_start().starts_with("```sql"));
    let mut found: Vec<String> = all_documents().into_iter().filter(has_sql).collect();
    let mut run = DOCUMENTS.to_vec();
    found.sort();
    run.sort();
    assert_eq!(found, run, "documents that have sql, and those in documents! above");
}

#[test]
fn every_test_that_a_promise_names_is_there() {
    let promises = read("docs/reliability.md");
    let named = promises.split('`').skip(1).step_by(2).filter(|name| name.matches('_').count() >= 3);
    let named: Vec<&str> = named.filter(|name| name.chars().all(|c| c.is_ascii_lowercase() || c == '_')).collect();
    assert!(named.len() > 30, "{named:?}");
    let tests = sources_below(&top().join("pg_test/cluster"));
    let missing: Vec<&&str> = named.iter().filter(|name| !tests.contains(&format!("fn {name}()"))).collect();
    assert!(missing.is_empty(), "docs/reliability.md names tests that are not there: {missing:?}");
}

fn sources_below(folder: &Path) -> String {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { sources_below(&path) } else { fs::read_to_string(path).unwrap() }).collect()
}

fn all_documents() -> Vec<String> {
    FOLDERS.into_iter().flat_map(documents_in).collect()
}

fn documents_in(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(top().join(folder)).unwrap();
    let paths = entries.map(|entry| format!("{folder}{}", entry.unwrap().file_name().to_str().unwrap()));
    paths.filter(|path| path.ends_with(".md")).collect()
}

fn read(path: &str) -> String {
    fs::read_to_string(top().join(path)).unwrap()
}

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Runs a document, and holds it against what it would read with the output of this run.
fn check(path: &str) {
    let document = read(path);
    let blocks = blocks(&document).unwrap_or_else(|reason| panic!("{path}: {reason}"));
    let cluster = Cluster::builder().start();
    let database = cluster.database();
    let (mut rerun, mut copied) = (String::new(), 0);
    for block in blocks {
        rerun += &document[copied..block.output.start];
        rerun += &tidy(&psql(&database, block.sql));
        copied = block.output.end;
    }
    rerun += &document[copied..];
    if rerun != document {
        panic!("{}", differences(path, &rerun));
    }
}

/// What psql prints for a block.
fn psql(database: &Database, sql: &str) -> String {
    let cluster = database.cluster();
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut psql = Server::installed().client_program("psql");
    psql.current_dir(top()).env("LC_ALL", "C").args(["-X", "-U", "postgres", "-d", database.name()]);
    psql.arg("-h").arg(cluster.folder()).arg("-p").arg(cluster.port().to_string());
    psql.stdin(Stdio::piped()).stdout(writer.try_clone().unwrap()).stderr(writer);
    let mut child = psql.spawn().unwrap();
    // The command holds the pipe's other end.
    drop(psql);
    child.stdin.take().unwrap().write_all(sql.as_bytes()).unwrap();
    let mut printed = String::new();
    reader.read_to_string(&mut printed).unwrap();
    child.wait().unwrap();
    printed
}

/// Output as documents show it: no spaces at line ends, no empty lines around it.
fn tidy(printed: &str) -> String {
    let lines: Vec<&str> = printed.lines().map(str::trim_end).collect();
    let text = lines.join("\n");
    let text = text.trim_matches('\n');
    if text.is_empty() { String::new() } else { format!("{text}\n") }
}

/// Leaves the document of this run among the results, and says how it differs.
fn differences(path: &str, rerun: &str) -> String {
    let result = Path::new(env!("CARGO_TARGET_TMPDIR")).join("docs").join(path);
    fs::create_dir_all(result.parent().unwrap()).unwrap();
    fs::write(&result, rerun).unwrap();
    let mut diff = Command::new("diff");
    diff.args(["-u", "--label", path, "--label", "this run"]).arg(top().join(path)).arg(&result);
    let said = String::from_utf8(diff.output().unwrap().stdout).unwrap();
    format!("{path} is not what happens:\n{said}\nAs this run would have it: {}", result.display())
}
