//! A postmaster that this process started: its signals and its end.

use crate::server::Server;
use crate::wait::wait_for;
use std::fs::{self, File, OpenOptions};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

const STOP_DEADLINE: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(crate) struct Postmaster {
    child: Child,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Signal {
    Interrupt,
    Quit,
}

impl Postmaster {
    /// Starts the server of `folder` in a process group of its own, its words going to `folder`/log.
    pub(crate) fn start(server: &Server, folder: &Path, environment: &[(String, String)]) -> Postmaster {
        let log = append_to(&folder.join("log"));
        let mut command = server.server_program("postgres");
        command.arg("-D").arg(folder.join("data")).arg("-k").arg(folder);
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("a file handle can be copied")).stderr(log);
        command.process_group(0);
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?} cannot be run: {error}"));
        Postmaster { child }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How the server ended, when it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("our own child can be waited for")
    }

    /// Sends a shutdown signal and waits for the end.
    pub(crate) fn stop(mut self, signal: Signal) {
        let name = match signal {
            Signal::Interrupt => "INT",
            Signal::Quit => "QUIT",
        };
        send(name, &[self.pid().to_string()]);
        wait_for(STOP_DEADLINE, "the server to stop", || self.ended());
    }

    /// Kills the process group and the server's children, which have groups of their own, as a crash of all would.
    pub(crate) fn kill_all(mut self) {
        // Stopped first: a child that it starts after they were counted would live on.
        send("STOP", &[self.pid().to_string()]);
        wait_for(STOP_DEADLINE, "the server to stop short", || is_stopped(self.pid()).then_some(()));
        let children = children_of(self.pid());
        let group = format!("-{}", self.pid());
        let targets: Vec<String> = std::iter::once(group).chain(children.iter().map(u32::to_string)).collect();
        send("KILL", &targets);
        self.child.wait().expect("our own child can be waited for");
        wait_for(STOP_DEADLINE, "the server's processes to be gone", || {
            children.iter().all(|pid| !is_running(*pid)).then_some(())
        });
    }
}

/// Sends a signal, such as `KILL`, to processes or, with a minus before them, to their groups. A shell does it without
/// unsafe code. A process may end before its signal comes.
pub fn send(signal: &str, targets: &[String]) {
    let script = r#"signal=$1; shift; for target; do kill -s "$signal" -- "$target" 2>/dev/null; done; true"#;
    let sent = Command::new("sh").args(["-c", script, "sh", signal]).args(targets).status();
    assert!(sent.is_ok_and(|status| status.success()), "cannot send {signal} to {targets:?}");
}

/// The processes that a process has started and that have not been waited for.
pub fn children_of(pid: u32) -> Vec<u32> {
    let listed = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    listed.split_whitespace().filter_map(|child| child.parse().ok()).collect()
}

/// A killed orphan stays as a zombie until init looks at it; that counts as gone.
fn is_running(pid: u32) -> bool {
    state_of(pid).is_some_and(|state| !matches!(state, 'Z' | 'X'))
}

/// Whether a process has been stopped, or is no more: it does nothing either way.
pub fn is_stopped(pid: u32) -> bool {
    state_of(pid).is_none_or(|state| matches!(state, 'T' | 'Z' | 'X'))
}

fn state_of(pid: u32) -> Option<char> {
    let status = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    status.rsplit_once(") ")?.1.chars().next()
}

fn append_to(path: &Path) -> File {
    let opened = OpenOptions::new().create(true).append(true).open(path);
    opened.unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()))
}
