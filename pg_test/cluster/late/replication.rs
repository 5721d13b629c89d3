//! Sources that are filled by logical replication, and by sessions that play a replica.

use crate::cluster;
use pg_cumulate_tests::{Ask, Cluster, wait_for};
use postgres::Client;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(30);

const VISITS: &str = "CREATE TABLE visit (id integer PRIMARY KEY, page text, day date)";

/// Some days of a table over visits.
const CUMULATED: &str = "SELECT cumulate.create_table('visits', 'visit', 'day', '{page}', '{\"visits\": \"count(*)\"}',
        start_date => '2024-05-01', time_zone => 'UTC', windows => '{3}');
     SELECT cumulate.cumulate_range('visits', '2024-05-01', '2024-05-06')";

const NOTES: &str = "SELECT DISTINCT coalesce(day::text, 'every day'), key FROM cumulate.note ORDER BY 1, 2";

/// A publisher with a table, and a subscriber whose copy of it is the source of a cumulative table.
struct Pair {
    // The sessions go before their servers.
    publisher: Client,
    subscriber: Client,
    _follower: Cluster,
    _leader: Cluster,
}

impl Pair {
    /// `source` makes the subscriber's table, `options` are those of the subscription.
    fn new(source: &str, options: &str) -> Pair {
        let leader = Cluster::builder()
            .without_preload()
            .conf("wal_level = logical")
            .conf("max_prepared_transactions = 5")
            .conf("logical_decoding_work_mem = '64kB'")
            .start();
        let follower = Cluster::builder()
            .conf("cumulate.enabled = off")
            .conf("cumulate.create_sales = off")
            .conf("max_prepared_transactions = 5")
            .start();
        let (mut publisher, mut subscriber) = (leader.connect("postgres"), follower.connect("postgres"));
        publisher.run(&format!(
            "{VISITS}; CREATE PUBLICATION all_of_it FOR TABLE visit; INSERT INTO visit VALUES (1, 'home', '2024-05-01')"
        ));
        subscriber.run("CREATE EXTENSION pg_cumulate");
        subscriber.run(source);
        // The first copy is late, too.
        subscriber.run(CUMULATED);
        subscriber.run(&format!(
            "CREATE SUBSCRIPTION all_of_it CONNECTION 'host={} port={} user=postgres dbname=postgres'
             PUBLICATION all_of_it WITH ({options})",
            leader.folder().display(),
            leader.port()
        ));
        let mut pair = Pair { publisher, subscriber, _follower: follower, _leader: leader };
        pair.assert_repaired("the first copy", &["2024-05-01|{home}"]);
        pair
    }

    /// Changes the publisher's table; panics unless these keys and days are noted once that has arrived, and the repair
    /// leaves no difference.
    fn change(&mut self, change: &str, noted: &[&str]) {
        self.publisher.run(change);
        self.assert_repaired(change, noted);
    }

    fn assert_repaired(&mut self, change: &str, noted: &[&str]) {
        self.assert_repaired_but_for(change, noted, "");
    }

    /// As `assert_repaired`, where one more note may be there: one too many is harmless.
    fn assert_repaired_but_for(&mut self, change: &str, noted: &[&str], perhaps: &str) {
        let rows = "SELECT count(*), coalesce(sum(hashtext(v::text)), 0) FROM (SELECT id, page, day FROM visit) v";
        let published = self.publisher.lines(rows);
        wait_for(SOON, change, || (self.subscriber.lines(rows) == published).then_some(()));
        let found: Vec<String> = self.subscriber.lines(NOTES).into_iter().filter(|note| note != perhaps).collect();
        assert_eq!(found, noted, "noted by: {change}");
        self.subscriber.run("SELECT cumulate.apply_late('visits')");
        let differences = self.subscriber.lines("SELECT * FROM cumulate.verify('visits')");
        assert_eq!(differences, Vec::<String>::new(), "after: {change}");
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        // The walsender would keep the publisher from a fast stop.
        let _ = self.subscriber.batch_execute("DROP SUBSCRIPTION all_of_it");
    }
}

