//! How fast the extension is. Each row of the contract's table is a contest: ours, the published SQL, SQL that knows
//! better, and the copying of finished rows run in turns on one server. A time counts only after its result has been
//! found equal to what the model, or a closed formula, says.
//!
//! Times on a busy or a strange machine mean nothing; the ratios of one round do.
#![forbid(unsafe_code)]

mod arrays;
mod backfill;
mod chart;
mod close;
mod contest;
mod fill;
mod forecast;
mod generate;
mod growth;
mod ingest;
mod late;
mod pattern;
mod report;
mod scale;
mod statistics;
mod stopwatch;
mod week;

use contest::Bench;
use report::Report;
use scale::Scale;

/// A row of the table, or several that share their data.
type Row = (&'static str, fn(&Bench, &mut Report));

const ROWS: [Row; 9] = [
    ("close", close::run),
    ("fill", fill::run),
    ("backfill", backfill::run),
    ("generate", generate::run),
    ("late", late::run),
    ("arrays", arrays::run),
    ("ingest", ingest::run),
    ("growth", growth::run),
    ("forecast", forecast::run),
];

fn main() {
    // cargo adds an argument of its own.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let quick = arguments.iter().any(|argument| argument == "quick");
    let named = |row: &&Row| arguments.iter().any(|argument| argument == row.0);
    let chosen: Vec<&Row> = ROWS.iter().filter(named).collect();
    let chosen = if chosen.is_empty() { ROWS.iter().collect() } else { chosen };
    let mut scale = if quick { Scale::QUICK } else { Scale::FULL };
    let rounds = arguments.iter().find_map(|argument| argument.strip_prefix("rounds="));
    if let Some(rounds) = rounds.map(|number| number.parse().expect("rounds= takes a number")) {
        (scale.rounds, scale.long_rounds, scale.growth_rounds) = (rounds, rounds, rounds);
    }
    let bench = Bench::start(scale);
    let mut report = Report::of(&bench);
    for (name, run) in chosen {
        println!("\n== {name}");
        run(&bench, &mut report);
        report.save();
    }
    report.finish();
}
