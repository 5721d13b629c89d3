//! Faults of the whole server, one after the other: killed, out of disk, out of connections, out of worker processes.

use crate::disk::SmallDisk;
use crate::processes::{self, Process};
use crate::stage::{CROWD, DATABASE};
use crate::toll::Fault;
use crate::world::World;
use pg_cumulate_tests::{Cluster, eventually};
use postgres::{Client, NoTls};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How long the server lives between two of these faults, in milliseconds.
const PEACE: u64 = 900;

/// How long a shortage lasts.
const SHORTAGE: u64 = 900;

/// How long a recovery, or a second one after it, may take.
const RECOVERY: Duration = Duration::from_secs(60);

/// Goes on until the run is over; then the server lacks nothing.
pub fn besiege(world: &World, cluster: &mut Cluster, disk: Option<&SmallDisk>) {
    while !world.is_over() {
        kill_server(world, cluster);
        world.pause(PEACE);
        if let Some(disk) = disk {
            fill_disk(world, cluster, disk);
            world.pause(PEACE);
        }
        use_up_connections(world);
        world.pause(PEACE);
        revive(world, cluster, disk);
        use_up_workers(world);
        world.pause(PEACE);
        revive(world, cluster, disk);
    }
}

/// Waits until the last fault is over and the server takes connections.
pub fn settle(world: &World, cluster: &mut Cluster, disk: Option<&SmallDisk>) {
    eventually(RECOVERY, "the server to take connections", || {
        revive(world, cluster, disk);
        cluster.try_connect(DATABASE).is_ok()
    });
}

/// All processes at once, in the middle of what they are at.
fn kill_server(world: &World, cluster: &mut Cluster) {
    if cluster.has_ended() {
        return;
    }
    let frozen = processes::freeze_all(cluster.pid());
    world.postmaster.store(0, Ordering::Relaxed);
    world.toll.met(Fault::KillServer, is_at_work(&frozen));
    cluster.kill_group();
    cluster.start();
    world.postmaster.store(cluster.pid(), Ordering::Relaxed);
}

fn fill_disk(world: &World, cluster: &mut Cluster, disk: &SmallDisk) {
    let filled = fill_while_at_work(world, disk);
    world.toll.met(Fault::FullDisk, filled);
    world.pause(SHORTAGE);
    revive(world, cluster, Some(disk));
    disk.empty();
}

/// Whether the engine was called between the first and the last byte.
fn fill_while_at_work(world: &World, disk: &SmallDisk) -> bool {
    disk.fill();
    is_at_work(&children(world))
}

/// A recovery that finds the disk full ends the server, as it should: then the disk is emptied.
fn revive(world: &World, cluster: &mut Cluster, disk: Option<&SmallDisk>) {
    if !cluster.has_ended() {
        return;
    }
    world.postmaster.store(0, Ordering::Relaxed);
    let log = cluster.log();
    let since_start = log.rsplit_once("starting PostgreSQL").map_or(log.as_str(), |(_, end)| end);
    if since_start.contains("No space left on device") {
        world.toll.counts().stopped_recoveries += 1;
    } else {
        world.toll.unexplained("the server ended by itself".to_owned());
    }
    if let Some(disk) = disk {
        disk.empty();
    }
    cluster.start_again();
    world.postmaster.store(cluster.pid(), Ordering::Relaxed);
}

fn use_up_connections(world: &World) {
    const MORE_THAN_THERE_ARE: usize = 200;
    let connect = || world.config(CROWD).connect(NoTls);
    let mut crowd: Vec<Client> = Vec::new();
    let refused = (0..MORE_THAN_THERE_ARE).find_map(|_| match connect() {
        Ok(client) => {
            crowd.push(client);
            None
        }
        Err(error) => Some(error),
    });
    // Another fault may have been quicker.
    let full = refused.is_some_and(|error| error.code().is_some_and(|code| code.code() == "53300"));
    if full {
        world.toll.met(Fault::NoConnections, is_at_work(&children(world)));
        world.pause(SHORTAGE / 2);
    }
}

/// Parallel queries that sleep take what is left of max_worker_processes.
fn use_up_workers(world: &World) {
    let Ok(mut client) = world.config(CROWD).connect(NoTls) else { return };
    std::thread::scope(|scope| {
        let query = scope.spawn(move || {
            client.batch_execute(
                "SET max_parallel_workers_per_gather = 8; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0;
                 SELECT count(*) FROM crowd WHERE pg_sleep(0.3)::text = ''",
            )
        });
        world.pause(SHORTAGE / 2);
        let children = children(world);
        let helpers = children.iter().filter(|process| process.title.starts_with("parallel worker")).count();
        // With the launchers of logical replication and of pg_cumulate all eight, or with workers at their work.
        let workers = children.iter().filter(|process| process.is_worker() || process.is_launcher()).count();
        if helpers > 0 && helpers + workers + 1 >= 8 {
            world.toll.met(Fault::NoWorkerSlots, is_at_work(&children));
        }
        // A query that was killed has done what it was for.
        let _ = query.join().expect("a query ends");
    });
}

fn children(world: &World) -> Vec<Process> {
    processes::of_server(world.postmaster.load(Ordering::Relaxed))
}

fn is_at_work(processes: &[Process]) -> bool {
    processes.iter().any(Process::is_at_work)
}
