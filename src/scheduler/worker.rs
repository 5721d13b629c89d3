//! A worker: one database, the tables that are due in it, for a while.

use super::look::{self, LIBRARY, Service};
use super::turn::{self, Ended};
use crate::catalog::{notes, runs};
use crate::guc;
use crate::pg::board::{self, Found};
use crate::pg::identity;
use crate::pg::message;
use crate::pg::process::{self, Cancel};
use crate::pg::transaction;
use pgrx::pg_sys::{Datum, Oid};
use std::ffi::{CStr, CString};
use std::time::{Duration, Instant};

/// How long a worker stays, but for the batch that it is at.
const STAY: Duration = Duration::from_secs(60);

/// How long a table's turn is while others wait.
const TURN: Duration = Duration::from_secs(10);

/// What the owner of a database could set for every process in it, and would change what runs do.
const PINS: [(&CStr, &CStr); 9] = [
    (c"search_path", c"pg_catalog, pg_temp"),
    (c"TimeZone", c"UTC"),
    (c"default_transaction_isolation", c"read committed"),
    (c"default_transaction_read_only", c"off"),
    (c"default_transaction_deferrable", c"off"),
    (c"session_replication_role", c"origin"),
    (c"statement_timeout", c"0"),
    (c"idle_in_transaction_session_timeout", c"0"),
    (c"row_security", c"off"),
];

/// The life of a worker.
pub fn main(argument: Datum) {
    let argument = argument.value() as u64;
    let (place, database) = ((argument >> 32) as usize, Oid::from(argument as u32));
    process::take_signals(Cancel::EndsStatement);
    board::enter_place(place, database);
    process::connect(database);
    for (name, value) in PINS {
        process::pin(name, value);
    }
    let lock_timeout = CString::new(guc::lock_timeout().as_millis().to_string()).unwrap_or_default();
    process::pin(c"lock_timeout", &lock_timeout);
    let found = work();
    board::report(place, database, found);
}

fn work() -> Found {
    match transaction::run(None, || Ok(look::service())) {
        Ok(Service::NoExtension) => return Found::NoExtension,
        Ok(Service::Newer(version)) => {
            say_newer(&version);
            // As without the extension, so that it is not said at each look.
            return Found::NoExtension;
        }
        Ok(Service::Off) => return Found::Idle,
        Ok(Service::On) => {}
        Err(failure) => return turn::lament("look at the database", &failure),
    }
    let deadline = Instant::now() + STAY;
    let mut worked = false;
    let found = loop {
        let due = match transaction::run(None, || Ok(look::due_tables())) {
            Ok(due) => due,
            Err(failure) => break turn::lament("look for what is due", &failure),
        };
        let mut moved = false;
        for (index, table) in due.iter().enumerate() {
            if Instant::now() >= deadline || is_wanted() {
                return Found::More(table.since);
            }
            let others_wait = index + 1 < due.len();
            let end = if others_wait { deadline.min(Instant::now() + TURN) } else { deadline };
            moved |= turn::take(table, end) == Ended::Worked;
        }
        worked |= moved;
        if !moved {
            break Found::Idle;
        }
    };
    if worked {
        let (age, rows) = guc::run_history();
        // Each by itself: whoever drops the extension locks one table after the other, too.
        tidy("remove old runs", || runs::prune(age, rows));
        tidy("remove notes of dropped tables", notes::prune);
    }
    found
}

fn tidy(what: &str, work: impl FnOnce()) {
    let done = transaction::run(None, || {
        work();
        Ok(())
    });
    if let Err(failure) = done {
        turn::lament(what, &failure);
    }
}

fn say_newer(version: &str) {
    let what =
        format!("pg_cumulate {LIBRARY}, which the server has loaded, does not know the extension of version {version}");
    message::log(&what, "Restart the server, so that it loads the library that was installed with it.");
}

/// Whether somebody waits for this database to be left.
pub fn is_wanted() -> bool {
    transaction::run(None, || Ok(identity::database_is_wanted())).unwrap_or(true)
}
