//! A filter that changes: history is made again by it.

use crate::counts::{Counts, Form, day};
use pg_cumulate_tests::Ask;

/// A table over some days; amounts are 1 to 40.
fn filtered(form: Form) -> Counts {
    let mut counts = Counts::new(form);
    for number in 0..40 {
        let key = ["a", "b", "c"][number as usize % 3];
        counts.insert(&[(key, number % 8, Some(number + 1))]);
    }
    counts.close_range(day(0), day(9));
    counts
}

fn state(counts: &mut Counts) -> Vec<String> {
    let verified = counts.client.lines("SELECT * FROM cumulate.verify('counts')");
    assert_eq!(verified, Vec::<String>::new());
    counts.client.lines("SELECT sum(events), sum(amount), count(*) FROM counts_daily")
}

/// What the daily table adds up to when it has the events of such a condition.
fn of_source(counts: &mut Counts, condition: &str) -> Vec<String> {
    counts.client.lines(&format!(
        "SELECT count(*), sum(amount), count(DISTINCT (key, at)) FROM source WHERE at <= '2024-12-13' AND ({condition})"
    ))
}

const FILTER: &str = "amount > 20 AND key <> 'b' OR amount = 1";

#[test]
fn history_is_made_again_by_a_filter_that_is_set_changed_and_removed() {
    for form in [
        Form::with_windows(&[7, 2]),
        Form { expire_idle: true, ..Form::with_windows(&[3]).padded() },
        Form { more: "late => 'none'", ..Form::with_windows(&[3]) },
        Form { more: "late => 'scan', partition_by => 'day'", ..Form::with_windows(&[3]) },
    ] {
        println!("{form:?}");
        let mut counts = filtered(form);
        let whole = state(&mut counts);
        counts.client.run(&format!(
            "REVOKE ALL ON FUNCTION counts_rows FROM PUBLIC; SELECT cumulate.alter_table('counts', filter => $${FILTER}$$)"
        ));
        // Until a run has made it, all days wait.
        assert_eq!(state(&mut counts), whole);
        counts.apply_late();
        let kept = of_source(&mut counts, FILTER);
        assert_eq!(state(&mut counts), kept);
        assert_eq!(counts.client.value::<i64>("SELECT count(*) FROM counts WHERE key = 'b'"), 0);
        let call: String = counts.client.value("SELECT cumulate.definition('counts')");
        assert!(call.contains("amount > 20"), "{call}");
        let public =
            "SELECT count(*) FROM pg_proc p, aclexplode(p.proacl) a WHERE p.proname = 'counts_rows' AND a.grantee = 0";
        assert_eq!(counts.client.value::<i64>(public), 0);
        counts.insert(&[("b", 1, Some(50)), ("c", 2, Some(60)), ("c", 12, Some(2))]);
        counts.client.run("SELECT cumulate.restate('counts', '2024-12-01', '2024-12-10')");
        counts.close_range(day(10), day(12));
        let kept = of_source(&mut counts, FILTER);
        assert_eq!(state(&mut counts), kept);
        counts.client.run("SELECT cumulate.alter_table('counts', filter => '')");
        counts.apply_late();
        let all = of_source(&mut counts, "true");
        assert_eq!(state(&mut counts), all);
        let call: String = counts.client.value("SELECT cumulate.definition('counts')");
        assert!(call.contains("filter => NULL"), "{call}");
        // The same again is no change.
        counts.client.run("SELECT cumulate.alter_table('counts', filter => '')");
        assert_eq!(counts.client.value::<i64>("SELECT count(*) FROM cumulate.note"), 0);
    }
}

#[test]
fn a_filter_that_cannot_be_is_refused_and_nothing_changes() {
    let mut counts = filtered(Form::with_windows(&[3]));
    let whole = state(&mut counts);
    let refused = [
        ("amount", "42804"),
        ("amont > 1", "42703"),
        ("true) OR (true", "42601"),
        ("at < now()", "42P17"),
        ("sum(amount) > 1", "42601"),
        (" ", "42601"),
    ];
    for (filter, sqlstate) in refused {
        let refusal = counts.client.refusal(&format!("SELECT cumulate.alter_table('counts', filter => '{filter}')"));
        assert_eq!(refusal.sqlstate, sqlstate, "{filter}: {refusal}");
    }
    counts.client.run("SELECT cumulate.freeze('counts', '2024-12-03')");
    let refusal = counts.client.refusal("SELECT cumulate.alter_table('counts', filter => 'amount > 1')");
    assert_eq!(refusal.sqlstate, "55000", "{refusal}");
    assert_eq!(counts.client.value::<i64>("SELECT count(*) FROM cumulate.note"), 0);
    assert_eq!(state(&mut counts), whole);
}
