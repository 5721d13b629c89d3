//! Some keys of some days, read again from the source.

use crate::counts::{Counts, Form, day};
use pg_cumulate_tests::Ask;
use pg_cumulate_tests::model::Ledger;

/// Two tables that nothing notes changes for, of days 0 to 20; then each key has an event more on day 3 and one on day 9.
fn changed() -> Counts {
    let mut counts = Counts::new(Form { more: "late => 'none'", ..Form::with_windows(&[7]) });
    for number in 0..=20 {
        counts.insert(&[("a", number, Some(1)), ("b", number, Some(2)), ("it's \"c\"", number, None)]);
    }
    counts.close_range(day(0), day(20));
    for number in [3, 9] {
        counts.insert(&[("a", number, Some(5)), ("b", number, Some(5)), ("it's \"c\"", number, Some(5))]);
    }
    counts
}

fn wrong_keys(counts: &mut Counts) -> Vec<String> {
    counts
        .client
        .lines("SELECT DISTINCT key ->> 'key', min(snapshot_date) FROM cumulate.verify('counts') GROUP BY 1 ORDER BY 1")
}

fn restate(counts: &mut Counts, days: &str, keys: &str) -> i64 {
    counts.client.value(&format!("SELECT cumulate.restate('counts', {days}, {keys})"))
}

#[test]
fn the_keys_that_are_named_are_brought_up_to_date_and_no_others() {
    let mut counts = changed();
    let both = "'2024-12-04', '2024-12-10'";
    let rows = restate(&mut counts, both, r#"'{"key": "a"}'"#);
    assert_eq!(rows, 7 + 6, "a window each, of which a day is in both");
    assert_eq!(wrong_keys(&mut counts), ["b|2024-12-04", "it's \"c\"|2024-12-04"]);
    assert_eq!(restate(&mut counts, both, r#"'{"key": "a"}'"#), 0);
    // Of the days that are named alone.
    assert_eq!(restate(&mut counts, "'2024-12-04', '2024-12-04'", r#"'[{"key": "b"}]'"#), 7);
    assert_eq!(wrong_keys(&mut counts), ["b|2024-12-10", "it's \"c\"|2024-12-04"]);
    // What verify says can be given as it is.
    let wrong = "(SELECT jsonb_agg(key) FROM cumulate.verify('counts'))";
    assert!(restate(&mut counts, both, wrong) > 0);
    assert_eq!(wrong_keys(&mut counts), [""; 0]);
}

#[test]
fn snapshots_of_named_keys_are_compared_whether_their_days_have_changed_or_not() {
    let mut counts = changed();
    let all = "'2024-12-01', '2024-12-21'";
    restate(&mut counts, all, "NULL");
    counts.client.run(
        "UPDATE counts SET events_array[1] = 77 WHERE snapshot_date = '2024-12-15';
         DELETE FROM counts WHERE key = 'b' AND snapshot_date = '2024-12-16'",
    );
    assert_eq!(restate(&mut counts, all, r#"'[{"key": "a"}, {"key": "b"}, {"key": "unheard of"}]'"#), 3);
    assert_eq!(wrong_keys(&mut counts), ["it's \"c\"|2024-12-15"]);
}

#[test]
fn keys_that_come_or_go_are_followed_through_all_later_snapshots() {
    let mut counts = changed();
    counts.insert(&[("new", 2, Some(1))]);
    counts.client.run("DELETE FROM source WHERE key = 'b'");
    let rows = restate(&mut counts, "'2024-12-01', '2024-12-21'", r#"'[{"key": "new"}, {"key": "b"}, {"key": "a"}]'"#);
    assert_eq!(rows, 19 + 21 + 13);
    assert_eq!(wrong_keys(&mut counts), ["it's \"c\"|2024-12-04"]);
    restate(&mut counts, "'2024-12-01', '2024-12-21'", r#"'[{"key": "it''s \"c\""}]'"#);
    let mut ledger = Ledger::default();
    (0..=20).for_each(|number| ledger.close(day(number)));
    counts.check(&ledger);
}

#[test]
fn what_is_no_key_of_the_table_is_refused() {
    let mut counts = changed();
    for keys in [
        r#"'{"kee": "a"}'"#,
        r#"'{}'"#,
        r#"'[{"key": "a"}, {"key": "a", "more": 1}]'"#,
        "'[1]'",
        "'7'",
        r#"'{"key": null}'"#,
    ] {
        let refusal =
            counts.client.refusal(&format!("SELECT cumulate.restate('counts', '2024-12-04', '2024-12-10', {keys})"));
        assert_eq!(
            (refusal.sqlstate.as_str(), refusal.hint.as_deref().unwrap_or_default()),
            ("22023", "Use key => jsonb_build_object('key', ...)."),
            "{keys}"
        );
    }
    assert_eq!(restate(&mut counts, "'2024-12-04', '2024-12-10'", "'[]'"), 0);
}
