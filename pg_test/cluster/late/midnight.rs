//! Writers and clocks around midnight, on servers that go by a clock of the test's.

use crate::assert_law;
use pg_cumulate_tests::{Ask, Clock, Cluster, wait_for};
use postgres::Client;
use std::time::Duration;

/// A server that goes by the clock, and a session in a database with the sales pipeline.
fn at(clock: &Clock) -> (Cluster, Client) {
    let builder = Cluster::builder().conf("cumulate.enabled = off");
    let cluster = clock.variables().iter().fold(builder, |builder, (name, value)| builder.env(name, value)).start();
    let mut client = cluster.connect("postgres");
    client.run("CREATE EXTENSION pg_cumulate");
    (cluster, client)
}

fn sell(product: i32, day: &str) -> String {
    format!("INSERT INTO sales.events (product_id, event_type, event_date) VALUES ({product}, 'sell', '{day}')")
}

fn state(client: &mut Client, day: &str) -> Vec<String> {
    client.lines(&format!("SELECT state FROM cumulate.days WHERE day = '{day}'"))
}

#[test]
fn a_writer_that_began_before_midnight_and_writes_after_the_close_is_not_lost() {
    let clock = Clock::set_to("after", "2024-12-14 23:59:00");
    let (cluster, mut closer) = at(&clock);
    closer.run("SET cumulate.lock_timeout = '200ms'");
    let mut writer = cluster.connect("postgres");
    // An event of today leaves no note, and is not committed yet.
    writer.run(&format!("BEGIN; {}", sell(1, "2024-12-14")));
    clock.set("2024-12-15 00:01:00");
    closer.run("SELECT sales.cumulate_day('2024-12-14')");
    assert_eq!(state(&mut closer, "2024-12-14"), ["open"]);
    // By the wall clock this one is late, whatever now() says in this transaction.
    writer.run(&format!("{}; COMMIT", sell(2, "2024-12-14")));
    assert_eq!(closer.value::<i64>("SELECT count(*) FROM cumulate.note"), 1);
    closer.run("SELECT sales.cumulate_day('2024-12-14')");
    assert_eq!(state(&mut closer, "2024-12-14"), ["closed"]);
    assert_eq!(closer.value::<i64>("SELECT count(*) FROM sales.daily_cumulate WHERE snapshot_date = '2024-12-14'"), 2);
    assert_law(&mut closer);
}

#[test]
fn closing_a_day_waits_for_the_writers_of_that_day() {
    let clock = Clock::set_to("waits", "2024-12-14 23:59:00");
    let (cluster, mut look) = at(&clock);
    let (mut writer, mut closer) = (cluster.connect("postgres"), cluster.connect("postgres"));
    writer.run(&format!("BEGIN; {}", sell(1, "2024-12-14")));
    clock.set("2024-12-15 00:01:00");
    let closing = std::thread::spawn(move || {
        closer.run("SELECT sales.cumulate_day('2024-12-14')");
    });
    wait_for(Duration::from_secs(10), "the closer waits", || {
        let waiting =
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'Extension' AND query LIKE '%cumulate_day%'";
        (look.value::<i64>(waiting) > 0).then_some(())
    });
    writer.run("COMMIT");
    closing.join().expect("the day is closed");
    assert_eq!(state(&mut look, "2024-12-14"), ["closed"]);
    assert_eq!(look.value::<i64>("SELECT count(*) FROM sales.daily_cumulate WHERE snapshot_date = '2024-12-14'"), 1);
    assert_law(&mut look);
}

#[test]
fn today_is_open_until_it_is_settled_after_midnight() {
    let clock = Clock::set_to("today", "2024-12-14 12:00:00");
    let (_cluster, mut client) = at(&clock);
    client.run(&sell(1, "2024-12-14"));
    client.run("SELECT sales.cumulate_day('2024-12-14')");
    assert_eq!(state(&mut client, "2024-12-14"), ["open"]);
    client.run(&sell(2, "2024-12-14"));
    assert_eq!(client.value::<i64>("SELECT count(*) FROM cumulate.note"), 0);
    clock.set("2024-12-15 00:01:00");
    // Closing a later day settles the open one, but not before that later day is over itself.
    client.run("SELECT sales.cumulate_day('2024-12-15')");
    assert_eq!(
        (state(&mut client, "2024-12-14"), state(&mut client, "2024-12-15")),
        (vec!["closed".to_owned()], vec!["open".to_owned()])
    );
    assert_eq!(client.value::<i64>("SELECT rows FROM cumulate.days WHERE day = '2024-12-14'"), 2);
    assert_law(&mut client);
}

#[test]
fn days_that_lie_ahead_after_the_clock_stepped_back_become_open_again() {
    let clock = Clock::set_to("back", "2024-12-16 12:00:00");
    let (_cluster, mut client) = at(&clock);
    client.run(&sell(1, "2024-12-14"));
    client.run("SELECT cumulate.cumulate_range('sales.daily_cumulate', '2024-12-14', '2024-12-15')");
    assert_eq!(state(&mut client, "2024-12-15"), ["closed"]);
    clock.set("2024-12-15 12:00:00");
    // Today again: this leaves no note.
    client.run(&sell(2, "2024-12-15"));
    client.run("SELECT sales.cumulate_day('2024-12-14')");
    assert_eq!(state(&mut client, "2024-12-15"), ["open"]);
    clock.set("2024-12-16 12:00:00");
    client.run("SELECT sales.cumulate_day('2024-12-15')");
    assert_eq!(state(&mut client, "2024-12-15"), ["closed"]);
    assert_eq!(client.value::<i64>("SELECT count(*) FROM sales.daily_cumulate WHERE snapshot_date = '2024-12-15'"), 2);
    assert_law(&mut client);
}
