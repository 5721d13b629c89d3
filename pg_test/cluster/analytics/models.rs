//! What the answers must be, in plain SQL over the source that knows neither daily tables nor one pass over keys.

use crate::scene::{Form, START};
use pg_cumulate_tests::literal;

/// The days asked for, as SQL: never NULL.
#[derive(Debug, Clone)]
pub struct Days {
    pub from: String,
    pub to: String,
}

/// Each key's active days: those with a visit, or with a sum of amounts above 0.
fn active(form: &Form, metric: Option<&str>) -> String {
    let having = match metric {
        None => "",
        Some("visits") => "HAVING count(*) > 0",
        Some("amount") => "HAVING sum(amount) > 0",
        Some("largest") => "HAVING max(amount) > 0",
        Some(other) => panic!("no model of {other}"),
    };
    format!(
        "active AS (SELECT shop, visitor, {day} AS day FROM visits
                    WHERE shop IS NOT NULL AND visitor IS NOT NULL AND {day} >= DATE '{START}' GROUP BY 1, 2, 3 {having}),
         first AS (SELECT shop, visitor, min(day) AS day FROM active GROUP BY 1, 2)",
        day = form.day()
    )
}

pub fn active_keys(form: &Form, days: &Days, metric: Option<&str>) -> String {
    let within = |days: i32| {
        format!(
            "(SELECT count(*) FROM (SELECT DISTINCT shop, visitor FROM active a WHERE a.day BETWEEN d.day - {days} + 1 AND d.day) AS keys)"
        )
    };
    format!(
        "WITH {}, d AS (SELECT day::date FROM generate_series({}, {}, interval '1 day') AS day)
         SELECT d.day, {}, {}, {}, (SELECT count(*) FROM first f WHERE f.day = d.day) FROM d",
        active(form, metric),
        days.from,
        days.to,
        within(1),
        within(7),
        within(28)
    )
}

/// Periods that have a day of the range, and the one before each: first and last days as the calendar has them.
fn periods(period: &str, from: &str, to: &str, anchor: &str) -> String {
    let all = match period {
        "day" => format!(
            "SELECT day::date AS first, day::date AS last FROM generate_series({from}, {to}, interval '1 day') AS day"
        ),
        "week" | "month" => format!(
            "SELECT first::date, (first + interval '1 {period}')::date - 1 AS last
             FROM generate_series(date_trunc('{period}', {from}::timestamp), {to}, interval '1 {period}') AS first"
        ),
        days => format!(
            "SELECT {anchor} - n * {days} - {days} + 1 AS first, {anchor} - n * {days} AS last
             FROM generate_series(-5000, 5000) AS n
             WHERE {anchor} - n * {days} >= {from} AND {anchor} - n * {days} - {days} + 1 <= {to}"
        ),
    };
    let before = match period {
        "week" | "month" => format!("(p.first - interval '1 {period}')::date"),
        "day" => "p.first - 1".to_owned(),
        days => format!("p.first - {days}"),
    };
    format!("p AS (SELECT p.*, {before} AS before FROM ({all}) AS p)")
}

pub fn growth(form: &Form, period: &str, days: &Days, metric: Option<&str>) -> String {
    let Days { from, to } = days;
    format!(
        "WITH {}, {},
         seen AS (
             SELECT p.first, p.last, p.before, f.shop, f.visitor, f.day AS first_day,
                    EXISTS (SELECT FROM active a WHERE (a.shop, a.visitor) = (f.shop, f.visitor)
                            AND a.day BETWEEN p.first AND least(p.last, {to})) AS now,
                    EXISTS (SELECT FROM active a WHERE (a.shop, a.visitor) = (f.shop, f.visitor)
                            AND a.day BETWEEN p.before AND p.first - 1) AS earlier
             FROM p LEFT JOIN first f ON true),
         counted AS (
             SELECT first, last, before, count(*) FILTER (WHERE now) AS active,
                    count(*) FILTER (WHERE now AND first_day >= first) AS new,
                    count(*) FILTER (WHERE now AND earlier) AS retained,
                    count(*) FILTER (WHERE now AND NOT earlier AND first_day < first) AS resurrected,
                    count(*) FILTER (WHERE earlier AND NOT now) AS churned
             FROM seen GROUP BY 1, 2, 3)
         SELECT greatest(first, DATE '{START}'), least(last, {to}), active, new, retained, resurrected,
                CASE WHEN last <= {to} THEN churned END,
                CASE WHEN last <= {to} AND first >= DATE '{START}' AND NOT DATE '{START}' BETWEEN before + 1 AND first - 1
                     THEN (new + resurrected) / nullif(churned, 0)::float8 END
         FROM counted",
        active(form, metric),
        periods(period, from, to, to)
    )
}

