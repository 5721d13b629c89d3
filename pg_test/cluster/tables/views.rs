//! The views as psql shows them.

use crate::counts::cluster;
use crate::programs::program;
use pg_cumulate_tests::Ask;

const MOST_COLUMNS: usize = 120;

/// What psql prints for a query, aligned.
fn shown(database: &str, sql: &str) -> String {
    let output =
        program("psql", cluster(), "postgres").args(["-X", "-d", database, "-c", sql]).output().expect("psql runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("psql prints UTF-8")
}

#[test]
fn tables_status_and_days_fit_into_120_columns() {
    let database = cluster().database_with_extension();
    let mut client = database.connect();
    client.run("SELECT cumulate.create_sales_pipeline('sales')");
    client.run("SELECT sales.generate_events(100000, 100, '2024-12-01', '2024-12-20', seed => 1)");
    client.run("CALL sales.backfill('2024-12-01', '2024-12-10')");
    client.run("DELETE FROM sales.events WHERE product_id = 5");
    let mut writer = database.connect();
    writer.run(
        "SET track_activities = off;
         BEGIN; INSERT INTO sales.events (product_id, event_type, event_date) VALUES (7, 'sell', '2024-12-12')",
    );
    for view in ["tables", "status", "days"] {
        let shown = shown(database.name(), &format!("SELECT * FROM cumulate.{view} LIMIT 20"));
        let widest = shown.lines().map(|line| line.trim_end().chars().count()).max().unwrap_or_default();
        assert!(widest <= MOST_COLUMNS, "cumulate.{view} takes {widest} columns:\n{shown}");
        assert!(shown.contains("sales.daily_cumulate"), "{shown}");
    }
}
