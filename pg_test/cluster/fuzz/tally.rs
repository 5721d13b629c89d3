//! What became of the calls of each function.

use crate::call::Call;
use pg_cumulate_tests::Refusal;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// Calls of each function that reach its body, unless the environment asks for another number: some minutes' worth.
pub const CALLS: u32 = 1000;
/// For each of these, calls in all.
pub const IN_ALL: u32 = 100;
/// Of a hundred calls, where success is possible.
const LEAST_SUCCESSES: u32 = 20;

#[derive(Default)]
struct Line {
    calls: u32,
    reached: u32,
    successes: u32,
    refusals: BTreeMap<String, u32>,
    time: Duration,
}

#[derive(Default)]
pub struct Tally {
    lines: BTreeMap<String, Line>,
    /// Answers that no user should get, as text.
    pub unclean: Vec<String>,
}

/// Words that only the inside of the library would say.
const INSIDE: [&str; 12] = [
    "panick",
    "unwrap",
    "called `",
    "backtrace",
    "src/",
    ".rs:",
    "Some(",
    "None)",
    "Err(",
    "Oid(",
    "PgSqlErrorCode",
    "overflowed",
];

impl Tally {
    pub fn count(&mut self, function: &str, call: &Call, answer: &Result<(), Refusal>, time: Duration) {
        let line = self.lines.entry(function.to_owned()).or_default();
        line.calls += 1;
        line.reached += u32::from(call.reaches);
        line.time += time;
        match answer {
            Ok(()) => line.successes += 1,
            Err(refusal) => {
                *line.refusals.entry(refusal.sqlstate.clone()).or_default() += 1;
                if let Some(why) = fault(refusal) {
                    self.unclean.push(format!("{why}\n{refusal}\nin: {}", shortened(&call.text())));
                }
            }
        }
    }

    pub fn reached(&self, function: &str) -> u32 {
        self.lines.get(function).map_or(0, |line| line.reached)
    }

    pub fn calls(&self) -> u32 {
        self.lines.values().map(|line| line.calls).sum()
    }

    pub fn add(&mut self, other: Tally) {
        for (function, more) in other.lines {
            let line = self.lines.entry(function).or_default();
            line.calls += more.calls;
            line.reached += more.reached;
            line.successes += more.successes;
            line.time += more.time;
            for (sqlstate, count) in more.refusals {
                *line.refusals.entry(sqlstate).or_default() += count;
            }
        }
        self.unclean.extend(other.unclean);
    }

    /// Panics with what is missing or unclean.
    pub fn assert_clean(&self, calls: u32) {
        let shown: Vec<&str> = self.unclean.iter().take(20).map(String::as_str).collect();
        assert!(shown.is_empty(), "{} unclean answers:\n\n{}", self.unclean.len(), shown.join("\n\n"));
        let few: Vec<&String> =
            self.lines.iter().filter(|(_, line)| line.reached < calls).map(|(name, _)| name).collect();
        assert!(few.is_empty(), "fewer than {calls} calls: {few:?}");
        assert!(self.calls() >= calls * IN_ALL, "{} calls in all", self.calls());
        let failing = self.lines.iter().filter(|(_, line)| line.successes * 100 < line.calls * LEAST_SUCCESSES);
        let failing: Vec<&String> = failing.map(|(name, _)| name).collect();
        assert!(failing.is_empty(), "fewer than {LEAST_SUCCESSES}% of the calls succeed: {failing:?}");
    }
}

/// What is wrong with an error, if anything is.
fn fault(refusal: &Refusal) -> Option<String> {
    let parts = [Some(&refusal.message), refusal.detail.as_ref(), refusal.hint.as_ref()];
    if refusal.sqlstate.starts_with("XX") {
        return Some("an internal error".to_owned());
    }
    if refusal.message.trim().is_empty() || refusal.message.contains('\0') {
        return Some("no message".to_owned());
    }
    if refusal.message.ends_with('.') && refusal.sqlstate != "P0001" && !refusal.message.ends_with("..") {
        return Some("a message with a full stop".to_owned());
    }
    let said = |word: &&&str| parts.iter().flatten().any(|part| part.contains(**word));
    INSIDE.iter().find(said).map(|word| format!("it says {word:?}"))
}

fn shortened(call: &str) -> String {
    const LONGEST: usize = 1500;
    if call.chars().count() <= LONGEST {
        call.to_owned()
    } else {
        call.chars().take(LONGEST).collect::<String>() + " ..."
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<28}{:>8}{:>9}{:>11}{:>8}  refusals", "function", "calls", "reached", "succeeded", "ms")?;
        for (name, line) in &self.lines {
            let share = line.successes * 100 / line.calls.max(1);
            let refusals: Vec<String> =
                line.refusals.iter().map(|(sqlstate, count)| format!("{sqlstate} {count}")).collect();
            writeln!(
                f,
                "{name:<28}{:>8}{:>9}{:>7}{share:>3}%{:>8.1}  {}",
                line.calls,
                line.reached,
                line.successes,
                line.time.as_secs_f64() * 1000.0 / f64::from(line.calls),
                refusals.join(", ")
            )?;
        }
        write!(f, "{} calls", self.calls())
    }
}
