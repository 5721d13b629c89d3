//! The installed server: where its programs are, and the user it must run as.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// A PostgreSQL installation, found by `PG_CONFIG`.
#[derive(Debug)]
pub struct Server {
    bindir: PathBuf,
    pgxs: PathBuf,
    version: String,
    user: ServerUser,
}

/// Who runs the server's own programs; PostgreSQL refuses root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum ServerUser {
    /// The user of the tests, an ordinary one.
    Ours,
    /// Another user, because the tests run as root.
    Other { uid: u32, gid: u32 },
}

impl Server {
    /// The server of this test run. Panics with what to do when `PG_CONFIG` is not set or does not answer.
    pub fn installed() -> &'static Server {
        static INSTALLED: OnceLock<Server> = OnceLock::new();
        INSTALLED.get_or_init(|| {
            let pg_config = std::env::var_os("PG_CONFIG")
                .expect("PG_CONFIG is not set: give the path of the server's pg_config, or use make test");
            Server::at(Path::new(&pg_config))
        })
    }

    /// The server of `PG_CUMULATE_NEWER`, of a later major version, that the tested one is upgraded to.
    pub fn newer() -> Option<&'static Server> {
        static NEWER: OnceLock<Option<Server>> = OnceLock::new();
        let found = || std::env::var_os("PG_CUMULATE_NEWER").map(|pg_config| Server::at(Path::new(&pg_config)));
        NEWER.get_or_init(found).as_ref()
    }

    fn at(pg_config: &Path) -> Server {
        Server {
            bindir: PathBuf::from(ask_pg_config(pg_config, "--bindir")),
            pgxs: PathBuf::from(ask_pg_config(pg_config, "--pgxs")),
            version: ask_pg_config(pg_config, "--version"),
            user: ServerUser::of_this_run(),
        }
    }

    /// The full version, such as `PostgreSQL 16.14`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The major version, such as 16.
    pub fn major(&self) -> u32 {
        let digits = |c: char| !c.is_ascii_digit();
        let number = self.version.split(digits).find(|part| !part.is_empty());
        number.and_then(|part| part.parse().ok()).expect("pg_config --version names a number")
    }

    /// The folder of the server's programs.
    pub fn bindir(&self) -> &Path {
        &self.bindir
    }

    /// One of the server's programs, run by the user of the tests.
    pub fn client_program(&self, name: &str) -> Command {
        clean_command(&self.bindir.join(name))
    }

    /// One of the server's programs, run by the server's user.
    pub fn server_program(&self, name: &str) -> Command {
        self.as_server_user(&self.bindir.join(name))
    }

    /// Any program, run by the server's user.
    pub(crate) fn as_server_user(&self, program: &Path) -> Command {
        let mut command = clean_command(program);
        if let ServerUser::Other { uid, gid } = self.user {
            // Setting the uid as root also drops root's supplementary groups.
            command.uid(uid).gid(gid);
        }
        command
    }

    /// A test program of PGXS, such as `regress/pg_regress`; those of `PG_CUMULATE_TESTERS` where the server's own are
    /// of no use.
    pub(crate) fn test_program(&self, below_src_test: &str) -> PathBuf {
        if let Some(folder) = std::env::var_os("PG_CUMULATE_TESTERS") {
            return Path::new(&folder).join(below_src_test);
        }
        let makefiles = self.pgxs.parent().expect("pg_config --pgxs names a file in a folder");
        makefiles.join("../test").join(below_src_test)
    }

    pub(crate) fn user(&self) -> ServerUser {
        self.user
    }
}

impl ServerUser {
    fn of_this_run() -> ServerUser {
        if our_uid() != 0 {
            return ServerUser::Ours;
        }
        let asked = |name: &str| std::env::var(name).ok().map(|id| id.parse().expect("a numeric user or group id"));
        let (uid, gid) = account("postgres")
            .or_else(|| account("nobody"))
            .unwrap_or_else(|| panic!("PostgreSQL cannot run as root and there is no user postgres or nobody"));
        ServerUser::Other {
            uid: asked("PG_CUMULATE_SERVER_UID").unwrap_or(uid),
            gid: asked("PG_CUMULATE_SERVER_GID").unwrap_or(gid),
        }
    }
}

/// The user id of the test process.
pub(crate) fn our_uid() -> u32 {
    fs::metadata("/proc/self").expect("/proc is mounted").uid()
}

fn account(name: &str) -> Option<(u32, u32)> {
    let passwd = fs::read_to_string("/etc/passwd").ok()?;
    let line = passwd.lines().find(|line| line.split(':').next() == Some(name))?;
    let mut fields = line.split(':').skip(2);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

/// A command that inherits nothing that changes what server and clients do or say.
pub(crate) fn clean_command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir("/").env("PGCLIENTENCODING", "UTF8");
    // A backtrace would become part of the DETAIL of every error.
    command.env_remove("RUST_BACKTRACE").env_remove("RUST_LIB_BACKTRACE");
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("PG") && !name.starts_with("PG_") {
            command.env_remove(&*name);
        }
    }
    command
}

fn ask_pg_config(pg_config: &Path, question: &str) -> String {
    let answer = Command::new(pg_config)
        .arg(question)
        .output()
        .unwrap_or_else(|error| panic!("PG_CONFIG={} cannot be run: {error}", pg_config.display()));
    assert!(answer.status.success(), "{} {question} failed", pg_config.display());
    String::from_utf8(answer.stdout).expect("pg_config answers in UTF-8").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_the_first_number() {
        let server = |version: &str| Server {
            bindir: PathBuf::new(),
            pgxs: PathBuf::new(),
            version: version.to_owned(),
            user: ServerUser::Ours,
        };
        assert_eq!(server("PostgreSQL 16.14").major(), 16);
        assert_eq!(server("PostgreSQL 18beta1 (Debian 18)").major(), 18);
    }

    #[test]
    fn commands_carry_no_backtrace_setting() {
        let command = clean_command(Path::new("psql"));
        let removed = |name: &str| command.get_envs().any(|(key, value)| key == name && value.is_none());
        assert!(removed("RUST_BACKTRACE") && removed("RUST_LIB_BACKTRACE"));
    }
}