/// `through` is the newest day that is closed.
pub fn cohorts(form: &Form, period: &str, count: i32, days: &Days, through: &str, metric: Option<&str>) -> String {
    let Days { from, to } = days;
    format!(
        "WITH {}, {}, n AS (SELECT p.*, row_number() OVER (ORDER BY first) AS number FROM p),
         member AS (SELECT f.shop, f.visitor, n.number, n.first FROM first f JOIN n ON f.day BETWEEN n.first AND n.last
                    WHERE f.day BETWEEN {from} AND {to}),
         size AS (SELECT number, first, count(*) AS keys FROM member GROUP BY 1, 2),
         cell AS (SELECT s.number, s.first, s.keys, n.number - s.number AS period, n.first AS begins, n.last AS ends
                  FROM size s JOIN n ON n.number >= s.number AND n.number < s.number + {count}),
         counted AS (SELECT c.*, (SELECT count(*) FROM member m WHERE m.number = c.number
                                  AND EXISTS (SELECT FROM active a WHERE (a.shop, a.visitor) = (m.shop, m.visitor)
                                              AND a.day BETWEEN c.begins AND least(c.ends, {through}))) AS active FROM cell c)
         SELECT greatest(first, {from}), keys, period::integer, active, CASE WHEN ends <= {through} THEN active / keys::float8 END
         FROM counted",
        active(form, metric),
        periods(period, from, through, to)
    )
}

/// Values of a metric by key and day, as arrays have them.
fn cells(form: &Form, metric: &str) -> String {
    let value = match metric {
        "visits" => "count(*)",
        "amount" => "coalesce(sum(amount), 0)",
        "largest" | "newest" => "max(amount)",
        "mean" => "avg(amount)",
        other => panic!("no model of {other}"),
    };
    format!(
        "cell AS (SELECT shop, visitor, {day} AS day, ({value})::numeric AS value FROM visits
                  WHERE shop IS NOT NULL AND visitor IS NOT NULL AND {day} >= DATE '{START}' GROUP BY 1, 2, 3)",
        day = form.day()
    )
}

fn zero(metric: &str) -> &'static str {
    if matches!(metric, "visits" | "amount") { "0" } else { "NULL" }
}

/// Of one key, or of all keys together.
pub fn series(form: &Form, metric: &str, key: Option<(&str, i32)>, days: &Days) -> String {
    let rollup = if metric == "largest" || key.is_some() { "max" } else { "sum" };
    let of_key =
        key.map_or("true".to_owned(), |(shop, visitor)| format!("shop = {} AND visitor = {visitor}", literal(shop)));
    format!(
        "WITH {}, of_day AS (SELECT day, {rollup}(value) AS value FROM cell WHERE {of_key} GROUP BY 1)
         SELECT d::date, CASE WHEN c.day IS NULL THEN {}::numeric ELSE c.value END
         FROM generate_series({}, {}, interval '1 day') AS d LEFT JOIN of_day c ON c.day = d",
        cells(form, metric),
        zero(metric),
        days.from,
        days.to
    )
}

fn rolled_up(metric: &str, condition: &str) -> String {
    let filter = format!("FILTER (WHERE {condition})");
    let value = match metric {
        "visits" | "amount" => format!("sum(value) {filter}"),
        "largest" => format!("max(value) {filter}"),
        "mean" => format!("avg(value) {filter}"),
        "newest" => format!("(array_agg(value ORDER BY day DESC) FILTER (WHERE {condition} AND value IS NOT NULL))[1]"),
        other => panic!("no model of {other}"),
    };
    format!("coalesce({value}, {}::numeric)", zero(metric))
}

pub fn top(form: &Form, metric: &str, days: &Days, n: i32) -> String {
    let share = if zero(metric) == "0" { "value / nullif(sum(value) OVER (), 0)" } else { "NULL" };
    format!(
        "WITH {}, of_key AS (SELECT shop, visitor, {} AS value FROM cell WHERE day BETWEEN {} AND {} GROUP BY 1, 2),
         ranked AS (SELECT row_number() OVER (ORDER BY value DESC, shop, visitor) AS rank, shop, visitor, value,
                           ({share})::float8 AS share FROM of_key WHERE value IS NOT NULL)
         SELECT rank, jsonb_build_object('shop', shop, 'visitor', visitor), value, share FROM ranked WHERE rank <= {n}",
        cells(form, metric),
        rolled_up(metric, "true"),
        days.from,
        days.to
    )
}

/// The `count` days up to `day` beside those before.
pub fn movers(form: &Form, metric: &str, day: &str, count: i32, n: i32) -> String {
    let middle = format!("{day} - {count}");
    format!(
        "WITH {}, of_key AS (SELECT shop, visitor, {} AS value, {} AS before FROM cell
                             WHERE day BETWEEN {middle} - {count} + 1 AND {day} GROUP BY 1, 2),
         ranked AS (SELECT row_number() OVER (ORDER BY abs(value - before) DESC, shop, visitor) AS rank, *
                    FROM of_key WHERE value <> before)
         SELECT rank, jsonb_build_object('shop', shop, 'visitor', visitor), value, before, value - before
         FROM ranked WHERE rank <= {n}",
        cells(form, metric),
        rolled_up(metric, &format!("day > {middle}")),
        rolled_up(metric, &format!("day <= {middle}"))
    )
}
