//! pg_upgrade, from the server to itself: what it carries over goes on.

use crate::dumps::{assert_goes_on, fill};
use pg_cumulate_tests::{Ask, Cluster, Server, StopMode};

#[test]
fn pg_upgrade_carries_tables_ledger_and_notes_over() {
    let preloaded = || Cluster::builder().conf("cumulate.enabled = off").start();
    let (mut old, mut new) = (preloaded(), preloaded());
    old.connect("postgres").run("CREATE DATABASE kept TEMPLATE template0");
    fill(&old, "kept");
    let before = state(&old);
    old.stop(StopMode::Fast);
    new.stop(StopMode::Fast);
    upgrade(&old, &new);
    new.start();
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
    let server = Server::installed();
    let mut program = server.server_program("pg_upgrade");
    // It writes its logs where it runs, and refuses a folder that it cannot write.
    program.current_dir(new.folder()).args(["--copy", "--no-sync", "-U", "postgres"]);
    program.arg("--old-bindir").arg(server.bindir()).arg("--new-bindir").arg(server.bindir());
    program.arg("--old-datadir").arg(old.folder().join("data"));
    program.arg("--new-datadir").arg(new.folder().join("data"));
    program.arg("--socketdir").arg(new.folder());
    let output = program.output().expect("pg_upgrade can be run");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("Upgrade Complete"), "{said}");
}
