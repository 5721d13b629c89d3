//! What is read: the shape of the work, by the server's own counters, without a clock.

use crate::counts::{Counts, Form, day};
use pg_cumulate_tests::Ask;
use postgres::Client;

const DAYS: i64 = 60;
const ROWS_A_DAY: i64 = 300;

/// A table over sixty days with as many events each, nothing closed yet.
fn year(form: Form) -> Counts {
    let mut counts = Counts::new(form);
    let noon = if counts.form.time == "date" { "" } else { " + interval '12 hours'" };
    counts.client.run(&format!(
        "INSERT INTO source (key, at, amount)
         SELECT 'key ' || row % 90, (DATE '2024-12-01' + day){noon}, row
           FROM generate_series(0, {DAYS} - 1) AS day, generate_series(1, {ROWS_A_DAY}) AS row"
    ));
    // What was loaded now is noted; here it is only the load.
    counts.client.run("VACUUM ANALYZE source");
    counts
}

/// Rows of the source that were read so far, in whatever way.
fn rows_read(client: &mut Client) -> i64 {
    client.run("SELECT pg_stat_force_next_flush()");
    client.value(
        "SELECT (SELECT seq_tup_read FROM pg_stat_user_tables WHERE relid = 'source'::regclass)
                + (SELECT sum(idx_tup_read)::bigint FROM pg_stat_user_indexes WHERE relid = 'source'::regclass)",
    )
}

fn read_by(client: &mut Client, call: &str) -> i64 {
    let before = rows_read(client);
    client.run(call);
    rows_read(client) - before
}

#[test]
fn closing_a_day_reads_the_source_rows_of_that_day_alone() {
    for time in ["date", "timestamp", "timestamptz"] {
        let form =
            Form { time, zone: "America/New_York".to_owned(), more: "late => 'none'", ..Form::with_windows(&[7]) };
        let mut counts = year(form);
        counts.close_range(day(0), day(9));
        for call in ["cumulate_day", "cumulate_day", "populate_day"] {
            let read = read_by(&mut counts.client, &format!("SELECT cumulate.{call}('counts', '{}')", day(10)));
            assert_eq!(read, ROWS_A_DAY, "{call} over {time}");
        }
    }
}

#[test]
fn the_aggregate_function_is_inlined_and_reads_by_index() {
    for (time, zone) in [("date", "UTC"), ("timestamp", "UTC"), ("timestamptz", "Australia/Lord_Howe")] {
        let mut counts = year(Form { time, zone: zone.to_owned(), ..Form::with_windows(&[7]) });
        let plan = counts.client.lines("EXPLAIN SELECT * FROM counts_rows('2024-12-10', '2024-12-10')").join("\n");
        assert!(plan.contains("Index Cond") && !plan.contains("Function Scan"), "{time}:\n{plan}");
    }
}

#[test]
fn a_backfill_reads_each_source_row_once() {
    let all = DAYS * ROWS_A_DAY;
    for (partition_by, work_mem) in [("month", "4MB"), ("day", "4MB"), ("none", "64kB")] {
        let more = match partition_by {
            "month" => "partition_by => 'month', late => 'none'",
            "day" => "partition_by => 'day', late => 'none'",
            _ => "partition_by => 'none', late => 'none'",
        };
        let mut counts = year(Form { more, ..Form::with_windows(&[7]) });
        counts.client.run(&format!("SET work_mem = '{work_mem}'"));
        let call = format!("CALL cumulate.backfill('counts', '{}', '{}')", day(0), day(DAYS - 1));
        assert_eq!(read_by(&mut counts.client, &call), all, "backfill by {partition_by}");
        let again = format!("SELECT cumulate.cumulate_range('counts', '{}', '{}')", day(0), day(DAYS - 1));
        assert_eq!(read_by(&mut counts.client, &again), 0, "a range that is closed, by {partition_by}");
    }
    let mut counts = year(Form { more: "late => 'none'", ..Form::with_windows(&[7]) });
    let range = format!("SELECT cumulate.cumulate_range('counts', '{}', '{}')", day(0), day(DAYS - 1));
    assert_eq!(read_by(&mut counts.client, &range), all, "cumulate_range");
}

