//! One call that does all that is planned, as a scheduler outside the database makes it again and again.

use crate::counts::{cluster, today_at_noon};
use pg_cumulate_tests::{Ask, Database};
use postgres::Client;

/// Events of ten customers: customer n has bought 30 times n days ago.
struct Shop {
    client: Client,
    _database: Database<'static>,
}

const TABLE: &str =
    "SELECT cumulate.create_table('spent', 'sale', 'day', '{customer}', '{\"amount\": \"sum(amount)\"}'";

impl Shop {
    fn new(more: &str) -> Self {
        let database = cluster().database_with_extension();
        let mut client = database.connect();
        let (zone, today) = today_at_noon();
        client.run(&format!(
            "CREATE FUNCTION ago(days integer) RETURNS date LANGUAGE sql RETURN DATE '{today}' - days;
             CREATE TABLE sale (customer integer, amount numeric, day date);
             INSERT INTO sale SELECT n % 10, n, ago(n % 10) FROM generate_series(1, 300) AS n;
             SET TimeZone = '{zone}';
             {TABLE}, windows => '{{3}}' {more})"
        ));
        Shop { client, _database: database }
    }

    fn refresh(&mut self) -> i64 {
        self.client.value("SELECT cumulate.refresh('spent')")
    }

    fn rows(&mut self) -> i64 {
        self.client.value("SELECT count(*) FROM spent")
    }

    /// Panics if something is left to be done, or is wrong.
    fn check(&mut self) {
        assert_eq!(self.client.lines("SELECT * FROM cumulate.plan('spent')"), [""; 0]);
        assert_eq!(self.client.lines("SELECT * FROM cumulate.verify('spent')"), [""; 0]);
        assert_eq!(self.refresh(), 0);
    }
}

#[test]
fn a_refresh_does_all_that_is_planned_and_a_second_one_nothing() {
    let mut shop = Shop::new("");
    assert_eq!(shop.refresh(), 9 * 10 / 2, "a customer more each day from nine days ago on, and none of today");
    assert_eq!(shop.rows(), 45);
    shop.check();
    // Customer 9 has never been there: two snapshots, 8 + 3 rows, and seven days that all others are made for.
    let mut shop = Shop::new(", start_date => current_date - 9");
    shop.client.run("SELECT cumulate.cumulate_day('spent', ago(6)), cumulate.cumulate_day('spent', ago(2))");
    assert_eq!(shop.rows(), 4 + 8);
    shop.client.run("DELETE FROM sale WHERE customer = 9; INSERT INTO sale VALUES (11, 1, ago(3))");
    let late = "SELECT day FROM cumulate.plan('spent') WHERE why LIKE 'late%'";
    assert_eq!(shop.client.lines(late).len(), 0, "days without a snapshot are missing, not late");
    assert_eq!(shop.client.value::<i64>("SELECT count(*) FROM cumulate.plan('spent')"), 7);
    let repaired = 3;
    let made = 1 + 2 + 4 + 5 + 7 + 9;
    assert_eq!(shop.refresh(), repaired + made, "9 goes from two snapshots and 11 comes into one; the others are made");
    shop.check();
}

#[test]
fn a_refresh_that_is_rolled_back_leaves_everything_planned() {
    let mut shop = Shop::new(", start_date => current_date - 9");
    let plan = shop.client.lines("SELECT * FROM cumulate.plan('spent')");
    assert_eq!(plan.len(), 9);
    shop.client.run("BEGIN");
    assert_eq!(shop.refresh(), 45);
    shop.client.run("ROLLBACK");
    assert_eq!(shop.client.lines("SELECT * FROM cumulate.plan('spent')"), plan);
    assert_eq!((shop.rows(), shop.refresh()), (0, 45));
    shop.check();
}

#[test]
fn a_refresh_has_nothing_to_do_before_there_are_events_of_a_day_that_is_over() {
    let mut shop = Shop::new("");
    shop.client.run("TRUNCATE sale");
    assert_eq!(shop.refresh(), 0);
    shop.client.run("INSERT INTO sale VALUES (1, 1, ago(0))");
    assert_eq!((shop.refresh(), shop.rows()), (0, 0));
    // Today closed by hand is repaired like any other day.
    shop.client.run("SELECT cumulate.cumulate_day('spent', ago(0)); INSERT INTO sale VALUES (2, 1, ago(0))");
    shop.check();
}

#[test]
fn a_refresh_makes_no_snapshot_that_the_table_does_not_keep_and_reads_no_frozen_day() {
    let mut shop = Shop::new(", retention => '5 days'");
    shop.refresh();
    let states =
        shop.client.lines("SELECT state, count(*) FROM cumulate.days WHERE day < ago(0) GROUP BY 1 ORDER BY 1");
    assert_eq!(states, ["closed|5", "dropped|4"]);
    shop.client.run("SELECT cumulate.freeze('spent', ago(2)); DELETE FROM sale WHERE day <= ago(2)");
    assert_eq!(shop.refresh(), 0);
    shop.check();
    // With no day left to close, what is noted of frozen days is still put away.
    shop.client.run("SELECT cumulate.freeze('spent', ago(1)); DELETE FROM sale WHERE day <= ago(1)");
    assert_eq!(shop.refresh(), 0);
    shop.check();
}
