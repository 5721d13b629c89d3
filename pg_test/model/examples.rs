//! The law by examples computed by hand.

use super::*;

/// A source row of the examples: key, day of December 2024, amount.
type Sale = (&'static str, u32, Option<i64>);

fn day(number: u32) -> Day {
    Day::from_ymd_opt(2024, 12, number).expect("a day of December")
}

fn source(sales: &[Sale]) -> Vec<Entry<Option<i64>>> {
    let entry = |sale: &Sale| Entry { key: Some(vec![sale.0.to_owned()]), day: Some(day(sale.1)), event: sale.2 };
    sales.iter().map(entry).collect()
}

fn amounts(rollup: Rollup, zero: Value) -> Metric<Option<i64>> {
    let sum = |events: &[&Option<i64>]| {
        let known: Vec<i64> = events.iter().copied().flatten().copied().collect();
        if known.is_empty() { Value::Null } else { Value::integer(known.iter().sum()) }
    };
    Metric { name: "amount".to_owned(), of_day: Box::new(sum), rollup, zero }
}

fn definition(shape: Shape, windows: &[usize]) -> Definition<Option<i64>> {
    Definition {
        start: day(1),
        windows: windows.to_vec(),
        shape,
        expire_idle: false,
        filter: Box::new(|_| true),
        metrics: vec![amounts(Rollup::Sum, Value::integer(0))],
    }
}

/// The first metric's array and totals of a key, as text; `None` when the key has no row.
fn shown(definition: &Definition<Option<i64>>, sales: &[Sale], key: &str, on: u32) -> Option<(String, String)> {
    let rows = snapshot(definition, &source(sales), day(on));
    let list = |values: &[Value]| values.iter().map(Value::to_string).collect::<Vec<_>>().join(",");
    let row = rows.get(&vec![key.to_owned()])?;
    Some((list(&row.metrics[0].array), list(&row.metrics[0].totals)))
}

fn history(array: &str, totals: &str) -> Option<(String, String)> {
    Some((array.to_owned(), totals.to_owned()))
}

#[test]
fn a_ragged_array_grows_from_the_first_event_to_the_window() {
    let definition = definition(Shape::Ragged, &[3]);
    let sales = [("a", 2, Some(5)), ("a", 4, Some(7))];
    assert_eq!(shown(&definition, &sales, "a", 1), None);
    assert_eq!(shown(&definition, &sales, "a", 2), history("5", "5"));
    assert_eq!(shown(&definition, &sales, "a", 3), history("0,5", "5"));
    assert_eq!(shown(&definition, &sales, "a", 4), history("7,0,5", "12"));
    assert_eq!(shown(&definition, &sales, "a", 5), history("0,7,0", "7"));
    assert_eq!(shown(&definition, &sales, "a", 9), history("0,0,0", "0"));
}

#[test]
fn a_padded_array_has_the_window_from_the_first_day_on() {
    let definition = definition(Shape::Padded, &[3]);
    let sales = [("a", 2, Some(5)), ("a", 4, Some(7))];
    assert_eq!(shown(&definition, &sales, "a", 1), None);
    assert_eq!(shown(&definition, &sales, "a", 2), history("5,0,0", "5"));
    assert_eq!(shown(&definition, &sales, "a", 4), history("7,0,5", "12"));
}

#[test]
fn an_idle_key_expires_after_the_window_and_comes_back() {
    let definition = Definition { expire_idle: true, ..definition(Shape::Padded, &[3]) };
    let sales = [("a", 2, Some(5)), ("a", 8, Some(1))];
    assert_eq!(shown(&definition, &sales, "a", 4), history("0,0,5", "5"));
    assert_eq!(shown(&definition, &sales, "a", 5), None);
    assert_eq!(shown(&definition, &sales, "a", 7), None);
    assert_eq!(shown(&definition, &sales, "a", 8), history("1,0,0", "1"));
}

#[test]
fn a_row_with_a_null_metric_keeps_an_idle_key_alive() {
    let definition = Definition { expire_idle: true, ..definition(Shape::Padded, &[2]) };
    let sales = [("a", 2, None)];
    assert_eq!(shown(&definition, &sales, "a", 3), history("0,0", "0"));
    assert_eq!(shown(&definition, &sales, "a", 4), None);
}

#[test]
fn every_window_has_a_total_and_the_longest_makes_the_array() {
    let definition = definition(Shape::Ragged, &[2, 4, 30]);
    let sales = [("a", 1, Some(1)), ("a", 2, Some(2)), ("a", 3, Some(4)), ("a", 5, Some(8))];
    assert_eq!(shown(&definition, &sales, "a", 5), history("8,0,4,2,1", "8,14,15"));
}

#[test]
fn rows_before_the_start_filtered_out_or_with_nulls_are_not_there() {
    let definition = Definition {
        start: day(3),
        filter: Box::new(|amount: &Option<i64>| *amount != Some(99)),
        ..definition(Shape::Ragged, &[7])
    };
    let mut rows = source(&[("a", 2, Some(5)), ("a", 4, Some(1)), ("b", 4, Some(99))]);
    rows.push(Entry { key: None, day: Some(day(4)), event: Some(1) });
    rows.push(Entry { key: Some(vec!["c".to_owned()]), day: None, event: Some(1) });
    let snapshot = snapshot(&definition, &rows, day(5));
    assert_eq!(snapshot.keys().collect::<Vec<_>>(), [&vec!["a".to_owned()]]);
    assert_eq!(snapshot[&vec!["a".to_owned()]].metrics[0].array, [Value::integer(0), Value::integer(1)]);
}

#[test]
fn roll_ups_ignore_null_and_are_null_of_nothing() {
    let sales = [("a", 1, Some(6)), ("a", 2, None), ("a", 3, Some(3)), ("a", 5, Some(4)), ("b", 2, None)];
    let totals = |rollup: Rollup, key: &str| {
        let metrics = vec![amounts(rollup, Value::Null)];
        shown(&Definition { metrics, ..definition(Shape::Ragged, &[2, 5]) }, &sales, key, 6)
    };
    let array = "NULL,4,NULL,3,NULL";
    assert_eq!(totals(Rollup::Sum, "a"), history(array, "4,7"));
    assert_eq!(totals(Rollup::Max, "a"), history(array, "4,4"));
    assert_eq!(totals(Rollup::Min, "a"), history(array, "4,3"));
    assert_eq!(totals(Rollup::Avg, "a"), history(array, "~4,~3.5"));
    assert_eq!(totals(Rollup::Last, "a"), history(array, "4,4"));
    assert_eq!(totals(Rollup::None, "a"), history(array, ""));
    assert_eq!(totals(Rollup::Sum, "b"), history("NULL,NULL,NULL,NULL,NULL", "NULL,NULL"));
}

#[test]
fn a_declared_zero_counts_in_the_roll_up() {
    let metrics = vec![amounts(Rollup::Min, Value::integer(2))];
    let definition = Definition { metrics, ..definition(Shape::Ragged, &[3]) };
    let sales = [("a", 1, Some(6)), ("a", 2, Some(9))];
    assert_eq!(shown(&definition, &sales, "a", 2), history("9,6", "6"));
    assert_eq!(shown(&definition, &sales, "a", 3), history("2,9,6", "2"));
}
