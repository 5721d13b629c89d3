//! verify finds what is wrong, names it, and finds nothing else.

use crate::counts::{Counts, Form, cluster, day};
use pg_cumulate_tests::Ask;

fn closed_counts() -> Counts {
    let mut counts = Counts::new(Form::with_windows(&[3, 2]));
    counts.insert(&[("a", 0, Some(4)), ("b", 1, Some(1)), ("a", 2, None)]);
    counts.close_range(day(0), day(4));
    counts
}

fn found(counts: &mut Counts) -> Vec<String> {
    counts.client.lines("SELECT * FROM cumulate.verify('counts')")
}

#[test]
fn each_kind_of_damage_is_found_by_its_row_and_column() {
    let damages = [
        ("UPDATE counts SET amount_array = '{0,4,7}' WHERE", "amount_array|{0,4,7}|{0,4}"),
        ("UPDATE counts SET amount_array = '{0,NULL}' WHERE", "amount_array|{0,NULL}|{0,4}"),
        ("UPDATE counts SET amount_array = NULL WHERE", "amount_array||{0,4}"),
        ("UPDATE counts SET events_array = '{1,1}' WHERE", "events_array|{1,1}|{0,1}"),
        ("UPDATE counts SET total_amount_2d = 5 WHERE", "total_amount_2d|5|4"),
        ("UPDATE counts SET total_events_3d = NULL WHERE", "total_events_3d||1"),
        ("DELETE FROM counts WHERE", "(row)|missing|present"),
    ];
    let mut counts = closed_counts();
    for (damage, told) in damages {
        counts.client.run(&format!("BEGIN; {damage} key = 'a' AND snapshot_date = '2024-12-02'"));
        assert_eq!(found(&mut counts), [format!("2024-12-02|{{\"key\": \"a\"}}|{told}")], "{damage}");
        counts.client.run("ROLLBACK");
    }
    counts.client.run("INSERT INTO counts SELECT 'c', '{1}', '{1}', 1, 1, 1, 1, '2024-12-04'");
    assert_eq!(found(&mut counts), ["2024-12-04|{\"key\": \"c\"}|(row)|present|missing"]);
    let elsewhere = "SELECT * FROM cumulate.verify('counts', '2024-12-01', '2024-12-03')";
    assert_eq!(counts.client.lines(elsewhere), Vec::<String>::new());
}

#[test]
fn a_change_of_the_source_that_nobody_noted_is_found() {
    let mut counts = closed_counts();
    // The close that sees them disabled reads everything, and nobody knows of what comes later.
    counts.client.run("ALTER TABLE source DISABLE TRIGGER ALL; SELECT cumulate.apply_late('counts')");
    counts.insert(&[("b", 2, Some(3))]);
    let wrong =
        counts.client.lines("SELECT DISTINCT snapshot_date, key ->> 'key' FROM cumulate.verify('counts') ORDER BY 1");
    assert_eq!(wrong, ["2024-12-03|b", "2024-12-04|b", "2024-12-05|b"]);
    counts.restate(day(2), day(2));
    assert_eq!(found(&mut counts), Vec::<String>::new());
}

#[test]
fn days_with_waiting_changes_are_left_out() {
    let mut counts = closed_counts();
    counts.client.run("UPDATE counts SET amount_array = '{9}' WHERE key = 'a'");
    counts.insert(&[("b", 2, Some(3))]);
    let days = counts.client.lines("SELECT DISTINCT snapshot_date FROM cumulate.verify('counts') ORDER BY 1");
    assert_eq!(days, ["2024-12-01", "2024-12-02"]);
}

#[test]
fn values_that_are_equal_are_no_difference_however_they_are_written() {
    let database = cluster().database_with_extension();
    let mut client = database.connect();
    // Equal numbers of another scale, times and texts of another form; and values of a type that has no equality.
    let metrics = [
        ("numeric", "'2.2', '2.2000', '2.20'", "max(value)", "max"),
        ("numeric", "'2.2', '2.2000', '2.20'", "min(value)", "min"),
        ("interval", "'1 day', '24 hours', '1 day 00:00'", "max(value)", "max"),
        ("text COLLATE loose", "'a', 'A', 'á'", "max(value)", "max"),
        ("jsonb", "'1.0', '1', '1.00'", "(array_agg(value ORDER BY id DESC))[1]", "last"),
        ("json", "'[1]', '[2]', '[3]'", "(array_agg(value ORDER BY id DESC))[1]", "last"),
        ("point", "'1,2', '3,4', '5,6'", "(array_agg(value ORDER BY id DESC))[1]", "last"),
    ];
    for (number, (kind, values, metric, rollup)) in metrics.into_iter().enumerate() {
        // A server without ICU has no such collation.
        if kind.contains("loose") && client.attempt(LOOSE).is_err() {
            continue;
        }
        client.run(&format!(
            "CREATE TABLE source_{number} (id bigint GENERATED ALWAYS AS IDENTITY, key text, at date, value {kind});
             INSERT INTO source_{number} (key, at, value)
                 SELECT 'k', DATE '2024-12-01' + n::integer, v::{plain} FROM unnest(ARRAY[{values}]) WITH ORDINALITY AS u (v, n);
             SELECT cumulate.create_table('table_{number}', 'source_{number}', 'at', '{{key}}',
                 '{{\"m\": {{\"value\": \"{metric}\", \"rollup\": \"{rollup}\"}}}}', windows => '{{7,3}}', start_date => '2024-12-01', time_zone => 'UTC');
             SELECT cumulate.cumulate_range('table_{number}', '2024-12-01', '2024-12-08')",
            plain = kind.split(' ').next().expect("a type"),
        ));
        let verify = format!("SELECT * FROM cumulate.verify('table_{number}')");
        assert_eq!(client.lines(&verify), Vec::<String>::new(), "{kind} {metric}");
        client.run(&format!("UPDATE table_{number} SET m_array[1] = m_array[3] WHERE snapshot_date = '2024-12-05'"));
        let differs = client.lines(&verify);
        assert_eq!(differs.len(), 1, "{kind}: {differs:?}");
    }
}

const LOOSE: &str = "CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level1', deterministic = false)";
