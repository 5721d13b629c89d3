//! Filling one day of the daily table from the source.

use crate::contest::{Bar, Bench, Contest, Contestant, Role};
use crate::pattern::{aggregate, tables};
use crate::report::Report;
use crate::week::{TODAY, create, database};
use pg_cumulate_tests::Ask;

pub fn run(bench: &Bench, report: &mut Report) {
    let database = database(bench);
    let mut client = database.connect();
    create(&mut client, "counts", "partition_by => 'month'");
    client.run(&tables("copied"));
    let day = format!("DATE '{TODAY}'");
    let digest = |table: &str| {
        format!(
            "SELECT count(*), sum(hashtextextended(t::text, 0)::numeric)
               FROM (SELECT product_id, sell, return, reorder, snapshot_date FROM {table}) AS t"
        )
    };
    let forget = "DELETE FROM cumulate.ledger WHERE target = 'counts'::regclass";
    let populate = format!("SELECT cumulate.populate_day('counts', '{TODAY}')");
    client.run(&aggregate("events", "copied", &day));
    let expected = client.lines(&digest("copied_daily")).concat();
    Contest {
        row: format!("fill one day of the daily table, {} events", bench.scale.keys * 35 / 100 * 4 / 3),
        database: &database,
        rounds: bench.scale.rounds,
        contestants: vec![
            Contestant::new(Role::Ours, &["TRUNCATE counts_daily", forget], &populate, &digest("counts_daily")),
            Contestant::new(
                Role::Limit,
                &["TRUNCATE copied_daily"],
                &aggregate("events", "copied", &day),
                &digest("copied_daily"),
            ),
        ],
        bars: vec![Bar::at_most(1.2, Role::Limit)],
    }
    .run(&expected, report);
}
