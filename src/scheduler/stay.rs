//! A worker's stay in its database: tables take turns, and it ends when others wait for the worker.

use super::look::{self, Due};
use super::turn::{self, Ended};
use super::worker::Place;
use crate::guc;
use crate::pg::board::{self, Found, Load};
use crate::pg::{identity, transaction};
use pgrx::pg_sys::Oid;
use std::cell::Cell;
use std::time::{Duration, Instant};

/// How long a worker stays, but for the batch that it is at.
const LONGEST: Duration = Duration::from_secs(60);

/// A table whose last turn was this long ago has the next one: who is at work gives way at its next batch.
const TURN: Duration = Duration::from_secs(10);

/// Whether other tables wait is asked this often.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

/// What takes longer is left by a light worker.
pub const LIGHT: Duration = Duration::from_secs(5);

pub struct Stay {
    place: Place,
    began: Instant,
    looked: Cell<Instant>,
    /// Tables that had nothing to do after all, and when.
    passed: Vec<(Oid, Instant)>,
    worked: bool,
}

impl Stay {
    pub fn begin(place: Place) -> Self {
        let now = Instant::now();
        Stay { place, began: now, looked: Cell::new(now), passed: Vec::new(), worked: false }
    }

    /// Gives tables their turns, until none is due or others wait for the worker.
    pub fn serve(&mut self) -> Found {
        loop {
            let due = match transaction::run(None, || Ok(self.look())) {
                Ok(due) => due,
                Err(failure) => return turn::lament("look for what is due", &failure),
            };
            let (open, heavy): (Vec<_>, Vec<_>) = due.into_iter().partition(|table| self.may_take(table));
            if open.is_empty() {
                return if heavy.is_empty() { Found::Idle } else { Found::Heavy };
            }
            for table in open {
                if self.is_over() {
                    return Found::More;
                }
                match turn::take(&table, self) {
                    Ended::Worked => self.worked = true,
                    Ended::Nothing => self.passed.push((table.target, Instant::now())),
                }
                if self.looked.get().elapsed() >= BETWEEN_LOOKS {
                    break;
                }
            }
        }
    }

    /// Whether any table had something to do.
    pub fn has_worked(&self) -> bool {
        self.worked
    }

    /// Whether it should end: it has been long, or another database waits for the worker, or somebody waits for this
    /// database to be left.
    pub fn is_over(&self) -> bool {
        self.began.elapsed() >= LONGEST
            || board::is_to_leave(self.place.number, self.place.database)
            || transaction::run(None, || Ok(identity::database_is_wanted())).unwrap_or(true)
    }

    /// Whether a table waits that should have its turn before the one that is at work goes on.
    pub fn others_wait(&self, at_work: Oid) -> bool {
        if self.looked.get().elapsed() < BETWEEN_LOOKS {
            return false;
        }
        let long_ago = look::unix_now() - TURN.as_secs() as i64;
        let waits = |table: &Due| {
            table.target != at_work && self.may_take(table) && table.served_at.is_none_or(|at| at <= long_ago)
        };
        transaction::run(None, || Ok(self.look().iter().any(waits))).unwrap_or(true)
    }

    /// How long a batch may take.
    pub fn limit(&self) -> Option<Duration> {
        (self.place.load == Load::Light).then_some(LIGHT)
    }

    /// Tables that are due, but for those that had nothing to do a moment ago.
    fn look(&self) -> Vec<Due> {
        self.looked.set(Instant::now());
        let passed =
            |target: Oid| self.passed.iter().any(|(other, when)| *other == target && when.elapsed() < guc::naptime());
        let mut due = look::due_tables();
        due.retain(|table| !passed(table.target));
        due
    }

    fn may_take(&self, table: &Due) -> bool {
        self.place.load == Load::Any || !table.slow
    }
}
