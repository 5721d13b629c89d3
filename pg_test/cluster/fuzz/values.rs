//! Values for arguments, as SQL writes them: sensible ones, by function and name.

use crate::hostile::{array, hostile};
use crate::surface::{Argument, Function};
use crate::world::{DAYS, TARGETS, World};
use pg_cumulate_tests::{Dice, literal};

/// A value, and whether a call with it reaches the function's body: what its type refuses does not.
pub struct Value {
    pub sql: String,
    pub reaches: bool,
}

pub fn value(sql: impl Into<String>) -> Value {
    Value { sql: sql.into(), reaches: true }
}

/// What a call is about: chosen once, so that its arguments fit together.
pub struct Theme {
    pub target: String,
    recipe: &'static Recipe,
    /// A distance of days from the first, and one not before it.
    from: u64,
    to: u64,
    number: u64,
}

/// Arguments of create_table that fit together.
struct Recipe {
    source: &'static str,
    time_column: &'static str,
    keys: &'static str,
    metrics: &'static str,
    late: &'static str,
}

const RECIPES: [Recipe; 5] = [
    Recipe {
        source: "source",
        time_column: "at",
        keys: "{key,number}",
        metrics: r#"{"n": "count(*)"}"#,
        late: "trigger",
    },
    Recipe { source: "shown", time_column: "day", keys: "{key}", metrics: r#"{"n": "sum(number)"}"#, late: "scan" },
    Recipe {
        source: "parts",
        time_column: "day",
        keys: "{key}",
        metrics: r#"{"n": {"value": "max(number)", "rollup": "max"}}"#,
        late: "trigger",
    },
    Recipe {
        source: "guarded",
        time_column: "event_date",
        keys: "{product_id}",
        metrics: r#"{"n": "count(*)"}"#,
        late: "none",
    },
    Recipe {
        source: "\"Select\"",
        time_column: "the \"day\"",
        keys: "{user}",
        metrics: r#"{"it's": {"value": "sum(\"it's\")", "rollup": "last"}}"#,
        late: "trigger",
    },
];

impl Theme {
    pub fn choose(function: &Function, dice: &mut Dice) -> Theme {
        let target = match function.name.as_str() {
            "generate_events" => dice.one(&["guarded", "stubborn", "events_shown", "temporary_events"]),
            // Its tables are made anew when they have become too wide.
            name if name.starts_with("add_metric") => "grown",
            _ => dice.one(&TARGETS),
        };
        let from = dice.below(DAYS);
        let to = from + dice.below(DAYS - from);
        Theme { target: target.to_owned(), recipe: dice.pick(&RECIPES), from, to, number: dice.below(10_000) }
    }

    /// The name of an object that the call may make.
    pub fn new_name(&self) -> String {
        format!("made_{}", self.number)
    }
}

/// Questions to a table, which are answered for closed days alone.
pub const QUESTIONS: [&str; 9] =
    ["active_keys", "growth", "cohorts", "series", "top", "movers", "forecast", "backtest", "anomalies"];

impl Theme {
    /// A metric of the target that is one of numbers, and one of its keys.
    fn metric_and_key(&self) -> (&'static str, &'static str) {
        match self.target.as_str() {
            "padded" => ("top", r#"{"key": "a"}"#),
            "triggered" => ("mean", r#"{"number": 7}"#),
            "sales_counts" => ("events", r#"{"product_id": 1, "event_type": "sell"}"#),
            "\"Odd 'name\"\"\"" => ("it's", r#"{"user": "x"}"#),
            _ => ("events", r#"{"key": "a"}"#),
        }
    }
}

/// A value with which the call should succeed.
pub fn sensible(function: &Function, argument: &Argument, theme: &Theme, world: &World, dice: &mut Dice) -> Value {
    let day = |distance: u64| literal(&(world.first_day + chrono::Days::new(distance)).to_string()) + "::date";
    let text = |text: &str| value(literal(text));
    let name = argument.name.as_str();
    match (function.name.as_str(), name) {
        ("create_table", "name") => text(&theme.new_name()),
        ("create_table", "source") => text(theme.recipe.source),
        ("create_table", "time_column") => text(theme.recipe.time_column),
        ("create_table", "keys") => text(theme.recipe.keys),
        ("create_table", "metrics") => text(theme.recipe.metrics),
        ("create_table", "late") => text(theme.recipe.late),
        ("create_table", "daily") => text(&format!("{}_by_day", theme.new_name())),
        ("create_table", "filter") => value(dice.one(&["NULL", "'1 = 1'", "'true'"])),
        ("create_table", "expire_idle") => value("false"),
        ("create_table", "if_not_exists") => value(dice.one(&["true", "false"])),
        ("restate", "keys") => text(&format!("[{}]", theme.metric_and_key().1)),
        ("create_table", "start_date") => {
            value(dice.one(&["NULL", "DATE '2024-01-01'", "current_date", "current_date + 5"]))
        }
        ("alter_table", "late") => value(dice.one(&["NULL", "'none'", "'scan'"])),
        ("create_sales_pipeline", _) => text(&format!("{}_{}", world.schema, theme.new_name())),
        (question, "from_day" | "to_day" | "day" | "as_of") if QUESTIONS.contains(&question) => {
            // The first days are closed; to compare with days before, the last of them.
            let distance = if name == "from_day" { theme.from % 3 } else { 4 + theme.to % 2 };
            value(day(distance))
        }
        (question, "metric") if QUESTIONS.contains(&question) => text(theme.metric_and_key().0),
        ("forecast", "method") => value(dice.one(&["'auto'", "'blend'", "'seasonal_naive'", "'weekday_mean'"])),
        ("forecast", "level") => value(dice.one(&["0.5", "0.9", "0.999"])),
        ("forecast" | "anomalies", "key") if dice.below(3) == 0 => value(dice.one(&["NULL", "'{}'"])),
        ("forecast" | "backtest", "horizon" | "origins") => value((1 + dice.below(20)).to_string()),
        ("anomalies", "threshold") => value(dice.one(&["4", "0.5", "1000"])),
        ("anomalies", "direction") => value(dice.one(&["'both'", "'up'", "'down'"])),
        ("anomalies", "min_expected") => value(dice.one(&["0", "2.5"])),
        ("movers", "days") => value(dice.one(&["1", "2"])),
        (_, "key") => text(theme.metric_and_key().1),
        (_, "period" | "cohort") => value(dice.one(&["'day'", "'week'", "'month'", "'1'", "'3'", "'28'"])),
        (_, "periods") => value((1 + dice.below(20)).to_string()),
        (_, "target") if argument.type_name == "oid" => value(format!("{}::regclass::oid", literal(&theme.target))),
        (_, "owner") => value(dice.one(&["current_user::regrole::oid", "'pg_database_owner'::regrole::oid"])),
        (_, "target") if !function.arguments.is_empty() => text(&theme.target),
        ("add_metric" | "add_metric_begin", "name") => text(&format!("m{}", theme.number)),
        ("add_metric" | "add_metric_begin", "metric") => value(dice.one(&[
            r#"'"count(*)"'"#,
            r#"'"sum(amount)"'"#,
            r#"'{"value": "max(number)", "rollup": "last", "zero": 3}'"#,
        ])),
        (_, "windows") => value(dice.one(&["'{7}'", "'{1,3}'", "'{30,7,2}'", "'{365}'"])),
        (_, "time_zone") => value(dice.one(&["'UTC'", "'Europe/Berlin'", "'Asia/Kathmandu'", "'america/new_york'"])),
        (_, "schedule") => {
            value(dice.one(&["'@daily'", "'*/5 * * * *'", "'0 3 * * mon'", "'30 2 1,15 * *'", "'@monthly'"]))
        }
        (_, "shape") => value(dice.one(&["'ragged'", "'padded'"])),
        (_, "partition_by") => value(dice.one(&["'month'", "'day'", "'none'"])),
        (_, "lookback") => value(dice.below(30).to_string()),
        (_, "retention") => value(dice.one(&["'200 years'", "'3 years'", "NULL"])),
        (_, "profile") => value(dice.one(&["'uniform'", "'retail'"])),
        (_, "events") => value((1 + dice.below(60)).to_string()),
        (_, "products") => value(dice.one(&["1", "2", "3"])),
        (_, "seed") => value(dice.one(&["NULL", "1", "-1", "9223372036854775807"])),
        (_, "through" | "day" | "from_day") => value(day(theme.from)),
        (_, "to_day") => value(day(theme.to)),
        (_, "n") => value((1 + dice.below(20)).to_string()),
        (_, "size" | "days") => value((1 + dice.below(40)).to_string()),
        ("add_metric_fail" | "backfill_fail", _) if argument.type_name == "text" => text("57014"),
        (_, "history") => array(&argument.type_name, dice, false),
        (_, "newest") => value(format!("{}::{}", 1 + dice.below(100), argument.type_name)),
        (_, "reason") => text("a fuzzy one"),
        (_, "keep_data") => value(dice.one(&["true", "false"])),
        _ => hostile(argument, world, dice),
    }
}
