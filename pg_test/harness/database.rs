//! A database of a test's own, so that tests can share a server.

use crate::ask::Ask;
use crate::cluster::Cluster;
use postgres::Client;
use std::sync::atomic::{AtomicU32, Ordering};

/// A new database of a running cluster, dropped at the end of the test. A failed test leaves it, and the cluster.
#[derive(Debug)]
pub struct Database<'c> {
    cluster: &'c Cluster,
    name: String,
}

/// Encodings that a database can have: the usual one; one byte a letter; several bytes a letter, other than UTF-8 has
/// them; and none at all, where texts are bytes.
pub const ENCODINGS: [&str; 4] = ["UTF8", "LATIN1", "EUC_JP", "SQL_ASCII"];

impl Cluster {
    /// A new, empty database.
    pub fn database(&self) -> Database<'_> {
        self.database_in("UTF8")
    }

    /// A new, empty database of an encoding.
    pub fn database_in(&self, encoding: &str) -> Database<'_> {
        static MADE: AtomicU32 = AtomicU32::new(1);
        let name = format!("test_{}", MADE.fetch_add(1, Ordering::Relaxed));
        // Nobody can be connected to template0, so it can be copied at any time.
        self.connect("postgres").run(&format!(
            "CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'"
        ));
        Database { cluster: self, name }
    }

    /// A new database with the extension.
    pub fn database_with_extension(&self) -> Database<'_> {
        self.database_with_extension_in("UTF8")
    }

    /// A new database of an encoding with the extension.
    pub fn database_with_extension_in(&self, encoding: &str) -> Database<'_> {
        let database = self.database_in(encoding);
        database.connect().run("CREATE EXTENSION pg_cumulate");
        database
    }
}

impl Database<'_> {
    /// A new session of the superuser.
    pub fn connect(&self) -> Client {
        self.cluster.connect(&self.name)
    }

    /// A new session of any role.
    pub fn connect_as(&self, role: &str) -> Client {
        self.cluster.connect_as(&self.name, role)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The cluster it is in.
    pub fn cluster(&self) -> &Cluster {
        self.cluster
    }
}

impl Drop for Database<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("database {} was left as the failed test left it", self.name);
            self.cluster.keep();
        } else if let Ok(mut client) = self.cluster.try_connect("postgres") {
            // The cluster goes soon anyway: what is still connected does not matter.
            let _ = client.batch_execute(&format!("DROP DATABASE {} WITH (FORCE)", self.name));
        }
    }
}
