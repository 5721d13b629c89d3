//! pg_regress and pg_isolation_regress against a cluster of the harness.

use crate::cluster::Cluster;
use crate::server::{Server, clean_command};
use std::fs;
use std::path::{Path, PathBuf};

/// One of PostgreSQL's own test programs.
#[derive(Debug, Clone, Copy)]
pub enum Tester {
    /// One session a test: `sql/` and `expected/`.
    Regress,
    /// Several sessions a test: `specs/` and `expected/`.
    Isolation,
}

/// A run of such a program. It works as the user of the tests, who can read the checkout, over the cluster's socket.
#[derive(Debug)]
pub struct Regress<'a> {
    pub tester: Tester,
    /// The folder of `sql` or `specs`, and of `expected`.
    pub input: &'a Path,
    /// The file that names the tests, in order.
    pub schedule: &'a Path,
    /// A folder for results, made anew.
    pub output: &'a Path,
    /// A database to work in; without one an empty one is made.
    pub database: Option<&'a str>,
}

impl Regress<'_> {
    /// Runs the tests and returns what the program printed, or that and all differences.
    pub fn run(&self, cluster: &Cluster) -> Result<String, String> {
        let server = Server::installed();
        let program = server.test_program(self.tester.program());
        assert!(program.exists(), "{} is not installed", program.display());
        self.empty_output();
        let mut command = clean_command(&program);
        command.arg(format!("--bindir={}", server.bindir().display()));
        command.arg(format!("--inputdir={}", self.input.display()));
        if server.major() >= 16 {
            // Before 16 the expected output is always looked for below the input folder.
            command.arg(format!("--expecteddir={}", self.input.display()));
        }
        command.arg(format!("--outputdir={}", self.output.display()));
        command.arg(format!("--schedule={}", self.schedule.display()));
        command.arg(format!("--host={}", cluster.folder().display()));
        command.arg(format!("--port={}", cluster.port()));
        command.arg("--user=postgres").arg(format!("--dbname={}", self.database.unwrap_or("pg_cumulate_regression")));
        if self.database.is_some() {
            command.arg("--use-existing");
        }
        let output = command.output().unwrap_or_else(|error| panic!("{} cannot be run: {error}", program.display()));
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        if output.status.success() { Ok(said) } else { Err(said + "\n" + &self.differences()) }
    }

    fn empty_output(&self) {
        if self.output.exists() {
            fs::remove_dir_all(self.output).expect("old results can be removed");
        }
        fs::create_dir_all(self.output).expect("a folder for results can be made");
    }

    fn differences(&self) -> String {
        let path: PathBuf = self.output.join("regression.diffs");
        fs::read_to_string(path).unwrap_or_default()
    }
}

impl Tester {
    fn program(self) -> &'static str {
        match self {
            Tester::Regress => "regress/pg_regress",
            Tester::Isolation => "isolation/pg_isolation_regress",
        }
    }
}
