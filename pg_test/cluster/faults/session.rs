//! A session that goes on: connected anew whenever it is lost, its failures told apart.

use crate::world::World;
use postgres::error::Severity;
use postgres::{Client, NoTls, SimpleQueryMessage};

/// How a command failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// `lost` when the connection was gone before the server could say why.
    pub sqlstate: String,
    pub message: String,
}

/// What faults do to any command.
const EXPLAINED: &[&str] = &[
    "lost",  // killed, or its server was
    "57P01", // terminated
    "57P02", // another process was killed
    "57P03", // the server starts or recovers
    "57014", // cancelled, by hand or by statement_timeout
    "55P03", // lock_timeout
    "25P03", // idle_in_transaction_session_timeout
    "53100", // the disk is full
    "53300", // no connection is left
];

/// What the start of a session fails with when the disk is full.
pub const INIT_FILE: &str = "could not write init file";

pub struct Session<'w> {
    world: &'w World,
    role: &'static str,
    client: Option<Client>,
}

impl<'w> Session<'w> {
    pub fn new(world: &'w World, role: &'static str) -> Session<'w> {
        Session { world, role, client: None }
    }

    /// Runs one or several commands and counts how they ended; the rows that each returned or changed. What failed is
    /// rolled back.
    pub fn run(&mut self, what: &'static str, sql: &str) -> Result<Vec<u64>, Failure> {
        self.run_where(what, sql, |_| false)
    }

    /// The same, where more failures than those of faults are to be expected.
    pub fn run_where(
        &mut self,
        what: &'static str,
        sql: &str,
        is_expected: impl Fn(&Failure) -> bool,
    ) -> Result<Vec<u64>, Failure> {
        let result = self.query(sql).map(|messages| messages.iter().filter_map(rows_of).collect());
        match &result {
            Ok(_) => *self.world.toll.counts().done.entry(what).or_default() += 1,
            Err(failure) => self.count(what, sql, failure, is_expected(failure)),
        }
        result
    }

    /// The rows of a query, columns divided by `|`.
    pub fn lines(&mut self, what: &'static str, sql: &str) -> Result<Vec<String>, Failure> {
        let result = self.query(sql);
        if let Err(failure) = &result {
            self.count(what, sql, failure, false);
        }
        let line = |message: &SimpleQueryMessage| match message {
            SimpleQueryMessage::Row(row) => {
                Some((0..row.len()).map(|column| row.get(column).unwrap_or("")).collect::<Vec<_>>().join("|"))
            }
            _ => None,
        };
        result.map(|messages| messages.iter().filter_map(line).collect())
    }

    fn query(&mut self, sql: &str) -> Result<Vec<SimpleQueryMessage>, Failure> {
        let Some(client) = self.connected() else {
            return Err(Failure { sqlstate: "lost".to_owned(), message: "the run is over".to_owned() });
        };
        let result = client.simple_query(sql).map_err(|error| Failure::of(&error));
        let goes_on = !client.is_closed() && (result.is_ok() || client.simple_query("ROLLBACK").is_ok());
        if !goes_on {
            self.client = None;
        }
        result
    }

    fn count(&self, what: &'static str, sql: &str, failure: &Failure, is_expected: bool) {
        if !self.world.is_over() || failure.sqlstate != "lost" {
            *self.world.toll.counts().failed.entry((what, failure.sqlstate.clone())).or_default() += 1;
        }
        if !is_expected && !failure.is_explained() {
            self.world.toll.unexplained(format!("{}: {}\nin {what}: {sql}", failure.sqlstate, failure.message));
        }
    }

    /// The connection; None when the run is over before there is one.
    fn connected(&mut self) -> Option<&mut Client> {
        while self.client.is_none() {
            if self.world.is_over() {
                return None;
            }
            match self.world.config(self.role).connect(NoTls) {
                Ok(client) => self.client = Some(client),
                Err(error) => {
                    let failure = Failure::of(&error);
                    self.count("connect", "", &failure, false);
                    self.world.pause(30);
                }
            }
        }
        self.client.as_mut()
    }
}

impl Failure {
    /// PostgreSQL itself has no code for a cache of the catalog that finds no place on the disk.
    fn is_explained(&self) -> bool {
        EXPLAINED.contains(&self.sqlstate.as_str()) || self.message == INIT_FILE
    }

    fn of(error: &postgres::Error) -> Failure {
        error.as_db_error().map_or_else(
            || Failure { sqlstate: "lost".to_owned(), message: format!("{error:?}") },
            |sent| {
                let fatal = if sent.parsed_severity() == Some(Severity::Panic) { "PANIC: " } else { "" };
                Failure { sqlstate: sent.code().code().to_owned(), message: format!("{fatal}{}", sent.message()) }
            },
        )
    }
}

fn rows_of(message: &SimpleQueryMessage) -> Option<u64> {
    match message {
        SimpleQueryMessage::CommandComplete(rows) => Some(*rows),
        _ => None,
    }
}
