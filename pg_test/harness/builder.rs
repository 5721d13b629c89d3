//! What is special about a test's cluster.

use crate::cluster::Cluster;
use crate::folder::ClusterFolder;
use crate::server::Server;
use crate::template::copy_template;
use std::fs::OpenOptions;
use std::io::Write;

/// Settings of every test cluster; those of the test come after them and win.
const BASE_SETTINGS: &[&str] = &[
    "fsync = off",
    "listen_addresses = ''",
    "max_connections = 50",
    "timezone = 'UTC'",
    "log_timezone = 'UTC'",
    "log_line_prefix = '%m [%p] %b %d '",
    // Tests that are about the scheduler turn it on.
    "cumulate.enabled = off",
];

/// Describes a cluster before it is started.
#[derive(Debug)]
pub struct Builder {
    server: &'static Server,
    preload: bool,
    settings: Vec<String>,
    environment: Vec<(String, String)>,
}

impl Builder {
    pub(crate) fn new() -> Builder {
        Builder { server: Server::installed(), preload: true, settings: Vec::new(), environment: Vec::new() }
    }

    /// Runs it on another server than the one that is tested.
    pub fn on(mut self, server: &'static Server) -> Builder {
        self.server = server;
        self
    }

    /// Adds a line to postgresql.conf.
    pub fn conf(mut self, line: &str) -> Builder {
        self.settings.push(line.to_owned());
        self
    }

    /// Leaves pg_cumulate out of shared_preload_libraries.
    pub fn without_preload(mut self) -> Builder {
        self.preload = false;
        self
    }

    /// Sets an environment variable of the server's processes.
    pub fn env(mut self, name: &str, value: &str) -> Builder {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Makes the cluster and starts it.
    pub fn start(self) -> Cluster {
        let folder = ClusterFolder::new(self.server);
        copy_template(self.server, &folder.data());
        append_settings(&folder, &self.lines());
        Cluster::start_in(self.server, folder, self.environment)
    }

    fn lines(&self) -> Vec<String> {
        let preload = self.preload.then(|| "shared_preload_libraries = 'pg_cumulate'".to_owned());
        BASE_SETTINGS.iter().map(|line| (*line).to_owned()).chain(preload).chain(self.settings.clone()).collect()
    }
}

/// Appends lines to the postgresql.conf of a cluster's folder.
pub(crate) fn append_settings(folder: &ClusterFolder, lines: &[String]) {
    let path = folder.data().join("postgresql.conf");
    let mut file = OpenOptions::new().append(true).open(&path).expect("initdb has written postgresql.conf");
    file.write_all((lines.join("\n") + "\n").as_bytes()).expect("postgresql.conf can be written");
}
