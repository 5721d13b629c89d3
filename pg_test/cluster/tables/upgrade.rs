//! A newer library under older objects; and pg_upgrade, to the next server where there is one, else from the server to itself: what it carries over goes on.

use crate::dumps::{assert_goes_on, fill};
use pg_cumulate_tests::{Ask, Cluster, Server, StopMode};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// A version that the library was never released with.
const OLDER: &str = "0.0.9";

/// The install script of an older version without one of the functions, and the way from it to the newest; gone with the
/// test.
struct OlderScripts {
    folder: PathBuf,
}

impl OlderScripts {
    fn install(server: &Server) -> OlderScripts {
        let pg_config = server.bindir().join("pg_config");
        let sharedir = Command::new(pg_config).arg("--sharedir").output().expect("pg_config can be run").stdout;
        let folder = PathBuf::from(String::from_utf8(sharedir).expect("UTF-8").trim()).join("extension");
        let newest = fs::read_to_string(folder.join("pg_cumulate--0.1.0.sql")).expect("the extension is installed");
        let begin = newest.find("CREATE FUNCTION cumulate.plan(").expect("cumulate.plan is there");
        let end = begin + newest[begin..].find("END;\n").expect("its body ends") + "END;\n".len();
        let function = &newest[begin..end];
        let scripts = OlderScripts { folder };
        let without = newest.replace(function, "");
        let without: Vec<&str> =
            without.lines().filter(|line| !line.starts_with("COMMENT ON FUNCTION cumulate.plan IS")).collect();
        fs::write(scripts.older(), without.join("\n")).expect("a script can be installed");
        fs::write(scripts.update(), function).expect("a script can be installed");
        scripts
    }

    fn older(&self) -> PathBuf {
        self.folder.join(format!("pg_cumulate--{OLDER}.sql"))
    }

    fn update(&self) -> PathBuf {
        self.folder.join(format!("pg_cumulate--{OLDER}--0.1.0.sql"))
    }
}

impl Drop for OlderScripts {
    fn drop(&mut self) {
        let _ = (fs::remove_file(self.older()), fs::remove_file(self.update()));
    }
}

#[test]
fn a_newer_library_serves_the_older_objects_until_they_are_updated() {
    let cluster = Cluster::builder().start();
    let _scripts = OlderScripts::install(cluster.server());
    cluster.connect("postgres").run("CREATE DATABASE kept TEMPLATE template0");
    let mut client = cluster.connect("kept");
    client.run(&format!("CREATE EXTENSION pg_cumulate VERSION '{OLDER}'"));
    assert_eq!(client.refusal("SELECT * FROM cumulate.plan('sales.daily_cumulate')").sqlstate, "42883");
    client.run("SELECT sales.generate_events(3000, 40, '2024-12-01', '2025-01-20', seed => 4)");
    client.run("CALL sales.backfill('2024-12-01', '2025-01-15')");
    client.run("INSERT INTO sales.events (product_id, event_type, event_date) VALUES (41, 'sell', '2025-01-02')");
    let changed: i64 = client.value("SELECT cumulate.apply_late('sales.daily_cumulate')");
    assert_eq!(changed, 14, "a new product on 14 days");
    let rows = "SELECT count(*), md5(string_agg(t::text, ' ' ORDER BY t::text)) FROM sales.daily_cumulate AS t";
    let before = client.lines(rows);
    client.run("ALTER EXTENSION pg_cumulate UPDATE");
    assert_eq!(client.lines(rows), before);
    assert_eq!(client.lines("SELECT extversion FROM pg_extension WHERE extname = 'pg_cumulate'"), ["0.1.0"]);
    assert!(!client.lines("SELECT * FROM cumulate.plan('sales.daily_cumulate')").is_empty());
    client.run("SELECT sales.cumulate_day('2025-01-16')");
    assert_eq!(client.lines("SELECT * FROM cumulate.verify('sales.daily_cumulate')"), Vec::<String>::new());
}

#[test]
fn pg_upgrade_carries_tables_ledger_and_notes_over() {
    let next = Server::newer().unwrap_or_else(Server::installed);
    let (mut old, mut new) = (Cluster::builder().start(), Cluster::builder().on(next).start());
    old.connect("postgres").run("CREATE DATABASE kept TEMPLATE template0");
    fill(&old, "kept");
    let before = state(&old);
    old.stop(StopMode::Fast);
    new.stop(StopMode::Fast);
    upgrade(&old, &new);
    new.start();
    let version: String = new.connect("kept").value("SHOW server_version");
    assert!(version.starts_with(&next.major().to_string()), "{version}");
    assert_eq!(state(&new), before);
    assert_goes_on(&new, "kept");
    let refused = new.log().lines().filter(|line| line.contains("ERROR")).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(refused, Vec::<String>::new());
}

/// The catalog without what pg_upgrade counts anew.
fn state(cluster: &Cluster) -> Vec<String> {
    let mut client = cluster.connect("kept");
    let queries = [
        "SELECT id, target, source, daily, cumulate.definition(target) FROM cumulate.definition ORDER BY id",
        "SELECT * FROM cumulate.ledger ORDER BY target::text, day",
        "SELECT * FROM cumulate.note ORDER BY id",
        "SELECT count(*), md5(string_agg(t::text, ' ' ORDER BY t::text)) FROM shop.counts AS t",
        "SELECT count(*), md5(string_agg(t::text, ' ' ORDER BY t::text)) FROM sales.daily_cumulate AS t",
    ];
    queries.iter().flat_map(|sql| client.lines(sql)).collect()
}

fn upgrade(old: &Cluster, new: &Cluster) {
    let mut program = new.server().server_program("pg_upgrade");
    // It writes its logs where it runs, and refuses a folder that it cannot write.
    program.current_dir(new.folder()).args(["--copy", "--no-sync", "-U", "postgres"]);
    program.arg("--old-bindir").arg(old.server().bindir()).arg("--new-bindir").arg(new.server().bindir());
    program.arg("--old-datadir").arg(old.folder().join("data"));
    program.arg("--new-datadir").arg(new.folder().join("data"));
    program.arg("--socketdir").arg(new.folder());
    let output = program.output().expect("pg_upgrade can be run");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("Upgrade Complete"), "{said}");
}
