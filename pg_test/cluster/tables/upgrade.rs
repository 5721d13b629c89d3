//! pg_upgrade, to the next server where there is one, else from the server to itself: what it carries over goes on.

use crate::dumps::{assert_goes_on, fill};
use pg_cumulate_tests::{Ask, Cluster, Server, StopMode};

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
        "SELECT id, target, source, daily, leaves, cumulate.definition(target) FROM cumulate.definition ORDER BY id",
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
