//! Snapshots that were changed by hand: no later day repeats what is wrong with them, and a call mends them.

use crate::counts::{Counts, Form, day};
use pg_cumulate_tests::Ask;
use pg_cumulate_tests::model::Ledger;

const PARTITIONS: [&str; 3] = ["partition_by => 'month'", "partition_by => 'day'", "partition_by => 'none'"];

/// What can be done by hand to a snapshot, so that its rows are not as many as they were; the day takes the place of `$`.
const LOSSES: [&str; 5] = [
    "DELETE FROM counts WHERE snapshot_date = '$' AND key = 'a'",
    "DELETE FROM counts WHERE snapshot_date = '$'",
    "INSERT INTO counts VALUES ('stray', '{4}', '{4}', 4, 4, '$')",
    "ALTER TABLE counts DROP CONSTRAINT counts_pkey;
     INSERT INTO counts SELECT * FROM counts WHERE snapshot_date = '$' AND key < 'c'",
    "ALTER TABLE counts DROP CONSTRAINT counts_pkey;
     INSERT INTO counts SELECT * FROM counts WHERE snapshot_date = '$';
     UPDATE counts SET amount_array = '{7}' WHERE snapshot_date = '$' AND key = 'b'",
];

/// Days 0 to `last` closed, with keys that come early, late and often.
fn closed(form: Form, last: i64) -> (Counts, Ledger) {
    let (mut counts, mut ledger) = (Counts::new(form), Ledger::default());
    counts.insert(&[("a", 0, Some(1)), ("b", 1, Some(2)), ("c", 2, None), ("d", last + 1, Some(3))]);
    for number in (1..40).step_by(3) {
        counts.insert(&[("often", number, Some(number))]);
    }
    counts.close_range(day(0), day(last));
    (0..=last).for_each(|number| ledger.close(day(number)));
    (counts, ledger)
}

fn forms() -> Vec<Form> {
    let of = |more| {
        let ragged = Form { more, ..Form::with_windows(&[7]) };
        [ragged.clone().padded(), ragged]
    };
    PARTITIONS.into_iter().flat_map(of).collect()
}

/// Panics unless the ledger has each day's number of rows.
fn check_rows(counts: &mut Counts) {
    let wrong = counts.client.lines(
        "SELECT day, l.rows, count(c) FROM cumulate.ledger l LEFT JOIN counts c ON c.snapshot_date = l.day
         GROUP BY 1, 2 HAVING l.rows <> count(c) ORDER BY 1",
    );
    assert_eq!(wrong, Vec::<String>::new(), "days whose rows are others than the ledger says");
}

#[test]
fn a_damaged_snapshot_is_mended_before_the_next_one_is_made_from_it() {
    let closes = [
        ("a day", "SELECT cumulate.cumulate_day('counts', '$')", 1),
        ("the day after the next", "SELECT cumulate.cumulate_day('counts', DATE '$' + 1)", 2),
        ("a range", "SELECT cumulate.cumulate_range('counts', '$', DATE '$' + 4)", 5),
        (
            "a range in little memory",
            "SET work_mem = '64kB'; SELECT cumulate.cumulate_range('counts', '$', DATE '$' + 4)",
            5,
        ),
        ("a backfill", "CALL cumulate.backfill('counts', '$', DATE '$' + 4)", 5),
    ];
    for (index, form) in forms().into_iter().enumerate() {
        for (number, loss) in LOSSES.iter().enumerate() {
            let (name, close, days) = closes[(index + number) % closes.len()];
            let (mut counts, mut ledger) = closed(form.clone(), 9);
            counts.client.run(&loss.replace('$', &day(9).to_string()));
            for command in close.replace('$', &day(10).to_string()).split("; ") {
                counts.client.run(command);
            }
            let first = if days == 2 { 11 } else { 10 };
            (first..10 + days).for_each(|number| ledger.close(day(number)));
            println!("{name}, {}: {loss}", form.more);
            counts.check(&ledger);
            check_rows(&mut counts);
        }
    }
}

