//! How snapshots lie in their tables, without a clock: what later reads and closes are quick by.

use crate::counts::{Counts, Form, day};
use pg_cumulate_tests::Ask;

/// Keys of which some have events on a day, some are new on it, and all have arrays of different lengths.
fn busy_days(counts: &mut Counts) {
    counts.client.run(
        "INSERT INTO source (key, at, amount)
         SELECT 'key ' || lpad(n::text, 4, '0'), DATE '2024-12-01' + d, n
           FROM generate_series(0, 5) AS d, generate_series(1, 3000) AS n
          WHERE hashint8extended(n * 10 + d, 0) % 3 = 0",
    );
}

fn lies_in_key_order(counts: &mut Counts, partition: &str) -> bool {
    counts.client.value(&format!(
        "SELECT bool_and(before IS NULL OR before < place)
           FROM (SELECT ctid AS place, lag(ctid) OVER (ORDER BY key) AS before FROM {partition}) AS rows"
    ))
}

fn by_day() -> Counts {
    let mut counts = Counts::new(Form { more: "partition_by => 'day'", ..Form::with_windows(&[7]) });
    busy_days(&mut counts);
    counts
}

#[test]
fn a_day_with_a_partition_of_its_own_lies_in_key_order() {
    let mut counts = by_day();
    for number in 0..4 {
        counts.close_range(day(number), day(number));
        let partition = format!("counts_2024120{}", number + 1);
        assert!(lies_in_key_order(&mut counts, &partition), "{partition}");
    }
    assert_eq!(counts.client.lines("SELECT * FROM cumulate.verify('counts')"), Vec::<String>::new());
}

#[test]
fn a_day_after_one_that_lies_in_any_order_is_right_and_lies_in_key_order_again() {
    let mut counts = by_day();
    counts.close_range(day(0), day(1));
    // Changed rows move to the end of their table, new keys among them; then all is turned round.
    counts.client.run(
        "INSERT INTO source (key, at, amount)
         SELECT 'key ' || lpad(n::text, 4, '0'), '2024-12-01', 1 FROM generate_series(1, 3000, 7) AS n",
    );
    counts.apply_late();
    assert!(!lies_in_key_order(&mut counts, "counts_20241202"));
    counts.close_range(day(2), day(2));
    assert!(lies_in_key_order(&mut counts, "counts_20241203"));
    counts.client.run(
        "CREATE TEMP TABLE kept AS SELECT * FROM counts_20241203 ORDER BY key DESC;
         TRUNCATE counts_20241203; INSERT INTO counts SELECT * FROM kept",
    );
    counts.close_range(day(3), day(3));
    assert!(lies_in_key_order(&mut counts, "counts_20241204"));
    let constraints = "SELECT conname FROM pg_constraint
         WHERE contype = 'c' AND conrelid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = 'counts'::regclass)";
    assert_eq!(
        counts.client.lines(constraints),
        Vec::<String>::new(),
        "what helps to attach a partition does not stay"
    );
    assert_eq!(counts.client.lines("SELECT * FROM cumulate.verify('counts')"), Vec::<String>::new());
}
