//! Unlogged tables: a crash empties them, and says so to nobody.

use crate::counts::{Form, day};
use pg_cumulate_tests::{Ask, Cluster, StopMode};
use postgres::Client;

const SOURCES: [(&str, &str); 3] = [
    ("an unlogged source", "CREATE UNLOGGED TABLE source (key text, at date, amount integer)"),
    (
        "an unlogged partition",
        "CREATE TABLE source (key text, at date, amount integer) PARTITION BY LIST (key);
         CREATE UNLOGGED TABLE lost PARTITION OF source FOR VALUES IN ('a', 'b'); CREATE TABLE kept PARTITION OF source DEFAULT",
    ),
    ("an unlogged daily table", "CREATE TABLE source (key text, at date, amount integer)"),
];

fn verify(client: &mut Client) -> Vec<String> {
    client.lines("SELECT * FROM cumulate.verify('counts')")
}

#[test]
fn what_a_crash_has_emptied_is_noticed_at_the_next_close_and_what_a_restart_keeps_is_not_read_again() {
    for (name, source) in SOURCES {
        println!("{name}");
        let mut cluster = Cluster::builder().conf("cumulate.enabled = off").conf("cumulate.create_sales = off").start();
        let mut client = cluster.connect("postgres");
        client.run("CREATE EXTENSION pg_cumulate");
        client.run(source);
        client.run(&Form::with_windows(&[3]).create_table());
        client.run(
            "INSERT INTO source VALUES ('a', '2024-12-01', 1), ('b', '2024-12-02', 2), ('c', '2024-12-03', 3);
             SELECT cumulate.cumulate_range('counts', '2024-12-01', '2024-12-04')",
        );
        if name.ends_with("daily table") {
            client.run("ALTER TABLE counts_daily SET UNLOGGED");
            client.run("SELECT cumulate.apply_late('counts')");
        }
        drop(client);
        cluster.restart(StopMode::Fast);
        let mut client = cluster.connect("postgres");
        client.run("UPDATE counts SET amount_array = '{7}' WHERE key = 'c' AND snapshot_date = '2024-12-03'");
        client.run("SELECT cumulate.apply_late('counts')");
        assert_eq!(verify(&mut client).len(), 1, "nothing was emptied, so nothing was compared");
        drop(client);
        cluster.restart(StopMode::Immediate);
        let mut client = cluster.connect("postgres");
        assert_eq!(verify(&mut client), Vec::<String>::new(), "until a look all days are left out");
        let next = format!("SELECT cumulate.cumulate_day('counts', '{}')", day(4));
        client.run(&next);
        assert_eq!(verify(&mut client), Vec::<String>::new());
        let keys = client.lines("SELECT DISTINCT key FROM counts ORDER BY 1");
        let left: &[&str] = match name {
            "an unlogged source" => &[],
            "an unlogged partition" => &["c"],
            _ => &["a", "b", "c"],
        };
        assert_eq!(keys, left, "{name}");
        assert_eq!(client.lines("SELECT DISTINCT key FROM counts_daily ORDER BY 1"), left, "{name}");
    }
}
