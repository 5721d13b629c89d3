//! More late keys than are remembered: the whole day is, and nothing is lost.

use crate::counts::{Counts, Form, day};
use pg_cumulate_tests::Ask;
use pg_cumulate_tests::model::Ledger;

/// One key more than a transaction notes for a day.
const KEYS: i64 = 10_001;

#[test]
fn too_many_late_keys_of_a_day_become_the_whole_day() {
    let (mut counts, mut ledger) = (Counts::new(Form::with_windows(&[2])), Ledger::default());
    counts.insert(&[("a", 0, Some(4)), ("b", 1, Some(1))]);
    counts.close_range(day(0), day(3));
    (0..=3).for_each(|number| ledger.close(day(number)));
    let late = |from: i64, to: i64| {
        format!(
            "INSERT INTO source (key, at, amount) SELECT 'key ' || n, '2024-12-02', 1 FROM generate_series({from}, {to}) AS n"
        )
    };
    counts.client.run(&late(1, KEYS));
    assert_eq!(counts.client.lines("SELECT day, key FROM cumulate.note"), ["2024-12-02|"]);
    assert_eq!(counts.apply_late(), 3 * KEYS);
    counts.check(&ledger);
    // Two transactions with half of them each, and a third that overflows after it was rolled back in part.
    counts.client.run("DELETE FROM source WHERE key LIKE 'key %' AND amount = 1");
    counts.apply_late();
    counts.client.run(&late(1, KEYS / 2));
    counts.client.run(&late(KEYS / 2 + 1, KEYS));
    assert_eq!(counts.client.value::<i64>("SELECT count(*) FROM cumulate.note"), KEYS);
    counts.apply_late();
    counts.check(&ledger);
    counts.client.run(&format!(
        "BEGIN; SAVEPOINT one; {}; ROLLBACK TO one; DELETE FROM source WHERE key = 'key 5'; COMMIT",
        late(KEYS + 1, 2 * KEYS)
    ));
    counts.apply_late();
    counts.check(&ledger);
}

#[test]
fn truncate_is_a_change_of_every_day() {
    let (mut counts, mut ledger) = (Counts::new(Form::with_windows(&[2])), Ledger::default());
    counts.insert(&[("a", 0, Some(4)), ("b", 1, Some(1))]);
    counts.close_range(day(0), day(3));
    (0..=3).for_each(|number| ledger.close(day(number)));
    counts.client.run("TRUNCATE source; INSERT INTO source (key, at, amount) VALUES ('c', '2024-12-03', 1)");
    assert_eq!(counts.apply_late(), 4 + 3 + 2);
    counts.check(&ledger);
}

/// One change more than a repair remembers by key, its last on a day that others do not lead to.
#[test]
fn more_changes_than_a_repair_remembers_are_repaired_to_the_last_day() {
    const KEYS: i64 = 25_001;
    let (mut counts, mut ledger) = (Counts::new(Form::with_windows(&[2])), Ledger::default());
    let events = |day: i64, keys: i64| {
        format!(
            "INSERT INTO source (key, at, amount) SELECT 'key ' || n, DATE '2024-12-01' + {day}, 1 FROM generate_series(1, {keys}) AS n"
        )
    };
    counts.client.run(&events(0, KEYS));
    counts.close_range(day(0), day(7));
    (0..=7).for_each(|number| ledger.close(day(number)));
    counts.client.run(&format!("{}; {}", events(1, KEYS), events(5, KEYS - 1)));
    assert_eq!(counts.apply_late(), 2 * KEYS + 2 * (KEYS - 1));
    counts.check(&ledger);
}