#[test]
fn many_keys_do_not_hide_that_some_are_missing() {
    // More than fit into the least memory, so that days are made one by one.
    for work_mem in ["64kB", "64MB"] {
        let (mut counts, mut ledger) = (Counts::new(Form::with_windows(&[7])), Ledger::default());
        counts.client.run(
            "INSERT INTO source (key, at, amount) SELECT 'k' || n, '2024-12-01', n FROM generate_series(1, 3000) n",
        );
        counts.close_range(day(0), day(2));
        counts.client.run(&format!(
            "DELETE FROM counts WHERE snapshot_date = '{}' AND key LIKE '%7'; SET work_mem = '{work_mem}'",
            day(2)
        ));
        counts.close_range(day(3), day(6));
        (0..=6).for_each(|number| ledger.close(day(number)));
        counts.check(&ledger);
        check_rows(&mut counts);
    }
}

#[test]
fn a_damaged_day_behind_a_damaged_day_is_not_taken_for_right() {
    for more in PARTITIONS {
        let (mut counts, mut ledger) = closed(Form { more, ..Form::with_windows(&[3]) }, 9);
        counts.client.run("DELETE FROM counts WHERE key = 'a' AND snapshot_date >= '2024-12-08'");
        counts.close(day(10));
        ledger.close(day(10));
        // Those before the newest two were nobody's base.
        counts.restate(day(7), day(7));
        counts.check(&ledger);
        check_rows(&mut counts);
    }
}

#[test]
fn restate_compares_the_snapshots_and_says_how_many_rows_it_changed() {
    let damages = [
        ("DELETE FROM counts WHERE snapshot_date = '$' AND key IN ('a', 'b')", 2),
        ("UPDATE counts SET amount_array[1] = 77 WHERE snapshot_date = '$' AND key = 'b'", 1),
        ("UPDATE counts SET total_events_7d = NULL WHERE snapshot_date = '$' AND key = 'b'", 1),
        ("UPDATE counts SET key = 'other' WHERE snapshot_date = '$' AND key = 'b'", 2),
        ("INSERT INTO counts VALUES ('stray', '{4}', '{4}', 4, 4, '$')", 1),
    ];
    for form in forms() {
        let (mut counts, ledger) = closed(form, 9);
        for (damage, rows) in damages {
            counts.client.run(&damage.replace('$', &day(5).to_string()));
            assert_ne!(counts.client.lines("SELECT * FROM cumulate.verify('counts')"), Vec::<String>::new());
            assert_eq!(counts.restate(day(5), day(5)), rows, "{damage}");
            counts.check(&ledger);
            check_rows(&mut counts);
            assert_eq!(counts.restate(day(5), day(5)), 0, "{damage}");
        }
        // A day before the damage, as far as the window reaches, will do, too.
        counts.client.run("DELETE FROM counts WHERE snapshot_date = '2024-12-06'");
        counts.restate(day(1), day(2));
        counts.check(&ledger);
    }
}

#[test]
fn rows_that_are_there_twice_are_one_again() {
    for form in forms() {
        let (mut counts, ledger) = closed(form, 9);
        counts.client.run(
            "ALTER TABLE counts DROP CONSTRAINT counts_pkey;
             INSERT INTO counts SELECT * FROM counts WHERE snapshot_date >= '2024-12-05';
             INSERT INTO counts SELECT * FROM counts WHERE snapshot_date = '2024-12-05' AND key = 'a';
             ALTER TABLE counts_daily DROP CONSTRAINT counts_daily_pkey;
             INSERT INTO counts_daily SELECT * FROM counts_daily WHERE snapshot_date = '2024-12-02'",
        );
        counts.restate(day(0), day(9));
        counts.client.run("ALTER TABLE counts ADD PRIMARY KEY (snapshot_date, key)");
        counts.client.run("ALTER TABLE counts_daily ADD PRIMARY KEY (snapshot_date, key)");
        counts.check(&ledger);
        check_rows(&mut counts);
    }
}

#[test]
fn closing_a_day_again_by_hand_mends_a_snapshot_that_has_lost_rows() {
    for more in PARTITIONS {
        let (mut counts, ledger) = closed(Form { more, ..Form::with_windows(&[7]) }, 9);
        counts.client.run("DELETE FROM counts WHERE snapshot_date = '2024-12-06' AND key <> 'often'");
        counts.close(day(5));
        counts.check(&ledger);
        check_rows(&mut counts);
    }
}

