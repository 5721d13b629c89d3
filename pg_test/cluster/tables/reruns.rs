//! Running again writes nothing: by the WAL, and by the versions of the rows.

use pg_cumulate_tests::{Ask, Cluster};
use postgres::Client;

/// A commit record, a few hint bits and a look at the catalog, but not one page.
const LESS_THAN_A_PAGE: i64 = 8192;

const VERSIONS: &str = "
    SELECT tableoid::regclass, ctid, xmin FROM counts UNION ALL SELECT tableoid::regclass, ctid, xmin FROM counts_daily
    UNION ALL SELECT tableoid::regclass, ctid, xmin FROM cumulate.ledger
    UNION ALL SELECT tableoid::regclass, ctid, xmin FROM cumulate.definition ORDER BY 1, 2";

const CALLS: [&str; 7] = [
    "SELECT cumulate.cumulate_day('counts', '2024-12-01')",
    "SELECT cumulate.cumulate_day('counts', '2024-12-20')",
    "SELECT cumulate.cumulate_range('counts', '2024-12-01', '2025-01-05')",
    "SELECT cumulate.restate('counts', '2024-12-10', '2024-12-12')",
    "SELECT cumulate.restate('counts', '2024-12-10', '2024-12-12', '{\"key\": \"key 7\"}')",
    "SELECT cumulate.populate_day('counts', '2024-12-10')",
    "SELECT cumulate.apply_late('counts')",
];

/// Definitions that have little in common.
const FORMS: [&str; 3] = [
    "'{\"events\": \"count(*)\", \"price\": \"sum(price)\"}', partition_by => 'month', late => 'trigger'",
    "'{\"weight\": \"sum(weight)\", \"kinds\": {\"value\": \"max(kind)\", \"rollup\": \"max\"}}',
     shape => 'padded', expire_idle => true, partition_by => 'day', late => 'none', filter => 'kind <> ''kind 2'''",
    "'{\"all\": {\"value\": \"string_agg(DISTINCT kind, '','')\", \"rollup\": \"last\"}}',
     shape => 'padded', partition_by => 'none', late => 'scan', lookback => 2",
];

fn table(client: &mut Client, form: &str) {
    client.run(&format!(
        "CREATE TABLE source (key text, kind text, at timestamptz, price numeric, weight double precision);
         INSERT INTO source
         SELECT 'key ' || n % 41, 'kind ' || n % 4, '2024-12-01 00:00+00'::timestamptz + n * interval '13 minutes',
                n / 8.0, n / 7.0
           FROM generate_series(1, 3900) AS n;
         SELECT cumulate.create_table('counts', 'source', 'at', '{{key}}', {form},
                                      windows => '{{7,3}}', start_date => '2024-12-01', time_zone => 'Asia/Kathmandu')"
    ));
    client.run("CALL cumulate.backfill('counts', '2024-12-01', '2025-01-05')");
    // What a first reader leaves behind (hint bits, statistics) is not the re-run's doing.
    client.run("VACUUM ANALYZE");
}

#[test]
fn a_second_run_of_any_call_moves_the_wal_by_less_than_a_page_and_makes_no_row_version() {
    // The position belongs to the whole server, so this has one to itself, without background writers.
    let cluster = Cluster::builder()
        .conf("cumulate.enabled = off")
        .conf("cumulate.create_sales = off")
        .conf("autovacuum = off")
        .conf("checkpoint_timeout = '1h'")
        .start();
    for form in FORMS {
        let database = cluster.database_with_extension();
        let mut client = database.connect();
        table(&mut client, form);
        for call in CALLS {
            // Once before the look, for what any first call of a session does.
            client.run(call);
            let (versions, position) = (client.lines(VERSIONS), wal_position(&mut client));
            client.run(call);
            let written = wal_position(&mut client) - position;
            assert_eq!(client.lines(VERSIONS), versions, "row versions after {call}, {form}");
            assert!(written < LESS_THAN_A_PAGE, "{call} wrote {written} bytes of WAL, {form}");
        }
    }
}

fn wal_position(client: &mut Client) -> i64 {
    client.value("SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint")
}
