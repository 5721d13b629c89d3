//! What the documents show is what happens: their sql blocks are run, in order, in a new database for each document.
//!
//! psql reads each block on stdin, in the top folder of the checkout. The text block right behind it is what psql
//! prints, errors and notices in their place. A sql block that is not to be run has `<!-- not run -->` in the line
//! before it.

use pg_cumulate_tests::{Cluster, Database, Server};
use std::fs;
use std::io::{Read, Write};
use std::ops::Range;
use std::path::Path;
use std::process::{Command, Stdio};

/// The folders whose documents are run, below the top of the checkout.
const FOLDERS: [&str; 3] = ["", "docs/", "examples/"];

const NOT_RUN: &str = "<!-- not run -->";

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
    scheduler: "docs/scheduler.md",
    tables: "docs/tables.md"
}

#[test]
fn every_document_with_sql_is_run() {
    let has_sql = |path: &String| read(path).lines().any(|line| line.trim_start().starts_with("```sql"));
    let mut found: Vec<String> = FOLDERS.into_iter().flat_map(documents_in).filter(has_sql).collect();
    let mut run = DOCUMENTS.to_vec();
    found.sort();
    run.sort();
    assert_eq!(found, run, "documents that have sql, and those in documents! above");
}

#[test]
fn a_sql_block_needs_its_output_or_the_mark() {
    let output = "```sql\nSELECT 1;\n```\n```text\n1\n```\n";
    assert_eq!(blocks(output).unwrap(), [Block { sql: "SELECT 1;\n", output: 29..31 }]);
    assert_eq!(blocks(&format!("{NOT_RUN}\n{output}")).unwrap(), []);
    assert_eq!(blocks("```sh\nmake\n```\n").unwrap(), []);
    for bad in ["```sql\n;\n```\n\n```text\n```\n", "```sql\n;\n```\n```sh\n```\n", "```sql\n;\n"] {
        assert!(blocks(bad).is_err(), "{bad}");
    }
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

/// A sql block, and where its output lies in the document.
#[derive(Debug, PartialEq)]
struct Block<'d> {
    sql: &'d str,
    output: Range<usize>,
}

/// The sql blocks that are to be run.
fn blocks(document: &str) -> Result<Vec<Block<'_>>, String> {
    let fences = fences(document)?;
    let mut blocks = Vec::new();
    for (index, fence) in fences.iter().enumerate() {
        if fence.language != "sql" || fence.above == NOT_RUN {
            continue;
        }
        let output =
            fences.get(index + 1).filter(|next| next.language == "text" && next.lines.start == fence.lines.end);
        let Some(output) = output else {
            return Err(format!("the sql block of line {} has no text block right behind it", fence.lines.start));
        };
        blocks.push(Block { sql: &document[fence.body.clone()], output: output.body.clone() });
    }
    Ok(blocks)
}

/// Lines between ``` and ```.
struct Fence<'d> {
    language: &'d str,
    above: &'d str,
    /// Numbers of its lines, with the fences, and where its body lies.
    lines: Range<usize>,
    body: Range<usize>,
}

fn fences(document: &str) -> Result<Vec<Fence<'_>>, String> {
    let mut fences: Vec<Fence> = Vec::new();
    let (mut open, mut above, mut offset) = (None, "", 0);
    for (index, line) in document.split_inclusive('\n').enumerate() {
        let (number, end) = (index + 1, offset + line.len());
        let text = line.trim_end();
        open = match (open, text.trim_start().strip_prefix("```")) {
            (None, Some(language)) => Some(Fence { language, above, lines: number..0, body: end..0 }),
            (Some(fence), Some(_)) => {
                fences.push(Fence { lines: fence.lines.start..number + 1, body: fence.body.start..offset, ..fence });
                None
            }
            (open, None) => open,
        };
        (above, offset) = (text, end);
    }
    match open {
        Some(fence) => Err(format!("the block of line {} does not end", fence.lines.start)),
        None => Ok(fences),
    }
}
