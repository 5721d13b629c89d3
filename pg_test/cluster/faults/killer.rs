//! Signals for single processes. A victim is stopped first, so that it is known what it was at when the signal came.

use crate::processes::{self, Process};
use crate::toll::Fault;
use crate::world::World;
use pg_cumulate_tests::{Dice, send};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How long a worker is looked for: with nothing to do there is one for a moment of each second.
const LOOK: Duration = Duration::from_millis(1500);

pub fn strike(world: &World, mut dice: Dice) {
    while !world.is_over() {
        match dice.below(40) {
            0..15 => backend(world, &mut dice, Fault::TerminateBackend, "TERM"),
            15..21 => backend(world, &mut dice, Fault::CancelBackend, "INT"),
            21..23 => backend(world, &mut dice, Fault::KillBackend, "KILL"),
            23..31 => worker(world, &mut dice, Fault::TerminateWorker, "TERM"),
            31..36 => worker(world, &mut dice, Fault::CancelWorker, "INT"),
            36..39 => worker(world, &mut dice, Fault::KillWorker, "KILL"),
            _ => launcher(world, &mut dice),
        }
        world.pause(100 + dice.below(400));
    }
}

/// A session: mostly one that is in a call of the engine.
fn backend(world: &World, dice: &mut Dice, fault: Fault, signal: &str) {
    let mut sessions = children(world);
    sessions.retain(Process::is_session);
    if dice.percent(80) && sessions.iter().any(Process::is_at_work) {
        sessions.retain(Process::is_at_work);
    }
    if sessions.is_empty() {
        return;
    }
    let victim = dice.pick(&sessions);
    hit(world, victim, signal, Process::is_session, |process| world.toll.met(fault, process.is_at_work()));
}

/// A worker of the scheduler, some time after it has begun: one with nothing to do has ended by then.
fn worker(world: &World, dice: &mut Dice, fault: Fault, signal: &str) {
    let until = Instant::now() + LOOK;
    while Instant::now() < until && !world.is_over() {
        if let Some(victim) = children(world).into_iter().find(Process::is_worker) {
            world.pause(30 + dice.below(60));
            if hit(world, &victim, signal, Process::is_worker, |process| world.toll.struck(fault, process.pid)) {
                return;
            }
        }
        world.pause(4);
    }
}

/// Its end is no fault to be counted, but whoever comes after it must find its workers.
fn launcher(world: &World, dice: &mut Dice) {
    let signal = if dice.percent(50) { "TERM" } else { "KILL" };
    if let Some(victim) = children(world).into_iter().find(Process::is_launcher) {
        hit(world, &victim, signal, Process::is_launcher, |_| {
            *world.toll.counts().done.entry("end the launcher").or_default() += 1;
        });
    }
}

/// Sends a signal to a process that is still what it was; whether it was.
fn hit(
    world: &World,
    victim: &Process,
    signal: &str,
    is_still: impl Fn(&Process) -> bool,
    count: impl FnOnce(&Process),
) -> bool {
    let postmaster = world.postmaster.load(Ordering::Relaxed);
    let Some(process) = processes::freeze(postmaster, victim.pid) else { return false };
    let pid = [process.pid.to_string()];
    let is_still = is_still(&process);
    if is_still {
        // What pg_terminate_backend and pg_cancel_backend send.
        send(signal, &pid);
        count(&process);
    }
    send("CONT", &pid);
    is_still
}

fn children(world: &World) -> Vec<Process> {
    processes::of_server(world.postmaster.load(Ordering::Relaxed))
}
