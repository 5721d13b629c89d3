//! Clock changes: days of 23, 24½ and 25 hours, days in two pieces, a day that never was.

use crate::counts::{Counts, Form};
use pg_cumulate_tests::Ask;
use pg_cumulate_tests::model::{Day, Ledger};

fn date(text: &str) -> Day {
    text.parse().expect("a date")
}

/// A year of events every 97 minutes, with some every four minutes around each midnight between `from` and `to`.
fn year_of_events(zone: &str, from: &str, to: &str) -> Counts {
    let form = Form { time: "timestamptz", zone: zone.to_owned(), start: date(from), ..Form::with_windows(&[7, 30]) };
    let mut counts = Counts::new(form);
    counts.client.run(&format!(
        "INSERT INTO source (key, at, amount)
         SELECT 'key ' || number % 5, at, number % 10
           FROM generate_series('{from} 00:00+00'::timestamptz - interval '2 days',
                                '{to} 00:00+00'::timestamptz + interval '3 days', '97 minutes')
                WITH ORDINALITY AS t (at, number)"
    ));
    counts
}

/// Adds events every four minutes in the hours around the midnights of some days.
fn crowd(counts: &mut Counts, days: &[&str]) {
    for day in days {
        counts.client.run(&format!(
            "INSERT INTO source (key, at, amount)
             SELECT 'key ' || number % 3, at, 1
               FROM generate_series('{day} 00:00+00'::timestamptz - interval '30 hours',
                                    '{day} 00:00+00'::timestamptz + interval '54 hours', '4 minutes')
                    WITH ORDINALITY AS t (at, number)"
        ));
    }
}

/// Closes all days: the crowded ones each on its own, newest first, the others in ranges between them.
fn close_all(counts: &mut Counts, crowded: &[&str], to: &str) -> Ledger {
    let mut ledger = Ledger::default();
    let (from, to) = (counts.form.start, date(to));
    for middle in crowded.iter().map(|day| date(day)) {
        for day in (-2..=2).rev().map(|number| middle + chrono::TimeDelta::days(number)) {
            if (from..=to).contains(&day) {
                counts.close(day);
                ledger.close(day);
            }
        }
    }
    counts.close_range(from, to);
    from.iter_days().take_while(|day| *day <= to).for_each(|day| ledger.close(day));
    ledger
}

/// Panics unless daily table and aggregate function cut the days as PostgreSQL does in a plain query.
fn assert_cut_as_postgres_does(counts: &mut Counts, to: &str) {
    let (from, day) = (counts.form.start, counts.form.day_of_row());
    let plain = format!(
        "SELECT {day} AS day, key, count(*) AS num_events, count(*) AS events, sum(amount) AS amount FROM source
          WHERE {day} BETWEEN '{from}' AND '{to}' GROUP BY 1, 2"
    );
    let daily = "SELECT snapshot_date, key, num_events, events, amount FROM counts_daily";
    // Each day asked for alone, so that no row hides in the day beside it.
    let alone = format!(
        "SELECT r.snapshot_date, r.key, r.num_events, r.events, r.amount
           FROM generate_series('{from}'::date, '{to}'::date, '1 day') AS day,
                LATERAL counts_rows(day::date, day::date) AS r"
    );
    for ours in [daily, &alone] {
        let different =
            format!("(({ours}) EXCEPT ALL ({plain})) UNION ALL (({plain}) EXCEPT ALL ({ours})) ORDER BY 1, 2 LIMIT 10");
        assert_eq!(counts.client.lines(&different), Vec::<String>::new(), "{} in {ours}", counts.form.zone);
    }
}

/// How long days are in the table's zone, by PostgreSQL, as `day hours`.
fn odd_days(counts: &mut Counts, from: &str, to: &str) -> Vec<String> {
    let zone = counts.form.zone.clone();
    counts.client.lines(&format!(
        "SELECT day::date || ' ' || extract(epoch FROM hours) / 3600
           FROM generate_series('{from}'::timestamp, '{to}'::timestamp, '1 day') AS day,
                LATERAL (SELECT (day + interval '1 day') AT TIME ZONE '{zone}' - day AT TIME ZONE '{zone}') AS t (hours)
          WHERE hours <> interval '24 hours' ORDER BY day"
    ))
}

