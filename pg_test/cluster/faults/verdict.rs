//! What the run was, in figures; and whether it passes.

use crate::peace::Findings;
use crate::session::INIT_FILE;
use crate::stage::DATABASE;
use crate::toll::{Counts, Fault, Met};
use crate::world::{World, say};
use pg_cumulate_tests::{Ask, Cluster};
use postgres::Client;
use std::collections::BTreeMap;
use std::time::Duration;

/// Differences that are shown.
const SHOWN: usize = 40;

pub fn give(world: &World, cluster: &Cluster, times: (Duration, Duration), had_disk: bool, findings: Findings) {
    let mut client = cluster.connect(DATABASE);
    let mut counts = world.toll.counts();
    count_runs(&mut client, &mut counts);
    tell(&mut client, &counts, times, &findings);
    let mut wrong = findings.differences;
    wrong.truncate(SHOWN);
    wrong.extend(counts.unexplained.iter().take(SHOWN).cloned());
    wrong.extend(strange_lines(&cluster.log()).into_iter().take(SHOWN));
    wrong.extend(too_few(world, &counts, had_disk));
    if !had_disk {
        say("NO DISK WAS FILLED: that takes root, or a small file system in PG_CUMULATE_SMALL_DISK");
    }
    assert!(wrong.is_empty(), "PG_CUMULATE_FAULT_SEED={}\n{}", world.plan.seed, wrong.join("\n"));
}

/// Which signals met a worker in a run, and which runs took too long: their entries say.
fn count_runs(client: &mut Client, counts: &mut Counts) {
    for strike in counts.strikes.clone() {
        let met: bool = client.value(&format!(
            "SELECT EXISTS (SELECT FROM cumulate.run WHERE pid = {} AND started_at <= to_timestamp({at})
                 AND (finished_at IS NULL OR finished_at >= to_timestamp({at})))",
            strike.pid,
            at = strike.at
        ));
        counts.faults.entry(strike.fault).or_default().in_a_run += u64::from(met);
    }
    let timeouts: i64 = client.value(
        "SELECT count(*) FROM cumulate.run WHERE sqlstate = '57014' AND message LIKE '%statement timeout%'
             AND trigger <> 'backfill'",
    );
    counts.faults.insert(Fault::RunTimeout, Met { times: timeouts as u64, in_a_run: timeouts as u64 });
}

fn tell(client: &mut Client, counts: &Counts, (load, rest): (Duration, Duration), findings: &Findings) {
    let seconds = load.as_secs_f64();
    let carried_out = || counts.done.iter().filter(|(what, _)| **what != "set");
    let done: u64 = carried_out().map(|(_, count)| count).sum();
    say(&format!("{done} commands in {seconds:.0} s, {:.0} a second; of these", done as f64 / seconds));
    for (what, count) in carried_out() {
        say(&format!("  {count:>7}  {what}"));
    }
    say("commands that failed, by SQLSTATE");
    for ((what, sqlstate), count) in &counts.failed {
        say(&format!("  {count:>7}  {sqlstate}  {what}"));
    }
    say("runs");
    for line in client.lines(
        "SELECT format('  %7s  %s %s%s, %s days', count(*), trigger, status, ' ' || sqlstate, sum(days_done))
         FROM cumulate.runs GROUP BY trigger, status, sqlstate ORDER BY trigger, status, sqlstate",
    ) {
        say(&line);
    }
    say("faults, and how many of them met a run or a call of the engine");
    for (fault, met) in &counts.faults {
        say(&format!("  {:>7} {:>7}  {}", met.times, met.in_a_run, fault.name()));
    }
    say(&format!("  {:>7}          recoveries that a full disk ended", counts.stopped_recoveries));
    say(&format!("{} source rows changed by confirmed transactions", counts.changes));
    say(&format!("caught up in {:.0} s", rest.as_secs_f64()));
    say(&format!(
        "held against the model: {} days, {} snapshot rows, {} daily rows, {} source rows: {} differences",
        findings.days,
        findings.snapshot_rows,
        findings.daily_rows,
        findings.source_rows,
        findings.differences.len()
    ));
}

/// What no kill explains in the server's log.
fn strange_lines(log: &str) -> Vec<String> {
    let mut strange = BTreeMap::new();
    for line in log.lines() {
        let is_strange = line.contains("PANIC:")
            || line.contains("panicked")
            || line.contains("TRAP:")
            || (line.contains(" XX0") && !line.contains(INIT_FILE))
            || (line.contains("was terminated by signal") && !line.contains("signal 9"))
            || line.contains("WARNING:  cache reference leak");
        if is_strange {
            let kind = line.split_once("] ").map_or(line, |(_, rest)| rest);
            strange.entry(kind.to_owned()).or_insert_with(|| format!("in the server's log: {line}"));
        }
    }
    strange.into_values().collect()
}

fn too_few(world: &World, counts: &Counts, had_disk: bool) -> Vec<String> {
    let met = |fault: Fault| counts.faults.get(&fault).copied().unwrap_or_default();
    let mut figures = Vec::new();
    for fault in Fault::ALL {
        if fault != Fault::FullDisk || had_disk {
            figures.push((fault.name(), met(fault).times, world.plan.least(fault)));
            figures.push((fault.name(), met(fault).in_a_run, world.plan.least_in_a_run()));
        }
    }
    let kills = [Fault::TerminateBackend, Fault::KillBackend, Fault::TerminateWorker, Fault::KillWorker];
    figures.push(("kills", kills.iter().map(|fault| met(*fault).times).sum(), world.plan.least_kills()));
    figures.push(("late changes", counts.changes, world.plan.least_changes()));
    let few = figures.into_iter().filter(|(_, count, least)| count < least);
    few.map(|(name, count, least)| format!("too few: {name}: {count}, not {least}")).collect()
}
