//! Stored rows held against the law.

use super::Day;
use super::law::{History, Key, Snapshot};
use super::value::Value;
use std::collections::BTreeMap;

/// A row of a cumulative table as the server gave it, every value as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRow {
    pub key: Key,
    /// In the order of the definition's metrics.
    pub metrics: Vec<StoredHistory>,
}

/// A metric's array (`None` when the column is NULL) and its totals in the order of the windows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredHistory {
    pub array: Option<Vec<Option<String>>>,
    pub totals: Vec<Option<String>>,
}

/// Every way in which stored rows differ from the snapshot of a day: nothing when they are equal.
pub fn differences(day: Day, metrics: &[&str], expected: &Snapshot, stored: &[StoredRow]) -> Vec<String> {
    let mut found = Vec::new();
    let mut rows: BTreeMap<&Key, &StoredRow> = BTreeMap::new();
    for row in stored {
        if rows.insert(&row.key, row).is_some() {
            found.push(format!("{day} {:?}: stored twice", row.key));
        }
        if !expected.contains_key(&row.key) {
            found.push(format!("{day} {:?}: stored, but not in the snapshot", row.key));
        }
    }
    for (key, row) in expected {
        let Some(stored) = rows.get(key) else {
            found.push(format!("{day} {key:?}: missing"));
            continue;
        };
        for (index, name) in metrics.iter().enumerate() {
            let at = format!("{day} {key:?} {name}");
            found.extend(history_differences(&at, &row.metrics[index], &stored.metrics[index]));
        }
    }
    found
}

fn history_differences(at: &str, expected: &History, stored: &StoredHistory) -> Vec<String> {
    let array = stored.array.as_deref();
    let mut found = Vec::new();
    if !array.is_some_and(|array| all_agree(&expected.array, array)) {
        let shown = array.map_or_else(|| "NULL".to_owned(), show_stored);
        found.push(format!("{at} array: stored {shown}, expected {}", show(&expected.array)));
    }
    if !all_agree(&expected.totals, &stored.totals) {
        let (stored, expected) = (show_stored(&stored.totals), show(&expected.totals));
        found.push(format!("{at} totals: stored {stored}, expected {expected}"));
    }
    found
}

fn all_agree(expected: &[Value], stored: &[Option<String>]) -> bool {
    expected.len() == stored.len()
        && expected.iter().zip(stored).all(|(expected, stored)| expected.agrees_with(stored.as_deref()))
}

fn show(values: &[Value]) -> String {
    let shown: Vec<String> = values.iter().map(Value::to_string).collect();
    format!("{{{}}}", shown.join(","))
}

fn show_stored(values: &[Option<String>]) -> String {
    let shown: Vec<&str> = values.iter().map(|value| value.as_deref().unwrap_or("NULL")).collect();
    format!("{{{}}}", shown.join(","))
}

#[cfg(test)]
mod tests {
    use super::super::law::Row;
    use super::*;

    fn day() -> Day {
        Day::from_ymd_opt(2024, 12, 1).expect("a day of December")
    }

    fn expected(key: &str, array: &[i64], total: i64) -> Snapshot {
        let array = array.iter().map(|element| Value::integer(*element)).collect();
        let history = History { array, totals: vec![Value::integer(total)] };
        Snapshot::from([(vec![key.to_owned()], Row { metrics: vec![history] })])
    }

    fn stored(key: &str, array: &[&str], total: &str) -> StoredRow {
        let array = Some(array.iter().map(|element| Some((*element).to_owned())).collect());
        let history = StoredHistory { array, totals: vec![Some(total.to_owned())] };
        StoredRow { key: vec![key.to_owned()], metrics: vec![history] }
    }

    #[test]
    fn equal_rows_have_no_difference() {
        let found = differences(day(), &["sell"], &expected("a", &[1, 2], 3), &[stored("a", &["1", "2"], "3")]);
        assert_eq!(found, Vec::<String>::new());
    }

    #[test]
    fn each_kind_of_difference_is_told() {
        let snapshot = expected("a", &[1, 2], 3);
        let told = |rows: &[StoredRow]| differences(day(), &["sell"], &snapshot, rows);
        assert_eq!(told(&[]), ["2024-12-01 [\"a\"]: missing"]);
        let right = stored("a", &["1", "2"], "3");
        assert_eq!(told(&[right.clone(), right.clone()]), ["2024-12-01 [\"a\"]: stored twice"]);
        let stranger = stored("b", &["1"], "1");
        assert_eq!(told(&[right, stranger]), ["2024-12-01 [\"b\"]: stored, but not in the snapshot"]);
        let short = told(&[stored("a", &["1"], "3")]);
        assert_eq!(short, ["2024-12-01 [\"a\"] sell array: stored {1}, expected {1,2}"]);
        let wrong = told(&[stored("a", &["1", "2"], "4")]);
        assert_eq!(wrong, ["2024-12-01 [\"a\"] sell totals: stored {4}, expected {3}"]);
    }
}
