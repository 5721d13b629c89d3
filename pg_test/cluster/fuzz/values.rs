//! Values for arguments, as SQL writes them: sensible ones by function and name, hostile ones by type.

use crate::dice::Dice;
use crate::surface::{Argument, Function};
use crate::world::{DAYS, TARGETS, World};
use pg_cumulate_tests::literal;

/// A value, and whether a call with it reaches the function's body: what its type refuses does not.
pub struct Value {
    pub sql: String,
    pub reaches: bool,
}

fn value(sql: impl Into<String>) -> Value {
    Value { sql: sql.into(), reaches: true }
}

/// What a call is about: chosen once, so that its arguments fit together.
pub struct Theme {
    pub target: String,
    recipe: &'static Recipe,
    /// A distance of days from the first, and one not before it.
    from: usize,
    to: usize,
    number: usize,
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
        Theme {
            target: target.to_owned(),
            recipe: &RECIPES[dice.below(RECIPES.len())],
            from,
            to,
            number: dice.below(10_000),
        }
    }

    /// The name of an object that the call may make.
    pub fn new_name(&self) -> String {
        format!("made_{}", self.number)
    }
}

/// A value with which the call should succeed.
pub fn sensible(function: &Function, argument: &Argument, theme: &Theme, world: &World, dice: &mut Dice) -> Value {
    let day = |distance: usize| literal(&(world.first_day + chrono::Days::new(distance as u64)).to_string()) + "::date";
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
        ("create_table", "start_date") => {
            value(dice.one(&["NULL", "DATE '2024-01-01'", "current_date", "current_date + 5"]))
        }
        ("alter_table", "late") => value(dice.one(&["NULL", "'none'", "'scan'"])),
        ("create_sales_pipeline", _) => text(&format!("{}_{}", world.schema, theme.new_name())),
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

const TEXTS: &[&str] = &[
    "",
    " ",
    "'",
    "\"",
    "it's",
    "a\"b",
    "x'; DROP TABLE counts; --",
    "x\"; DROP TABLE counts; --",
    "') ; SELECT pg_sleep(9); --",
    "\\",
    "\\x00",
    "$$",
    "$1",
    "%s%n%I",
    "{}",
    "{0}",
    "NULL",
    "null",
    "select",
    "user",
    "table",
    "pg_catalog.pg_class",
    "information_schema.x",
    "pg_temp.x",
    "pg_toast.x",
    "cumulate.x",
    "cumulate.ledger",
    "nowhere.x",
    "a.b.c",
    "a.b.c.d",
    ".",
    "..",
    ".x",
    "x.",
    "\"unclosed",
    "\"\"",
    "\"a\".\"b\"",
    "ключ",
    "表",
    "😀",
    "e\u{301}",
    "\u{202e}gnirts",
    "\u{feff}",
    "a\nb",
    "a\tb",
    "\u{1}",
    "\u{7f}",
    "-1",
    "0",
    "1e400",
    "NaN",
    "infinity",
    "99999999999999999999",
    "2024-02-30",
    "numbers",
    "counts",
    "counts_daily",
    "source",
    "shown",
    "stored",
    "composite",
    "snapshot_date",
    "num_events",
    "key",
    "tableoid",
    "ctid",
    "xmin",
    "*",
];

const EXPRESSIONS: &[&str] = &[
    "number > 3",
    "key = 'a' AND number % 2 = 0",
    "number / 0 > 1",
    "true) OR (true",
    "1 = 1; DROP TABLE counts",
    "(SELECT true)",
    "EXISTS (SELECT FROM pg_class)",
    "random() > 0.5",
    "at > now()",
    "number",
    "count(*) > 1",
    "row_number() OVER () > 1",
    "generate_series(1, 3) > 1",
    "key ~ '('",
    "key LIKE '\\'",
    "nothing = 1",
    "source.key IS NOT NULL",
    "true -- comment",
    "true /* open",
    "$1",
    "NULL",
    "NOT NULL::boolean",
    "ROW(1, 2) = ROW(1, 2)",
    "key COLLATE \"C\" > 'b'",
    "key COLLATE \"nowhere\" > 'b'",
    "pg_sleep(9) IS NULL",
    "set_config('search_path', '', false) = ''",
    "current_user = 'postgres'",
    "shown IS NOT NULL",
    "ctid IS NOT NULL",
    "tableoid > 0",
];

const ZONES: &[&str] = &[
    "posixrules",
    "Factory",
    "localtime",
    "EST5EDT",
    "+03",
    "<+03>-3",
    "UTC+200",
    "No/Where",
    "../../etc/passwd",
    "utc ",
    "Etc/GMT-14",
    "Pacific/Apia",
    "Asia/Tehran",
    "Z",
    "PST8PDT,M3.2.0,M11.1.0",
];

const SCHEDULES: &[&str] = &[
    "* * * * *",
    "0 0 30 2 *",
    "60 * * * *",
    "* * * * * *",
    "@never",
    "@reboot",
    "*/0 * * * *",
    "59-1 * * * *",
    "0 0 L * *",
    "0 0 * * 5#6",
    "0 0 * * 5L",
    "99999999999999999999 * * * *",
    "*/99999 * * * *",
    "0 0 29 2 *",
    "0 0 29 2 1",
    "- * * * *",
    "1,,2 * * * *",
    "0 0 * * 7",
    "0 0 * * 8",
    "0 0 W * *",
    "? ? ? ? ?",
    "0-0/0 * * * *",
    "@DAILY",
    "  0   0  *  *  * ",
    "0 0 1-31 FEB-JAN *",
    "0 0 31 4,6,9,11 *",
];

const CHOICES: &[&str] =
    &["ragged", "padded", "trigger", "scan", "none", "month", "day", "uniform", "retail", "TRIGGER", "none "];

const METRICS: &[&str] = &[
    "{}",
    "[]",
    "null",
    "1",
    "\"count(*)\"",
    r#"{"a": "count(*)", "a": "sum(number)"}"#,
    r#"{"a": {"value": "count(*)", "value": "sum(number)"}}"#,
    r#"{"a": "count(*)", "b": "sum(number)", "c": "avg(number)", "d": "max(key)"}"#,
    r#"{"": "count(*)"}"#,
    r#"{"key": "count(*)"}"#,
    r#"{"snapshot_date": "count(*)"}"#,
    r#"{"num_events": "count(*)"}"#,
    r#"{"a": 1}"#,
    r#"{"a": null}"#,
    r#"{"a": []}"#,
    r#"{"a": {}}"#,
    r#"{"a": {"value": ""}}"#,
    r#"{"a": {"value": "count(*)", "type": "nothing"}}"#,
    r#"{"a": {"value": "count(*)", "type": "integer[]"}}"#,
    r#"{"a": {"value": "count(*)", "type": "record"}}"#,
    r#"{"a": {"value": "count(*)", "type": "composite"}}"#,
    r#"{"a": {"value": "count(*)", "type": "pg_class"}}"#,
    r#"{"a": {"value": "count(*)", "type": "x); DROP TABLE counts; --"}}"#,
    r#"{"a": {"value": "count(*)", "type": "numeric(1000,999)"}}"#,
    r#"{"a": {"value": "count(*)", "type": "smallint", "zero": 40000}}"#,
    r#"{"a": {"value": "count(*)", "zero": 1e400}}"#,
    r#"{"a": {"value": "count(*)", "zero": "x"}}"#,
    r#"{"a": {"value": "count(*)", "zero": []}}"#,
    r#"{"a": {"value": "count(*)", "rollup": "median"}}"#,
    r#"{"a": {"value": "max(key)", "rollup": "max", "zero": "it's"}}"#,
    r#"{"a": {"value": "array_agg(number)", "rollup": "last"}}"#,
    r#"{"a": {"value": "max(at)", "rollup": "min"}}"#,
    r#"{"a": {"value": "json_agg(number)::jsonb", "rollup": "last"}}"#,
    r#"{"a": {"value": "string_agg(key, ',')", "rollup": "none"}}"#,
    r#"{"a": {"value": "count(*)", "daily": "num_events"}}"#,
    r#"{"a": {"value": "count(*)", "daily": "a b\"c'd"}}"#,
    r#"{"a": {"value": "count(*)", "daily": ""}}"#,
    r#"{"a": {"value": "count(*)", "unknown": 1}}"#,
    r#"{"a": "count(*)) FROM pg_class; --"}"#,
    r#"{"a": "(SELECT count(*) FROM pg_class)"}"#,
    r#"{"a": "number"}"#,
    r#"{"a": "sum(sum(number))"}"#,
    r#"{"a": "count(*) OVER ()"}"#,
    r#"{"a": "sum(random())"}"#,
    r#"{"a": "sum(number) / 0"}"#,
    r#"{"a": "sum(nothing)"}"#,
    r#"{"a": "sum(key)"}"#,
    r#"{"a": "percentile_cont(0.5) WITHIN GROUP (ORDER BY number)"}"#,
    r#"{"a": "grouping(key)"}"#,
    r#"{"a'b\"c": "count(*)"}"#,
    r#"{"\u0001": "count(*)"}"#,
    r#"{"ключ😀": "count(*)"}"#,
    r#"{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa": "count(*)"}"#,
    r#"{"a": {"value": {"value": {"value": []}}}}"#,
];

/// json that its type refuses.
const BROKEN_JSON: &[&str] = &["", "{", "{\"a\": }", "{\"a\": \"count(*)\",}", "'", "\\u0000", "{a: 1}", "NaN"];

const DAYS_OF_ALL_TIMES: &[&str] = &[
    "-infinity",
    "infinity",
    "4713-11-24 BC",
    "0044-03-15 BC",
    "0001-01-01",
    "1582-10-10",
    "1970-01-01",
    "1999-12-31",
    "2000-01-01",
    "2024-02-29",
    "9999-12-31",
    "10000-01-01",
    "294276-12-31",
    "294277-01-01",
    "5874897-12-31",
    "today",
    "tomorrow",
    "yesterday",
];

const INTERVALS: &[&str] = &[
    "0",
    "1 microsecond",
    "-1 day",
    "1 day",
    "8 days",
    "31 days",
    "1 month",
    "1 year -12 months",
    "1 month -30 days",
    "178000000 years",
    "-178000000 years",
    "2147483647 days",
    "-2147483648 days",
    "2562047788 hours",
    "200 years",
    "0.5 day",
];

const INTEGERS: &[&str] =
    &["0", "1", "-1", "2", "3660", "3661", "10000", "10001", "32767", "-32768", "2147483647", "-2147483648"];

const BIGINTS: &[&str] = &["4294967295", "4294967296", "9223372036854775807", "(-9223372036854775808)", "1000000001"];

/// A value that its type takes, whatever the function says of it.
pub fn hostile(argument: &Argument, world: &World, dice: &mut Dice) -> Value {
    if dice.percent(8) {
        return value(format!("NULL::{}", argument.type_name));
    }
    let typed = |text: &str| value(format!("{}::{}", literal(text), argument.type_name));
    match argument.type_name.as_str() {
        "regclass" => regclass(world, dice),
        "text" => typed(&hostile_text(&argument.name, dice)),
        "date" if dice.percent(30) => value(format!("current_date + {}", dice.below(40) as i64 - 20)),
        "date" => typed(dice.one(DAYS_OF_ALL_TIMES)),
        "json" if dice.percent(3) => Value { reaches: false, ..typed(dice.one(BROKEN_JSON)) },
        "json" if dice.percent(5) => value(nested_json(dice)),
        "json" if argument.name == "metric" => typed(&one_metric(dice)),
        "json" => typed(dice.one(METRICS)),
        "interval" => typed(dice.one(INTERVALS)),
        "boolean" => value(dice.one(&["true", "false"])),
        // Such a number of events would be written, until the statement is cancelled.
        "bigint" if argument.name == "events" => {
            value(dice.one(&["0", "-1", "300", "1000000001", "9223372036854775807", "(-9223372036854775808)"]))
        }
        "bigint" if dice.percent(40) => value(format!("{}::bigint", dice.one(BIGINTS))),
        "bigint" | "integer" => value(format!("({})::{}", dice.one(INTEGERS), argument.type_name)),
        "smallint" => typed(dice.one(&["0", "-1", "32767", "-32768"])),
        "real" => typed(dice.one(&["NaN", "infinity", "-infinity", "3.4e38", "-0", "1e-45"])),
        "double precision" => typed(dice.one(&["NaN", "infinity", "-infinity", "1.7e308", "-0", "5e-324"])),
        "numeric" if dice.percent(20) => value(format!("repeat('9', {})::numeric", 1 + dice.below(9000))),
        "numeric" => typed(dice.one(&[
            "NaN",
            "infinity",
            "-infinity",
            "0.000000000000000000001",
            "-99999999999999999999999",
            "1e1000",
        ])),
        "text[]" => value(dice.one(&[
            "'{}'::text[]",
            "'{NULL}'::text[]",
            "'{key,key}'::text[]",
            "'{key,NULL}'::text[]",
            "'{{key,number},{at,amount}}'::text[]",
            "'[5:6]={key,number}'::text[]",
            "'{\"\"}'::text[]",
            "'{nothing}'::text[]",
            "'{amount,at}'::text[]",
            "'{ctid}'::text[]",
            "ARRAY['key', 'x''; DROP TABLE counts; --']",
            "array_fill('key'::text, ARRAY[5000])",
            "ARRAY[repeat('k', 20000)]",
            "array_fill(NULL::text, ARRAY[2,2,2])",
            "'{*}'::text[]",
        ])),
        _ => array(&argument.type_name, dice, true),
    }
}

fn hostile_text(name: &str, dice: &mut Dice) -> String {
    let own: Option<&[&str]> = match name {
        "filter" => Some(EXPRESSIONS),
        "time_zone" => Some(ZONES),
        "schedule" => Some(SCHEDULES),
        "shape" | "late" | "partition_by" | "profile" => Some(CHOICES),
        _ => None,
    };
    match own {
        Some(own) if dice.percent(70) => dice.one(own).to_owned(),
        _ if dice.percent(8) => "ü".repeat([31, 32, 63, 64, 5000][dice.below(5)]),
        _ if dice.percent(8) => "x".repeat([62, 63, 64, 100, 20_000][dice.below(5)]),
        _ => dice.one(TEXTS).to_owned(),
    }
}

/// The form of a single metric.
fn one_metric(dice: &mut Dice) -> String {
    let all = dice.one(METRICS);
    let inner = all.split_once(": ").and_then(|(_, rest)| rest.strip_suffix('}'));
    match inner {
        Some(inner) if !inner.contains("\", \"") => inner.to_owned(),
        _ => all.to_owned(),
    }
}

fn nested_json(dice: &mut Dice) -> String {
    let depth = [50, 127, 128, 129, 3000][dice.below(5)];
    format!("(repeat('{{\"a\":', {depth}) || '1' || repeat('}}', {depth}))::json")
}

fn regclass(world: &World, dice: &mut Dice) -> Value {
    let sql = match dice.below(10) {
        0..=2 => literal(dice.one(&TARGETS)),
        3 | 4 => literal(dice.one(&[
            "source",
            "shown",
            "stored",
            "parts",
            "parts_a",
            "parent",
            "child",
            "\"Select\"",
            "abroad",
            "numbers",
            "source_at",
            "composite",
            "guarded",
            "stubborn",
            "events_shown",
            "policed",
            "noted",
            "temporary",
            "temporary_events",
            "counts_daily",
            "counts_latest",
            "policed_counts",
        ])),
        5 => literal(dice.one(&[
            "pg_class",
            "pg_catalog.pg_type",
            "pg_proc",
            "information_schema.tables",
            "pg_toast.pg_toast_1255",
            "pg_database",
            "pg_authid",
            "cumulate.definition",
            "cumulate.ledger",
            "cumulate.note",
            "cumulate.run",
            "cumulate.tables",
            "cumulate.run_pkey",
            "pg_stat_activity",
        ])),
        // Another world's: not before all are made, and a stranger's at that.
        6 => format!(
            "to_regclass('fuzz_{}.{}')",
            dice.below(4),
            dice.one(&["counts", "source", "parts", "padded", "triggered"])
        ),
        7 => world.dropped[dice.below(world.dropped.len())].clone(),
        _ => dice.one(&["0", "1", "2147483647", "4294967295", "1259"]).to_owned(),
    };
    value(format!("{sql}::regclass"))
}

/// An array of numbers.
fn array(type_name: &str, dice: &mut Dice, is_hostile: bool) -> Value {
    let element = type_name.trim_end_matches("[]");
    let sql = match if is_hostile { dice.below(11) } else { 11 } {
        0 => "'{}'".to_owned(),
        1 => "'{NULL}'".to_owned(),
        2 => "'{NULL,NULL,1}'".to_owned(),
        3 => "'{{1,2},{3,4}}'".to_owned(),
        4 => "'[5:7]={1,2,3}'".to_owned(),
        5 => "'[-2147483647:-2147483646]={1,2}'".to_owned(),
        6 => format!("array_fill(1::{element}, ARRAY[{}])", [3659, 3660, 3661, 30_000][dice.below(4)]),
        7 => format!("array_fill(NULL::{element}, ARRAY[{}])", 1 + dice.below(5000)),
        8 => format!("array_fill(1::{element}, ARRAY[2,2,2,2,2,2])"),
        9 => format!("ARRAY[{extreme}, {extreme}, 1]", extreme = extreme(element, dice)),
        10 => format!("ARRAY[0, NULL, {}]", extreme(element, dice)),
        _ => {
            let numbers: Vec<String> = (0..dice.below(12)).map(|_| dice.below(1000).to_string()).collect();
            format!("'{{{}}}'", numbers.join(","))
        }
    };
    value(format!("({sql})::{type_name}"))
}

fn extreme(element: &str, dice: &mut Dice) -> &'static str {
    match element {
        "smallint" => dice.one(&["32767", "-32768"]),
        "integer" => dice.one(&["2147483647", "-2147483648"]),
        "bigint" => dice.one(&["9223372036854775807", "(-9223372036854775808)"]),
        "real" => dice.one(&["'NaN'", "'infinity'", "'-infinity'", "3.4e38"]),
        "double precision" => dice.one(&["'NaN'", "'infinity'", "'-infinity'", "1.7e308"]),
        _ => dice.one(&["'NaN'", "'infinity'", "'-infinity'", "1e1000"]),
    }
}