fn assert_year_holds(zone: &str, (from, to): (&str, &str), changes: [(&str, &str); 2]) {
    let mut counts = year_of_events(zone, from, to);
    let days = changes.map(|(day, _)| day);
    crowd(&mut counts, &days);
    let lengths = changes.map(|(day, hours)| format!("{day} {hours}"));
    assert_eq!(odd_days(&mut counts, from, to).iter().map(|line| trimmed(line)).collect::<Vec<_>>(), lengths);
    let ledger = close_all(&mut counts, &days, to);
    assert_cut_as_postgres_does(&mut counts, to);
    counts.check(&ledger);
}

/// Without the zeros behind the point.
fn trimmed(line: &str) -> String {
    line.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[test]
fn both_clock_changes_of_new_york_are_in_their_days() {
    let changes = [("2024-03-10", "23"), ("2024-11-03", "25")];
    assert_year_holds("America/New_York", ("2024-01-01", "2024-12-31"), changes);
}

#[test]
fn both_half_hour_changes_of_lord_howe_are_in_their_days() {
    let changes = [("2024-04-07", "24.5"), ("2024-10-06", "23.5")];
    assert_year_holds("Australia/Lord_Howe", ("2024-01-01", "2024-12-31"), changes);
}

#[test]
fn clocks_that_change_at_midnight_leave_no_event_between_days() {
    // Of the two midnights of 3 November PostgreSQL takes the second.
    let changes = [("2024-03-10", "23"), ("2024-11-02", "25")];
    assert_year_holds("America/Havana", ("2024-01-01", "2024-12-31"), changes);
    let changes = [("2024-03-31", "23"), ("2024-10-26", "25")];
    assert_year_holds("Asia/Beirut", ("2024-01-01", "2024-12-31"), changes);
}

#[test]
fn a_day_that_comes_in_two_pieces_is_one_day() {
    // At 00:01 of 7 November clocks went back to 23:01 of 6 November.
    let changes = [("2010-03-14", "23"), ("2010-11-07", "25")];
    let mut counts = year_of_events("America/St_Johns", "2010-01-01", "2010-12-31");
    crowd(&mut counts, &changes.map(|(day, _)| day));
    counts.client.run(
        "INSERT INTO source (key, at, amount)
         SELECT 'minutes', at, 1
           FROM generate_series('2010-11-07 01:00+00'::timestamptz, '2010-11-07 05:00+00', '30 seconds') AS at",
    );
    let ledger = close_all(&mut counts, &changes.map(|(day, _)| day), "2010-12-31");
    assert_cut_as_postgres_does(&mut counts, "2010-12-31");
    counts.check(&ledger);
}

#[test]
fn a_day_that_never_was_has_a_snapshot_without_events() {
    // Samoa went from 29 to 31 December 2011.
    let form = Form {
        time: "timestamptz",
        zone: "Pacific/Apia".to_owned(),
        start: date("2011-12-20"),
        ..Form::with_windows(&[3])
    };
    let mut counts = Counts::new(form);
    crowd(&mut counts, &["2011-12-30", "2011-12-31"]);
    let ledger = close_all(&mut counts, &["2011-12-30"], "2012-01-05");
    assert_cut_as_postgres_does(&mut counts, "2012-01-05");
    assert_eq!(counts.client.value::<i64>("SELECT count(*) FROM counts_daily WHERE snapshot_date = '2011-12-30'"), 0);
    assert!(counts.client.value::<i64>("SELECT count(*) FROM counts WHERE snapshot_date = '2011-12-30'") > 0);
    counts.check(&ledger);
}

#[test]
fn an_event_of_a_days_first_and_last_instant_is_late_on_that_day() {
    let mut counts = year_of_events("America/Havana", "2024-10-01", "2024-11-30");
    let mut ledger = close_all(&mut counts, &[], "2024-11-30");
    let instants = [
        ("2024-11-02 23:59:59.999999", "2024-11-02"),
        ("2024-11-03 00:00:00", "2024-11-03"),
        ("2024-11-03 23:59:59.999999", "2024-11-03"),
        ("2024-11-04 00:00:00", "2024-11-04"),
    ];
    for (instant, of_day) in instants {
        counts
            .client
            .run(&format!("INSERT INTO source (key, at, amount) VALUES ('key 1', '{instant} America/Havana', 1)"));
        let noted = counts.client.lines("SELECT DISTINCT day FROM cumulate.note WHERE day <= '2024-11-30'");
        assert_eq!(noted, [of_day], "noted for {instant}");
        ledger.note(date(of_day));
        counts.check(&ledger);
        counts.apply_late();
        ledger.settle_all();
        counts.check(&ledger);
    }
}
