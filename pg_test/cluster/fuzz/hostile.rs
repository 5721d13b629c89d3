//! Values that nobody should pass, by type and name.

use crate::surface::Argument;
use crate::values::{Value, value};
use crate::words::{
    BIGINTS, BROKEN_JSON, CHOICES, DAYS_OF_ALL_TIMES, EXPRESSIONS, INTEGERS, INTERVALS, METRICS, SCHEDULES, TEXTS,
    ZONES,
};
use crate::world::{TARGETS, World};
use pg_cumulate_tests::{Dice, literal};

/// A value that its type takes, whatever the function says of it.
pub fn hostile(argument: &Argument, world: &World, dice: &mut Dice) -> Value {
    if dice.percent(8) {
        return value(format!("NULL::{}", argument.type_name));
    }
    let typed = |text: &str| value(format!("{}::{}", literal(text), argument.type_name));
    match argument.type_name.as_str() {
        "regclass" => regclass(world, dice),
        "oid" => value(dice.one(&["0::oid", "1::oid", "4294967295::oid", "'pg_class'::regclass::oid", "2200::oid"])),
        "text" => typed(&hostile_text(&argument.name, dice)),
        "date" if dice.percent(30) => value(format!("current_date + {}", dice.below(40) as i64 - 20)),
        "date" => typed(dice.one(DAYS_OF_ALL_TIMES)),
        "json" if dice.percent(3) => Value { reaches: false, ..typed(dice.one(BROKEN_JSON)) },
        "json" if dice.percent(5) => value(nested_json(dice)),
        "json" if argument.name == "metric" => typed(&one_metric(dice)),
        "json" => typed(dice.one(METRICS)),
        "jsonb" => value(dice.one(&[
            "'{}'::jsonb",
            "'[]'::jsonb",
            "'null'::jsonb",
            "'\"a\"'::jsonb",
            "'{\"key\": null}'::jsonb",
            "'{\"key\": [1, {\"a\": 2}]}'::jsonb",
            "'{\"key\": \"a\", \"key\": \"b\"}'::jsonb",
            "'{\"key\": \"a\", \"snapshot_date\": \"x\"}'::jsonb",
            "'{\"number\": 1e400}'::jsonb",
            "'{\"number\": \"1; DROP TABLE counts\"}'::jsonb",
            "jsonb_build_object('key', repeat('k', 20000))",
            "jsonb_build_object('user', 'x')",
        ])),
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
        "shape" | "late" | "partition_by" | "profile" | "period" | "cohort" | "metric" => Some(CHOICES),
        _ => None,
    };
    match own {
        Some(own) if dice.percent(70) => dice.one(own).to_owned(),
        _ if dice.percent(8) => "ü".repeat(*dice.pick(&[31, 32, 63, 64, 5000])),
        _ if dice.percent(8) => "x".repeat(*dice.pick(&[62, 63, 64, 100, 20_000])),
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
    let depth = *dice.pick(&[50, 127, 128, 129, 3000]);
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
        7 => dice.pick(&world.dropped).clone(),
        _ => dice.one(&["0", "1", "2147483647", "4294967295", "1259"]).to_owned(),
    };
    value(format!("{sql}::regclass"))
}

/// An array of numbers.
pub fn array(type_name: &str, dice: &mut Dice, is_hostile: bool) -> Value {
    let element = type_name.trim_end_matches("[]");
    let sql = match if is_hostile { dice.below(11) } else { 11 } {
        0 => "'{}'".to_owned(),
        1 => "'{NULL}'".to_owned(),
        2 => "'{NULL,NULL,1}'".to_owned(),
        3 => "'{{1,2},{3,4}}'".to_owned(),
        4 => "'[5:7]={1,2,3}'".to_owned(),
        5 => "'[-2147483647:-2147483646]={1,2}'".to_owned(),
        6 => format!("array_fill(1::{element}, ARRAY[{}])", *dice.pick(&[3659, 3660, 3661, 30_000])),
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
