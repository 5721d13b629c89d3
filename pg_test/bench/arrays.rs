//! shift and total over small arrays, net of reading the rows.

use crate::contest::{Bar, Bench, Contest, Contestant, Role};
use crate::report::Report;
use pg_cumulate_tests::{Ask, Database};

/// All in one process: the functions are parallel safe, the subquery is not.
const SERIAL: &str = "SET max_parallel_workers_per_gather = 0";

pub fn run(bench: &Bench, report: &mut Report) {
    let database = bench.cluster.database_with_extension();
    let mut client = database.connect();
    client.run(&format!(
        "CREATE TABLE histories AS SELECT ARRAY[n, n % 7, 3, n % 5, 0, n % 3, 1] AS a FROM generate_series(1, {}) AS n",
        bench.scale.arrays
    ));
    client.run("VACUUM ANALYZE histories");
    let pairs = [
        ("shift", "cumulate.shift(a, 3, 7)", "ARRAY[3] || trim_array(a, 1)", 4.0),
        ("total", "cumulate.total(a)", "(SELECT sum(n) FROM unnest(a) AS n)", 15.0),
    ];
    for (name, ours, published, bar) in pairs {
        let same =
            format!("SELECT bool_and(x = y) FROM (SELECT {ours} AS x, {published} AS y FROM histories) AS pairs");
        assert_eq!(client.lines(&same), ["t"], "{name} is wrong");
        contest(bench, &database, name, [ours, published], bar, report);
    }
}

fn contest(
    bench: &Bench,
    database: &Database,
    name: &str,
    [ours, published]: [&str; 2],
    bar: f64,
    report: &mut Report,
) {
    let over = |role, expression: &str| {
        Contestant::new(role, &[], &format!("SELECT count({expression}) FROM histories"), "").with_session(SERIAL)
    };
    Contest {
        row: format!("{name} of {} arrays of 7 integers, net of reading", bench.scale.arrays),
        database,
        rounds: bench.scale.rounds,
        contestants: vec![over(Role::Ours, ours), over(Role::Published, published), over(Role::Reading, "a")],
        bars: vec![Bar::at_least(bar, Role::Published)],
    }
    .run("", report);
}
