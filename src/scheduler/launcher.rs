//! The launcher: sleeps, and starts workers.

use super::rota::{Room, Rota, Visit};
use super::{WORKER, worker};
use crate::guc;
use crate::pg::board::{self, Asked};
use crate::pg::message;
use crate::pg::process::{self, Cancel, Child};
use pgrx::pg_sys::Oid;
use std::time::Instant;

/// A worker that this launcher has started.
struct Running {
    child: Child,
    place: usize,
    visit: Visit,
}

/// The life of the launcher: until the server stops.
pub fn main() {
    process::take_signals(Cancel::Ignored);
    process::connect_to_none();
    board::enter_launcher();
    let began = Instant::now();
    let now = || i64::try_from(began.elapsed().as_millis()).unwrap_or(i64::MAX);
    let mut rota = Rota::default();
    let mut running: Vec<Running> = Vec::new();
    let mut next_scan = 0;
    loop {
        if process::reload() {
            rota.ask_all(now());
            next_scan = 0;
        }
        collect(&mut rota, &mut running, now());
        match board::take_asked() {
            Asked::All => rota.ask_all(now()),
            Asked::These(databases) => databases.iter().for_each(|database| rota.ask(database.to_u32(), now())),
        }
        if now() >= next_scan {
            let present: Vec<u32> = process::databases().iter().map(|database| database.to_u32()).collect();
            rota.refresh(&present, now());
            next_scan = now() + naptime();
        }
        let own: Vec<usize> = running.iter().map(|worker| worker.place).collect();
        let room = Room { most: guc::max_workers(), orphans: board::orphans(&own) };
        start_workers(&mut rota, &mut running, room, now());
        for visit in rota.to_leave(now(), room) {
            let places = running.iter().filter(|worker| worker.visit == visit).map(|worker| worker.place);
            places.for_each(|place| board::have_leave(place, Oid::from(visit.database)));
        }
        let idle = rota.idle_time(now(), room).unwrap_or(i64::MAX).min(next_scan - now());
        // The end of a worker wakes the launcher.
        process::sleep(idle.clamp(1, naptime()));
    }
}

fn naptime() -> i64 {
    i64::try_from(guc::naptime().as_millis()).unwrap_or(i64::MAX)
}

/// Hears what workers that have ended have found.
fn collect(rota: &mut Rota, running: &mut Vec<Running>, now: i64) {
    let ended = running.extract_if(.., |worker| worker.child.has_ended());
    for worker in ended.collect::<Vec<_>>() {
        rota.ended(worker.visit, board::clear_place(worker.place), now, naptime());
    }
}

/// Starts as many as there is room for.
fn start_workers(rota: &mut Rota, running: &mut Vec<Running>, room: Room, now: i64) {
    while let Some(visit) = rota.next(now, room, naptime()) {
        match start_worker(visit) {
            Some(worker) => running.push(worker),
            None => return rota.put_off(visit, now, naptime()),
        }
    }
}

fn start_worker(visit: Visit) -> Option<Running> {
    let database = Oid::from(visit.database);
    let place = board::reserve_place(database)?;
    let child = process::start(&WORKER, worker::Place { number: place, database, load: visit.load }.argument());
    if child.is_none() {
        board::clear_place(place);
    }
    if board::set_crowded(child.is_none()) && child.is_none() {
        message::log(
            "pg_cumulate could not start a worker: all of max_worker_processes are in use",
            "Raise max_worker_processes and restart the server.",
        );
    }
    child.map(|child| Running { child, place, visit })
}
