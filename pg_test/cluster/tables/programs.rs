//! PostgreSQL's own programs, run against a cluster.

use pg_cumulate_tests::Cluster;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// A client program that connects to a cluster as a role.
pub fn program(name: &str, cluster: &Cluster, role: &str) -> Command {
    let mut command = cluster.server().client_program(name);
    command.args(["-U", role, "-p", &cluster.port().to_string(), "-h"]).arg(cluster.folder());
    command
}

/// Runs a command that must succeed; what it wrote to stderr.
pub fn succeed(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?} cannot be run: {error}"));
    let (out, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?} failed with {}\n{out}{said}", output.status);
    said.into_owned()
}

/// A folder for dumps, removed with the test.
pub struct Scratch {
    path: PathBuf,
}

impl Scratch {
    pub fn new() -> Scratch {
        static MADE: AtomicU32 = AtomicU32::new(1);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("pg_cumulate-tables-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder for dumps can be made");
        Scratch { path }
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Dumps a database; panics when pg_dump says anything at all.
pub fn dump(cluster: &Cluster, role: &str, database: &str, arguments: &[&str], to: &Path) {
    let said = succeed(program("pg_dump", cluster, role).args(arguments).arg("-f").arg(to).args(["-d", database]));
    assert_eq!(said, "", "pg_dump {arguments:?}");
}