#[test]
fn changes_that_come_by_a_subscription_are_noted() {
    let mut pair = Pair::new(VISITS, "streaming = off");
    pair.change(
        "INSERT INTO visit VALUES (2, 'help', '2024-05-02'), (3, 'home', current_date)",
        &["2024-05-02|{help}"],
    );
    pair.change("UPDATE visit SET page = 'aid' WHERE id = 2", &["2024-05-02|{aid}", "2024-05-02|{help}"]);
    pair.change("DELETE FROM visit WHERE id = 1", &["2024-05-01|{home}"]);
    pair.change(
        "BEGIN; INSERT INTO visit VALUES (4, 'kept', '2024-05-03');
         SAVEPOINT here; INSERT INTO visit VALUES (5, 'undone', '2024-05-03'); ROLLBACK TO here; COMMIT",
        &["2024-05-03|{kept}"],
    );
    pair.change(
        "INSERT INTO visit SELECT n, 'page ' || n, '2024-05-02' FROM generate_series(10, 10100) n",
        &["2024-05-02|"],
    );
    pair.change("TRUNCATE visit", &["every day|"]);
}

#[test]
fn changes_that_are_streamed_and_applied_in_parallel_or_in_two_phases_are_noted() {
    let mut pair = Pair::new(VISITS, "streaming = parallel, two_phase = on");
    // Long enough to be streamed while it goes on, with a part that is rolled back: a publisher that is slow to decode
    // knows of that before it sends the part.
    let change = "BEGIN; INSERT INTO visit SELECT n, 'a', '2024-05-01' FROM generate_series(10, 4000) n;
         SAVEPOINT here;
         INSERT INTO visit SELECT n, 'b', '2024-05-02' FROM generate_series(4001, 8000) n;
         ROLLBACK TO here;
         INSERT INTO visit SELECT n, 'c', '2024-05-03' FROM generate_series(4001, 8000) n; COMMIT";
    pair.publisher.run(change);
    pair.assert_repaired_but_for(change, &["2024-05-01|{a}", "2024-05-03|{c}"], "2024-05-02|{b}");
    pair.publisher.run("BEGIN; INSERT INTO visit VALUES (9000, 'd', '2024-05-04'); PREPARE TRANSACTION 'two phases'");
    wait_for(SOON, "the prepared transaction to arrive", || {
        (pair.subscriber.value::<i64>("SELECT count(*) FROM pg_prepared_xacts") == 1).then_some(())
    });
    pair.change("COMMIT PREPARED 'two phases'", &["2024-05-04|{d}"]);
}

#[test]
fn changes_that_a_subscription_routes_into_partitions_are_noted() {
    let partitioned = "CREATE TABLE visit (id integer, page text, day date, PRIMARY KEY (id)) PARTITION BY RANGE (id);
         CREATE TABLE visit_low PARTITION OF visit FOR VALUES FROM (0) TO (100);
         CREATE TABLE visit_high (day date, page text, id integer NOT NULL);
         ALTER TABLE visit ATTACH PARTITION visit_high FOR VALUES FROM (100) TO (1000000)";
    let mut pair = Pair::new(partitioned, "streaming = off");
    pair.change(
        "INSERT INTO visit VALUES (2, 'low', '2024-05-02'), (200, 'high', '2024-05-03')",
        &["2024-05-02|{low}", "2024-05-03|{high}"],
    );
    pair.change("UPDATE visit SET id = 300 WHERE id = 2", &["2024-05-02|{low}"]);
    pair.change("UPDATE visit SET day = '2024-05-04' WHERE id = 200", &["2024-05-03|{high}", "2024-05-04|{high}"]);
    pair.change("DELETE FROM visit WHERE id = 300", &["2024-05-02|{low}"]);
}

#[test]
fn sessions_that_play_a_replica_note_their_changes() {
    let database = cluster().database_with_extension();
    let mut client = database.connect();
    client.run(VISITS);
    client.run("INSERT INTO visit VALUES (1, 'home', '2024-05-01'), (2, 'help', '2024-05-02')");
    client.run(CUMULATED);
    client.run("SET session_replication_role = replica");
    let changes = [
        ("INSERT INTO visit VALUES (3, 'new', '2024-05-03')", vec!["2024-05-03|{new}"]),
        ("UPDATE visit SET page = 'aid' WHERE id = 2", vec!["2024-05-02|{aid}", "2024-05-02|{help}"]),
        ("DELETE FROM visit WHERE id = 1", vec!["2024-05-01|{home}"]),
        ("TRUNCATE visit", vec!["every day|"]),
    ];
    for (change, noted) in changes {
        client.run(change);
        assert_eq!(client.lines(NOTES), noted, "noted by: {change}");
        client.run("SELECT cumulate.apply_late('visits')");
        assert_eq!(client.lines("SELECT * FROM cumulate.verify('visits')"), Vec::<String>::new());
    }
}
