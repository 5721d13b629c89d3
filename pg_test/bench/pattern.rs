//! What people write instead: the published pattern, and the same by somebody who knows PostgreSQL better.

/// The metrics of all contests: name and expression.
pub const METRICS: [&str; 3] = ["sell", "return", "reorder"];

/// The columns of a cumulative table of these metrics.
pub const COLUMNS: &str = "product_id, sell_array, return_array, reorder_array,
    total_sell_7d, total_return_7d, total_reorder_7d, snapshot_date";

/// The definition of the metrics, as create_table takes it.
pub fn metrics() -> String {
    let metric = |name: &str| {
        format!(r#""{name}": {{"value": "count(*) FILTER (WHERE event_type = ''{name}'')", "type": "integer"}}"#)
    };
    format!("{{{}}}", METRICS.map(metric).join(", "))
}

/// A daily and a cumulative table with keys, by hand.
pub fn tables(name: &str) -> String {
    format!(
        "CREATE TABLE {name}_daily (product_id integer NOT NULL, sell integer, return integer, reorder integer,
             snapshot_date date NOT NULL, PRIMARY KEY (snapshot_date, product_id));
         CREATE TABLE {name} (product_id integer NOT NULL,
             sell_array integer[], return_array integer[], reorder_array integer[],
             total_sell_7d bigint, total_return_7d bigint, total_reorder_7d bigint,
             snapshot_date date NOT NULL, PRIMARY KEY (snapshot_date, product_id))"
    )
}

/// One day's counts into the daily table.
pub fn aggregate(source: &str, name: &str, day: &str) -> String {
    format!(
        "INSERT INTO {name}_daily
         SELECT product_id, count(*) FILTER (WHERE event_type = 'sell'), count(*) FILTER (WHERE event_type = 'return'),
                count(*) FILTER (WHERE event_type = 'reorder'), event_date
           FROM {source} WHERE event_date = {day} GROUP BY product_id, event_date"
    )
}

/// Published: yesterday FULL OUTER JOIN today, the newest value in front, the oldest trimmed, totals by unnest.
pub fn published(name: &str, day: &str) -> String {
    let array = |metric: &str| {
        format!(
            "ARRAY[coalesce(t.{metric}, 0)] || CASE WHEN cardinality(y.{metric}_array) = 7
                 THEN trim_array(y.{metric}_array, 1) ELSE y.{metric}_array END AS {metric}_array"
        )
    };
    let total = |metric: &str| format!("(SELECT sum(n) FROM unnest({metric}_array) AS n)");
    format!(
        "WITH yesterday AS (SELECT * FROM {name} WHERE snapshot_date = {day} - 1),
              today AS (SELECT * FROM {name}_daily WHERE snapshot_date = {day}),
              combined AS (SELECT coalesce(y.product_id, t.product_id) AS product_id, {}
                             FROM yesterday AS y FULL OUTER JOIN today AS t ON t.product_id = y.product_id)
         INSERT INTO {name} SELECT product_id, {}, {}, {day} FROM combined",
        METRICS.map(array).join(", "),
        METRICS.map(|metric| format!("{metric}_array")).join(", "),
        METRICS.map(total).join(", ")
    )
}

/// Sensible: arrays cut by a slice, totals carried on by what comes in and what falls off.
pub fn sensible(name: &str, day: &str) -> String {
    let array = |metric: &str| format!("(coalesce(t.{metric}, 0) || y.{metric}_array)[1:7]");
    let total = |metric: &str| {
        format!("coalesce(y.total_{metric}_7d, 0) + coalesce(t.{metric}, 0) - coalesce(y.{metric}_array[7], 0)")
    };
    format!(
        "INSERT INTO {name} SELECT coalesce(y.product_id, t.product_id), {}, {}, {day}
           FROM (SELECT * FROM {name} WHERE snapshot_date = {day} - 1) AS y
           FULL JOIN (SELECT * FROM {name}_daily WHERE snapshot_date = {day}) AS t ON t.product_id = y.product_id",
        METRICS.map(array).join(", "),
        METRICS.map(total).join(", ")
    )
}

/// A text that is the same for the same rows, whatever their order.
pub fn digest(table: &str, condition: &str) -> String {
    format!(
        "SELECT count(*), sum(hashtextextended(t::text, 0)::numeric)
           FROM (SELECT {COLUMNS} FROM {table} WHERE {condition}) AS t"
    )
}
