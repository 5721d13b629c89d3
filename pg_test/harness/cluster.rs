//! A throw-away cluster: started, stopped, killed, restarted, followed by a standby.

use crate::ask::Ask;
use crate::builder::{Builder, append_settings};
use crate::folder::ClusterFolder;
use crate::postmaster::{Postmaster, Signal};
use crate::server::Server;
use crate::template::succeed;
use crate::wait::wait_for;
use postgres::{Client, Config, NoTls};
use std::fs;
use std::path::Path;
use std::time::Duration;

/// Crash recovery of a big cluster on a busy machine stays below this.
const START_DEADLINE: Duration = Duration::from_secs(60);

/// Every cluster has a socket folder of its own, so all can have the same port.
const PORT: u16 = 5432;

/// A running or stopped server with its own data and socket. Dropping it stops the server and removes its folder; the
/// folder of a failed test stays and its path is printed.
#[derive(Debug)]
pub struct Cluster {
    server: &'static Server,
    folder: ClusterFolder,
    environment: Vec<(String, String)>,
    postmaster: Option<Postmaster>,
}

/// How to stop a server.
#[derive(Debug, Clone, Copy)]
pub enum StopMode {
    /// Ends the sessions and writes a checkpoint.
    Fast,
    /// Ends at once; the next start recovers from the WAL.
    Immediate,
}

impl Cluster {
    /// A cluster with pg_cumulate preloaded, unless the builder is told otherwise.
    pub fn builder() -> Builder {
        Builder::new()
    }

    pub(crate) fn start_in(
        server: &'static Server,
        folder: ClusterFolder,
        environment: Vec<(String, String)>,
    ) -> Cluster {
        let mut cluster = Cluster { server, folder, environment, postmaster: None };
        cluster.start();
        cluster
    }

    /// Starts the stopped server and waits until it takes connections.
    pub fn start(&mut self) {
        assert!(self.postmaster.is_none(), "the server is running");
        self.postmaster = Some(Postmaster::start(self.server, self.folder(), &self.environment));
        wait_for(START_DEADLINE, "the server to take connections", || {
            let ended = self.postmaster.as_mut().and_then(Postmaster::ended);
            assert!(ended.is_none(), "the server ended at start:\n{}", self.log_end());
            self.try_connect("postgres").ok()
        });
    }

    /// Whether the server has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.postmaster.as_mut().is_some_and(|postmaster| postmaster.ended().is_some())
    }

    /// Starts a server again that has ended by itself.
    pub fn start_again(&mut self) {
        assert!(self.has_ended(), "the server has not ended");
        self.postmaster = None;
        self.start();
    }

    /// Stops the server.
    pub fn stop(&mut self, mode: StopMode) {
        let postmaster = self.postmaster.take().expect("the server is running");
        postmaster.stop(match mode {
            StopMode::Fast => Signal::Interrupt,
            StopMode::Immediate => Signal::Quit,
        });
    }

    /// Stops the server and starts it again.
    pub fn restart(&mut self, mode: StopMode) {
        self.stop(mode);
        self.start();
    }

    /// Kills the server and all of its processes at once, with SIGKILL.
    pub fn kill_group(&mut self) {
        self.postmaster.take().expect("the server is running").kill_all();
    }

    /// Adds a line to postgresql.conf; it counts from the next restart or reload.
    pub fn add_conf(&mut self, line: &str) {
        append_settings(&self.folder, &[line.to_owned()]);
    }

    /// Makes a hot standby of this cluster and starts it.
    pub fn standby(&self) -> Cluster {
        let folder = ClusterFolder::new(self.server);
        let mut backup = self.server.server_program("pg_basebackup");
        backup.args(["-R", "-X", "stream", "-c", "fast", "--no-sync", "-U", "postgres", "-h"]).arg(self.folder());
        succeed(backup.arg("-p").arg(PORT.to_string()).arg("-D").arg(folder.data()));
        Cluster::start_in(self.server, folder, self.environment.clone())
    }

    /// Makes a standby a primary and waits until it is one.
    pub fn promote(&mut self) {
        let promoted: bool = self.connect("postgres").value("SELECT pg_promote(wait => true)");
        assert!(promoted, "the standby was not promoted:\n{}", self.log_end());
    }

    /// A new session of the superuser.
    pub fn connect(&self, database: &str) -> Client {
        self.connect_as(database, "postgres")
    }

    /// A new session of any role.
    pub fn connect_as(&self, database: &str, role: &str) -> Client {
        let session = self.config(database).user(role).connect(NoTls);
        session.unwrap_or_else(|error| panic!("cannot connect to {database} as {role}: {error:?}\n{}", self.log_end()))
    }

    /// A new session, or why there is none.
    pub fn try_connect(&self, database: &str) -> Result<Client, postgres::Error> {
        self.config(database).connect(NoTls)
    }

    /// The parameters of a session, for tests that want notices or options of their own.
    pub fn config(&self, database: &str) -> Config {
        let mut config = Config::new();
        config.host_path(self.folder()).port(PORT).user("postgres").dbname(database);
        config
    }

    /// What `psql -At` prints for a command that must succeed.
    pub fn psql(&self, database: &str, sql: &str) -> String {
        let mut psql = self.server.client_program("psql");
        psql.args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-h"]).arg(self.folder());
        let output = succeed(psql.arg("-p").arg(PORT.to_string()).args(["-d", database, "-c", sql]));
        String::from_utf8(output.stdout).expect("psql prints UTF-8").trim_end().to_owned()
    }

    /// The server that it runs on.
    pub fn server(&self) -> &'static Server {
        self.server
    }

    /// The folder of data, socket and log.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The port of the socket.
    pub fn port(&self) -> u16 {
        PORT
    }

    /// The process id of the running server.
    pub fn pid(&self) -> u32 {
        self.postmaster.as_ref().expect("the server is running").pid()
    }

    /// Everything the server has logged.
    pub fn log(&self) -> String {
        let log = fs::read(self.folder().join("log")).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    /// Keeps the folder after the end of the test, as a failed one does by itself.
    pub fn keep(&self) {
        self.folder.keep();
        eprintln!("kept for a look: {}", self.folder().display());
    }

    fn log_end(&self) -> String {
        const LINES: usize = 30;
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LINES)..].join("\n")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.keep();
        }
        if let Some(postmaster) = self.postmaster.take() {
            postmaster.stop(Signal::Quit);
        }
        self.folder.finish();
    }
}