#[test]
fn an_emptied_table_is_filled_again() {
    for more in PARTITIONS {
        let (mut counts, mut ledger) = closed(Form { more, ..Form::with_windows(&[7]) }, 33);
        counts.client.run("TRUNCATE counts");
        let health =
            "SELECT severity, what, how_to_mend FROM cumulate.health() WHERE target = 'counts' AND what LIKE '%empty%'";
        let told = counts.client.lines(health);
        assert!(told[0].starts_with("error|"), "{told:?}");
        counts.close(day(34));
        ledger.close(day(34));
        counts.client.run("SELECT cumulate.restate('counts', '2024-12-01', '2025-01-04')");
        counts.check(&ledger);
        check_rows(&mut counts);
        assert_eq!(counts.client.lines(health), Vec::<String>::new());
    }
}

#[test]
fn a_frozen_snapshot_that_others_are_made_from_is_mended_from_the_daily_table() {
    let (mut counts, mut ledger) = closed(Form::with_windows(&[7]), 9);
    counts.client.run(&format!("SELECT cumulate.freeze('counts', '{}')", day(9)));
    counts.client.run(&format!("DELETE FROM counts WHERE snapshot_date = '{}' AND key <= 'b'", day(9)));
    counts.close(day(10));
    ledger.close(day(10));
    counts.check(&ledger);
    check_rows(&mut counts);
}

#[test]
fn rows_of_a_day_that_was_never_closed_are_compared_when_it_is() {
    for more in PARTITIONS {
        for (close, last) in [("cumulate_day('counts', '$')", 10), ("cumulate_range('counts', '$', DATE '$' + 3)", 13)]
        {
            let (mut counts, mut ledger) = closed(Form { more, ..Form::with_windows(&[7]) }, 9);
            counts
                .client
                .run("INSERT INTO counts SELECT key, '{1}', '{1}', 1, 1, snapshot_date FROM counts WHERE false");
            counts.close(day(10));
            // As a restore of the table alone brings them, or a partition that was attached again.
            counts.client.run(
                "UPDATE counts SET amount_array[1] = 9 WHERE snapshot_date = '2024-12-11' AND key = 'b';
                 INSERT INTO counts VALUES ('stray', '{4}', '{4}', 4, 4, '2024-12-11');
                 DELETE FROM cumulate.ledger WHERE day = '2024-12-11'",
            );
            counts.client.run(&format!("SELECT cumulate.{}", close.replace('$', &day(10).to_string())));
            (10..=last).for_each(|number| ledger.close(day(number)));
            counts.check(&ledger);
            check_rows(&mut counts);
        }
    }
}

#[test]
fn the_ledger_counts_rows_as_they_are_whoever_keeps_some_out() {
    for more in PARTITIONS {
        let mut counts = Counts::new(Form { more, ..Form::with_windows(&[3]) });
        counts.client.run(
            "CREATE FUNCTION keep_out() RETURNS trigger LANGUAGE plpgsql
                 AS $$ BEGIN IF NEW.key = 'b' THEN RETURN NULL; END IF; RETURN NEW; END $$;
             CREATE TRIGGER keep_out BEFORE INSERT OR UPDATE ON counts FOR EACH ROW EXECUTE FUNCTION keep_out()",
        );
        counts.insert(&[("a", 0, Some(1)), ("b", 0, Some(2)), ("c", 2, Some(3))]);
        counts.close_range(day(0), day(3));
        counts.close(day(4));
        counts.insert(&[("b", 1, Some(2)), ("e", 1, Some(3))]);
        assert_eq!(counts.apply_late(), 4, "rows of e on four days; none of b is there");
        check_rows(&mut counts);
        assert_eq!(counts.restate(day(0), day(4)), 0);
        check_rows(&mut counts);
    }
}

#[test]
fn restate_reaches_the_snapshots_behind_a_gap_in_its_days() {
    let (mut counts, mut ledger) = (Counts::new(Form::with_windows(&[2])), Ledger::default());
    counts.insert(&[("a", 0, Some(1))]);
    for number in [1, 9] {
        counts.close(day(number));
        ledger.close(day(number));
    }
    counts.insert(&[("new", 4, Some(2))]);
    assert_eq!(counts.restate(day(0), day(5)), 1, "the new key's row of day 9");
    counts.check(&ledger);
}
