//! Short questions to a server, for clients and transactions alike.

use postgres::error::DbError;
use postgres::types::FromSqlOwned;
use postgres::{GenericClient, SimpleQueryMessage};

/// What tests ask of a session. Every method but `refusal` and `attempt` panics, with the SQL, when the server refuses.
pub trait Ask {
    /// Runs one or several commands.
    fn run(&mut self, sql: &str);

    /// Runs one or several commands that may be refused.
    fn attempt(&mut self, sql: &str) -> Result<(), Refusal>;

    /// Runs a command that must be refused, and says how it was.
    fn refusal(&mut self, sql: &str) -> Refusal;

    /// The single value of a query.
    fn value<T: FromSqlOwned>(&mut self, sql: &str) -> T;

    /// The rows of a query as psql -At prints them: columns divided by `|`, NULL as nothing.
    fn lines(&mut self, sql: &str) -> Vec<String>;
}

/// An error of the server, in its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub sqlstate: String,
    pub message: String,
    pub detail: Option<String>,
    pub hint: Option<String>,
}

impl<C: GenericClient> Ask for C {
    fn run(&mut self, sql: &str) {
        self.attempt(sql).unwrap_or_else(|refusal| panic!("{refusal}\nin: {sql}"));
    }

    fn attempt(&mut self, sql: &str) -> Result<(), Refusal> {
        self.batch_execute(sql).map_err(|error| Refusal::of(&error, sql))
    }

    fn refusal(&mut self, sql: &str) -> Refusal {
        self.attempt(sql).err().unwrap_or_else(|| panic!("this was not refused: {sql}"))
    }

    fn value<T: FromSqlOwned>(&mut self, sql: &str) -> T {
        let row = self.query_one(sql, &[]).unwrap_or_else(|error| panic!("{}\nin: {sql}", describe(&error)));
        row.try_get(0).unwrap_or_else(|error| panic!("{error}\nin: {sql}"))
    }

    fn lines(&mut self, sql: &str) -> Vec<String> {
        let messages = self.simple_query(sql).unwrap_or_else(|error| panic!("{}\nin: {sql}", describe(&error)));
        messages.iter().filter_map(line_of).collect()
    }
}

impl Refusal {
    /// Takes an error apart that the server sent; any other, such as a lost connection, ends the test.
    pub fn of(error: &postgres::Error, sql: &str) -> Refusal {
        let sent = error.as_db_error().unwrap_or_else(|| panic!("{error}\nin: {sql}"));
        Refusal::from(sent)
    }
}

impl From<&DbError> for Refusal {
    fn from(error: &DbError) -> Refusal {
        Refusal {
            sqlstate: error.code().code().to_owned(),
            message: error.message().to_owned(),
            detail: error.detail().map(str::to_owned),
            hint: error.hint().map(str::to_owned),
        }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.sqlstate, self.message)?;
        for (label, part) in [("DETAIL", &self.detail), ("HINT", &self.hint)] {
            if let Some(text) = part {
                write!(f, "\n{label}: {text}")?;
            }
        }
        Ok(())
    }
}

fn describe(error: &postgres::Error) -> String {
    error.as_db_error().map_or_else(|| error.to_string(), |sent| Refusal::from(sent).to_string())
}

fn line_of(message: &SimpleQueryMessage) -> Option<String> {
    match message {
        SimpleQueryMessage::Row(row) => {
            let columns: Vec<&str> = (0..row.len()).map(|column| row.get(column).unwrap_or("")).collect();
            Some(columns.join("|"))
        }
        _ => None,
    }
}
