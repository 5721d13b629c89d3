//! A worker: one database, the tables that are due in it, for a while.

use super::look::{self, Service};
use super::stay::Stay;
use super::turn;
use crate::catalog::{notes, runs};
use crate::guc;
use crate::pg::board::{self, Found, Load};
use crate::pg::message;
use crate::pg::process::{self, Cancel};
use crate::pg::settings;
use crate::pg::transaction;
use crate::rules::version::LIBRARY;
use pgrx::pg_sys::{Datum, Oid};
use std::ffi::CString;
use std::time::Duration;

/// A worker waits no longer than this for locks and writers: it comes back, and others have their turn.
const PATIENCE: Duration = Duration::from_secs(1);

/// A worker's place on the board, and what it is started for.
#[derive(Clone, Copy)]
pub struct Place {
    pub number: usize,
    pub database: Oid,
    pub load: Load,
}

impl Place {
    /// As the argument of the worker's process.
    pub fn argument(self) -> Datum {
        let light = u64::from(self.load == Load::Light);
        Datum::from(((self.number as u64) << 33) | (light << 32) | u64::from(self.database.to_u32()))
    }

    fn from_argument(argument: Datum) -> Self {
        let argument = argument.value() as u64;
        let load = if (argument >> 32) & 1 == 1 { Load::Light } else { Load::Any };
        Place { number: (argument >> 33) as usize, database: Oid::from(argument as u32), load }
    }
}

/// The life of a worker.
pub fn main(argument: Datum) {
    let place = Place::from_argument(argument);
    process::take_signals(Cancel::EndsStatement);
    board::enter_place(place.number, place.database);
    process::connect(place.database);
    settings::pin_for_worker();
    let patience = PATIENCE.min(guc::lock_timeout()).as_millis().max(1).to_string();
    let patience = CString::new(patience).unwrap_or_default();
    process::pin(c"lock_timeout", &patience);
    process::pin(c"cumulate.lock_timeout", &patience);
    board::report(place.number, place.database, work(place));
}

fn work(place: Place) -> Found {
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
    let mut stay = Stay::begin(place);
    let found = stay.serve();
    if stay.has_worked() {
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
