//! The harness itself, on servers without the extension.

use pg_cumulate_tests::{Ask, Cluster, Server, StopMode, eventually, wait_for};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);

fn plain_cluster() -> Cluster {
    Cluster::builder().without_preload().start()
}

#[test]
fn a_cluster_answers_clients_and_psql_with_its_settings() {
    let cluster = Cluster::builder().without_preload().conf("work_mem = '7MB'").env("TZ", "Asia/Tokyo").start();
    assert_eq!(cluster.psql("postgres", "SHOW work_mem"), "7MB");
    let mut client = cluster.connect("postgres");
    assert_eq!(client.lines("SELECT 1, NULL, 'x' UNION ALL SELECT 2, 'y', 'z'"), ["1||x", "2|y|z"]);
    assert_eq!(client.value::<String>("SHOW timezone"), "UTC");
    assert!(client.value::<String>("SHOW server_version").starts_with(&Server::installed().major().to_string()));
}

#[test]
fn a_refusal_has_all_its_parts() {
    let cluster = plain_cluster();
    let refusal = cluster
        .connect("postgres")
        .refusal("DO $$ BEGIN RAISE 'no' USING errcode = '22023', detail = 'the facts', hint = 'try this'; END $$");
    assert_eq!((refusal.sqlstate.as_str(), refusal.message.as_str()), ("22023", "no"));
    assert_eq!((refusal.detail.as_deref(), refusal.hint.as_deref()), (Some("the facts"), Some("try this")));
}

#[test]
fn data_survive_every_way_of_stopping() {
    let mut cluster = plain_cluster();
    cluster.connect("postgres").run("CREATE TABLE kept (x integer); INSERT INTO kept VALUES (1)");
    cluster.restart(StopMode::Fast);
    cluster.restart(StopMode::Immediate);
    cluster.kill_group();
    cluster.add_conf("work_mem = '9MB'");
    cluster.start();
    assert_eq!(cluster.psql("postgres", "SELECT count(*), current_setting('work_mem') FROM kept"), "1|9MB");
    assert!(cluster.log().contains("database system was not properly shut down"));
}

#[test]
fn a_standby_follows_and_can_be_promoted() {
    let mut primary = plain_cluster();
    primary.connect("postgres").run("CREATE TABLE followed (x integer)");
    let mut standby = primary.standby();
    primary.connect("postgres").run("INSERT INTO followed VALUES (1)");
    let mut reader = standby.connect("postgres");
    eventually(SOON, "the row to be replayed", || reader.value::<i64>("SELECT count(*) FROM followed") == 1);
    assert_eq!(reader.refusal("INSERT INTO followed VALUES (2)").sqlstate, "25006");
    primary.stop(StopMode::Fast);
    standby.promote();
    standby.connect("postgres").run("INSERT INTO followed VALUES (2)");
}

#[test]
fn databases_of_a_shared_cluster_are_apart_and_go_with_the_test() {
    let cluster = plain_cluster();
    let (one, other) = (cluster.database(), cluster.database());
    one.connect().run("CREATE TABLE mine ()");
    assert_eq!(other.connect().refusal("TABLE mine").sqlstate, "42P01");
    cluster.connect("postgres").run("CREATE ROLE clerk LOGIN");
    assert_eq!(one.connect_as("clerk").value::<String>("SELECT current_user::text"), "clerk");
    drop((one, other));
    let left: i64 = cluster.connect("postgres").value("SELECT count(*) FROM pg_database WHERE datname LIKE 'test%'");
    assert_eq!(left, 0);
}

#[test]
fn dropping_a_cluster_leaves_neither_process_nor_folder() {
    let cluster = plain_cluster();
    let (pid, folder) = (cluster.pid(), cluster.folder().to_owned());
    drop(cluster);
    assert!(!folder.exists());
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
}

#[test]
fn the_server_is_never_root_and_knows_no_backtrace_setting() {
    let cluster = plain_cluster();
    let status = std::fs::read_to_string(format!("/proc/{}/status", cluster.pid())).unwrap();
    let field = |name: &str| status.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
    assert!(!field("Uid:").contains("\t0"));
    assert!(!field("Groups:").split_whitespace().any(|group| group == "0"), "{}", field("Groups:"));
    let environment = std::fs::read_to_string(format!("/proc/{}/environ", cluster.pid())).unwrap();
    assert!(!environment.contains("RUST_BACKTRACE"));
}

#[test]
fn a_blocked_session_is_found_by_polling() {
    let cluster = plain_cluster();
    let mut first = cluster.connect("postgres");
    first.run("CREATE TABLE held ()");
    first.run("BEGIN; LOCK TABLE held");
    let mut second = cluster.connect("postgres");
    let waiter = std::thread::spawn(move || second.run("DROP TABLE held"));
    let mut looker = cluster.connect("postgres");
    wait_for(SOON, "the second session to be blocked", || {
        looker.lines("SELECT query FROM pg_stat_activity WHERE wait_event_type = 'Lock'").pop()
    });
    first.run("COMMIT");
    waiter.join().unwrap();
}
