//! A server under load and under fire: sessions and the scheduler change, close, restate and backfill seven cumulative
//! tables, while processes are killed and cancelled, the whole server is killed, its disk is filled, and connections and
//! worker processes run out. At any moment, and when it is over, every closed, clean day must be the snapshot of the law.
//!
//! [`stage`] is what is played on, [`writers`], [`closers`], [`remaker`], [`mover`] and [`witness`] are the load,
//! [`killer`] and [`siege`] the faults, [`toll`] counts, [`peace`] and [`verdict`] are the end.
//!
//! `PG_CUMULATE_FAULT_SECONDS` is how long it lasts, `PG_CUMULATE_FAULT_SEED` repeats what the sessions ask for and the
//! order of the faults; when which of them meets whom is up to the machine. A small disk is mounted, which takes root;
//! another user may name the folder of one in `PG_CUMULATE_SMALL_DISK`.

mod closers;
mod disk;
mod killer;
mod mover;
mod operator;
mod peace;
mod plan;
mod processes;
mod remaker;
mod session;
mod siege;
mod stage;
mod tables;
mod toll;
mod verdict;
mod witness;
mod world;
mod writers;

#[test]
fn no_fault_leaves_anything_but_the_law() {
    world::run();
}
