//! What has been measured: on the terminal, as JSON, as a table for the documents, and as a picture.

use crate::chart::{self, Panel};
use crate::contest::{Bar, Bench, Measure, Measured, Role};
use pg_cumulate_tests::{Ask, Server};
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;

pub struct Report {
    scale: &'static str,
    machine: String,
    settings: Vec<String>,
    rows: Vec<Value>,
    /// Lines of the table for the documents.
    table: Vec<String>,
    failed: usize,
}

const ROLES: [Role; 5] = [Role::Ours, Role::Published, Role::Sensible, Role::Limit, Role::Reading];

impl Report {
    pub fn of(bench: &Bench) -> Report {
        let settings = bench.cluster.connect("postgres").lines(
            "SELECT name || ' = ' || current_setting(name) FROM pg_settings
              WHERE source = 'configuration file' OR name IN ('work_mem', 'maintenance_work_mem', 'wal_level',
                    'max_parallel_workers_per_gather', 'max_parallel_maintenance_workers') ORDER BY name",
        );
        let report = Report {
            scale: bench.scale.name,
            machine: machine(),
            settings,
            rows: Vec::new(),
            table: Vec::new(),
            failed: 0,
        };
        println!("{}, {}, {} size", report.machine, Server::installed().version(), report.scale);
        report
    }

    pub fn add(&mut self, measured: Measured) {
        println!("{}", measured.row);
        let seconds = |role: Role| {
            measured.spread(role, |sample| sample.wall).map_or_else(|| "–".to_owned(), |spread| show(spread.median))
        };
        for role in ROLES.iter().filter(|role| measured.samples.contains_key(role)) {
            let wall = measured.spread(*role, |sample| sample.wall).expect("the role has samples");
            let cpu = measured.spread(*role, |sample| sample.cpu).expect("the role has samples");
            println!(
                "  {:<10}{:>9} s ({} to {}), {} s of CPU",
                role.name(),
                show(wall.median),
                show(wall.low),
                show(wall.high),
                show(cpu.median)
            );
        }
        let verdicts: Vec<String> = measured.bars.iter().map(|bar| self.verdict(&measured, bar)).collect();
        let cells = [Role::Ours, Role::Published, Role::Sensible, Role::Limit].map(seconds);
        self.table.push(format!("| {} | {} | {} |", measured.row, cells.join(" | "), verdicts.join("<br>")));
        self.rows.push(in_json(&measured));
    }

    fn verdict(&mut self, measured: &Measured, bar: &Bar) -> String {
        let ratio = measured.ratio(bar);
        let holds = bar.bound.holds(ratio.median);
        self.failed += usize::from(!holds);
        let of = if bar.measure == Measure::Cpu { "CPU of " } else { "" };
        let words = if holds { "holds" } else { "DOES NOT HOLD" };
        println!(
            "  {:.2} ({:.2} to {:.2}), bar: {} {of}{}: {words}",
            ratio.median,
            ratio.low,
            ratio.high,
            bar.bound.text(),
            bar.against.name()
        );
        let missed = if holds { "" } else { ", missed" };
        format!("{:.2} against {of}{} ({}{missed})", ratio.median, bar.against.name(), bar.bound.text())
    }

    /// A number that has its own bar, such as a ratio of sizes.
    pub fn judge(&mut self, what: &str, found: f64, most: f64) {
        let holds = found <= most;
        self.failed += usize::from(!holds);
        println!("  {what}: {found:.2}, bar: at most {most}: {}", if holds { "holds" } else { "DOES NOT HOLD" });
        self.table.push(format!("| {what} | – | – | – | – | {found:.2} (at most {most}) |"));
        self.rows.push(json!({ "row": what, "found": found, "at_most": most, "holds": holds }));
    }

    /// Draws curves; at full size into the documents.
    pub fn draw(&mut self, panels: Vec<Panel>) {
        let curves = panels.iter().flat_map(|panel| {
            panel
                .curves
                .iter()
                .map(|curve| json!({ "panel": panel.title, "curve": curve.name, "points": curve.points }))
        });
        self.rows.extend(curves);
        let folder = if self.scale == "full" { top().join("docs") } else { folder() };
        write(&folder, "growth.svg", &chart::svg(&panels));
    }

    /// Keeps what there is so far, should a later row fail.
    pub fn save(&self) {
        let results = json!({
            "machine": self.machine, "server": Server::installed().version(), "size": self.scale,
            "settings": self.settings, "rows": self.rows,
        });
        let text = serde_json::to_string_pretty(&results).expect("numbers and texts can be written");
        write(&folder(), "results.json", &text);
        let head = "| work | ours, s | published | sensible | limit | ratio (bar) |\n|---|---|---|---|---|---|";
        let table =
            format!("{}, {}\n\n{head}\n{}\n", self.machine, Server::installed().version(), self.table.join("\n"));
        write(&folder(), "table.md", &table);
    }

    pub fn finish(&self) {
        let all =
            if self.failed == 0 { "all bars hold".to_owned() } else { format!("{} bars do not hold", self.failed) };
        println!("\n{all}; {}", folder().join("results.json").display());
    }
}

fn in_json(measured: &Measured) -> Value {
    let samples = measured.samples.iter().map(|(role, samples)| {
        let wall: Vec<f64> = samples.iter().map(|sample| sample.wall).collect();
        let cpu: Vec<f64> = samples.iter().map(|sample| sample.cpu).collect();
        let memory: Vec<f64> = samples.iter().map(|sample| sample.memory).collect();
        (
            role.name().to_owned(),
            json!({ "wall": wall, "cpu": cpu, "memory": memory, "plan": measured.plans.get(role) }),
        )
    });
    let bars = measured.bars.iter().map(|bar| {
        let ratio = measured.ratio(bar);
        json!({
            "against": bar.against.name(), "bar": bar.bound.text(), "holds": bar.bound.holds(ratio.median),
            "cpu": bar.measure == Measure::Cpu, "quartiles": [ratio.low, ratio.median, ratio.high],
        })
    });
    json!({
        "row": measured.row,
        "samples": samples.collect::<serde_json::Map<String, Value>>(),
        "bars": bars.collect::<Vec<Value>>(),
    })
}

fn show(seconds: f64) -> String {
    let places = if seconds < 0.1 {
        4
    } else if seconds < 10.0 {
        2
    } else {
        1
    };
    format!("{seconds:.places$}")
}

/// Cores and memory: whose machine it is does not matter.
fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kilobytes: f64 = total.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0.0);
    format!("{cores} cores, {:.0} GB of memory", kilobytes / 1048576.0)
}

fn folder() -> PathBuf {
    std::env::var_os("PG_CUMULATE_BENCH").map_or_else(|| top().join("target/bench"), PathBuf::from)
}

fn top() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn write(folder: &PathBuf, name: &str, text: &str) {
    fs::create_dir_all(folder).expect("the folder of the results can be made");
    fs::write(folder.join(name), text).expect("results can be written");
}