#[test]
fn repairing_a_late_key_reads_that_key_and_day() {
    let mut counts = year(Form::with_windows(&[7]));
    counts.client.run("CREATE INDEX ON source (key, at); ANALYZE source");
    counts.close_range(day(0), day(DAYS - 1));
    counts.apply_late();
    counts.insert(&[("key 5", 20, Some(1)), ("new", 30, Some(1))]);
    let read = read_by(&mut counts.client, "SELECT cumulate.apply_late('counts')");
    assert!(read <= 2 * ROWS_A_DAY + 2, "{read} rows were read");
}

#[test]
fn readers_of_other_days_never_wait_for_a_close_a_repair_or_a_new_partition() {
    for (partition_by, more) in
        [("month", "partition_by => 'month'"), ("day", "partition_by => 'day'"), ("none", "partition_by => 'none'")]
    {
        let mut counts = Counts::new(Form { more, ..Form::with_windows(&[7]) });
        counts.insert(&[("a", 0, Some(1)), ("b", 29, Some(1)), ("c", 31, Some(1))]);
        counts.close_range(day(0), day(29));
        let (mut reader, mut writer) = (counts.database.connect(), counts.database.connect());
        for client in [&mut reader, &mut writer] {
            client.run("SET lock_timeout = '100ms'");
        }
        counts.insert(&[("a", 20, Some(1))]);
        counts.client.run("BEGIN");
        counts.apply_late();
        // The last of them needs a new partition.
        counts.close_range(day(30), day(31));
        let rows = |client: &mut Client, until: i64| -> i64 {
            client.value(&format!("SELECT count(*) FROM counts WHERE snapshot_date <= '{}'", day(until)))
        };
        let (earlier, all) = (rows(&mut reader, 29), rows(&mut reader, 400));
        assert_eq!((earlier, all), (31, 31), "{partition_by}: readers see the days that were closed");
        assert_eq!(reader.value::<i64>("SELECT count(*) FROM counts_latest"), 2, "{partition_by}");
        let late = "SELECT events_array[1] FROM counts WHERE key = 'a' AND snapshot_date = '2024-12-21'";
        assert_eq!(reader.value::<i64>(late), 0, "{partition_by}: nobody sees half of a repair");
        reader.run(
            "SELECT count(*) FROM counts_daily; SELECT count(*) FROM cumulate.days; SELECT * FROM cumulate.status",
        );
        writer.run("INSERT INTO source (key, at, amount) VALUES ('d', '2024-12-03', 1)");
        counts.client.run("COMMIT");
        assert_eq!(rows(&mut reader, 400), 31 + 2 + 3, "{partition_by}");
        assert_eq!(reader.value::<i64>(late), 1, "{partition_by}");
        counts.apply_late();
        assert_eq!(counts.client.lines("SELECT * FROM cumulate.verify('counts')"), Vec::<String>::new());
    }
}

#[test]
fn an_older_snapshot_sees_what_it_saw() {
    for more in ["partition_by => 'month'", "partition_by => 'day'", "partition_by => 'none'"] {
        let mut counts = Counts::new(Form { more, ..Form::with_windows(&[7]) });
        counts.insert(&[("a", 0, Some(1))]);
        counts.close_range(day(0), day(3));
        let mut reader = counts.database.connect();
        let look = "SELECT count(*), max(snapshot_date), sum(total_events_7d) FROM counts";
        reader.run("BEGIN ISOLATION LEVEL REPEATABLE READ");
        let before = reader.lines(look);
        counts.insert(&[("b", 1, Some(1)), ("a", 2, Some(1))]);
        counts.close_range(day(4), day(40));
        counts.apply_late();
        assert_eq!(reader.lines(look), before, "{more}");
        reader.run("COMMIT");
        assert_ne!(reader.lines(look), before, "{more}");
    }
}
