//! Days advance by themselves, in every database that has the extension. As autovacuum is built: one launcher, connected
//! to no database, starts short-lived workers, one database each.
//!
//! launcher -> [`rota`]: which database next -> worker -> [`stay`]: which table next, and whether others wait ->
//! [`look`]: which tables are due -> [`turn`]: a table's run

pub mod launcher;
mod look;
mod rota;
mod stay;
mod turn;
pub mod worker;

use crate::pg::process::{self, Kind};
use crate::pg::transaction::{self, Moment};
use crate::pg::{board, identity};
use std::cell::Cell;

pub use look::{Service, service, stored, unix_now};

const LAUNCHER: Kind = Kind { name: c"pg_cumulate launcher", function: c"pg_cumulate_launcher" };
const WORKER: Kind = Kind { name: c"pg_cumulate worker", function: c"pg_cumulate_worker" };

/// How long the postmaster waits before it starts a launcher that has ended anew.
const RESTART_SECONDS: i32 = 5;

thread_local! {
    /// Whether this transaction has made something due.
    static WAKES: Cell<bool> = const { Cell::new(false) };
}

/// When the library is loaded: the launcher, if that is at the server's start.
pub fn register() {
    transaction::on_end(|moment| match moment {
        Moment::BeforeCommit => {}
        Moment::Committed => {
            if WAKES.take() {
                board::ask(identity::current_database());
            }
        }
        Moment::GivenUp => WAKES.set(false),
    });
    if process::is_preloading() {
        board::reserve();
        process::register(&LAUNCHER, RESTART_SECONDS);
    }
}

/// Has the launcher look at this database once the transaction has committed.
pub fn wake_at_commit() {
    WAKES.set(true);
}
