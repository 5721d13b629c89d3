//! Today: closed by hand it stays open, and what comes later that day is in it at the next close.

use crate::counts::{Counts, Form, today_at_noon};
use pg_cumulate_tests::Ask;

#[test]
fn today_stays_open_and_takes_what_comes_until_its_end() {
    let (zone, today) = today_at_noon();
    let ago = |days: i64| today - chrono::TimeDelta::days(days);
    let mut counts = Counts::new(Form { zone, start: ago(3), ..Form::with_windows(&[3]) });
    let insert = |counts: &mut Counts, key: &str, days: i64| {
        counts.client.run(&format!("INSERT INTO source (key, at, amount) VALUES ('{key}', '{}', 1)", ago(days)));
    };
    let states = |counts: &mut Counts| counts.client.lines("SELECT state, rows FROM cumulate.days ORDER BY day");
    insert(&mut counts, "a", 2);
    insert(&mut counts, "b", 0);
    counts.close_range(ago(3), ago(1));
    assert_eq!(counts.close(today), 2);
    assert_eq!(states(&mut counts), ["closed|0", "closed|1", "closed|1", "open|2"]);
    assert_eq!(counts.rows("b"), [format!("{today}|{{1}}|{{1}}|1")]);
    // Nothing is noted for today: it is aggregated again at each close.
    let noted = counts.client.value::<i64>("SELECT count(*) FROM cumulate.note");
    insert(&mut counts, "b", 0);
    insert(&mut counts, "c", 0);
    assert_eq!(counts.client.value::<i64>("SELECT count(*) FROM cumulate.note"), noted);
    assert_eq!(counts.close(today), 3);
    assert_eq!(states(&mut counts)[3], "open|3");
    assert_eq!(counts.rows("b"), [format!("{today}|{{2}}|{{2}}|2")]);
    // The newest snapshot of a day that is over.
    assert_eq!(counts.client.lines("SELECT DISTINCT snapshot_date FROM counts_latest"), [ago(1).to_string()]);
    // verify speaks of closed days only.
    insert(&mut counts, "d", 0);
    assert_eq!(counts.client.lines("SELECT * FROM cumulate.verify('counts')"), Vec::<String>::new());
    // A late change of yesterday reaches today's snapshot, too.
    insert(&mut counts, "e", 1);
    assert_eq!(counts.apply_late(), 2);
    assert_eq!(counts.rows("e").len(), 2);
}

#[test]
fn a_day_that_has_not_begun_is_refused_in_the_tables_zone() {
    let (zone, today) = today_at_noon();
    let mut counts = Counts::new(Form { zone, start: today, ..Form::with_windows(&[3]) });
    let tomorrow = today + chrono::TimeDelta::days(1);
    for call in [
        format!("SELECT cumulate.cumulate_day('counts', '{tomorrow}')"),
        format!("SELECT cumulate.cumulate_range('counts', '{today}', '{tomorrow}')"),
        format!("CALL cumulate.backfill('counts', '{today}', '{tomorrow}')"),
    ] {
        assert_eq!(counts.client.refusal(&call).sqlstate, "22023", "{call}");
    }
    assert_eq!(counts.client.value::<i64>("SELECT count(*) FROM cumulate.ledger"), 0);
}
