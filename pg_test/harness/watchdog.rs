//! A small shell process that cleans up after a cluster even when the test process is killed.
//!
//! It reads a pipe that only the test process holds. When the pipe closes, it stops the server, if one still runs in
//! the folder, and removes the folder, unless the last line it read was `keep`.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

const SCRIPT: &str = r#"
verdict=
while read -r line; do verdict=$line; done
pid=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null)
ours() { tr '\0' ' ' <"/proc/$pid/cmdline" | grep -qF -- "$1/data"; }
if [ -n "$pid" ] && ours "$1" 2>/dev/null; then
    kill -s QUIT "$pid"
    tries=0
    while ours "$1" 2>/dev/null && [ "$tries" -lt 100 ]; do sleep 0.1; tries=$((tries + 1)); done
fi
# What a killed test had mounted there.
awk -v below="$1/" 'index($2, below) == 1 { print $2 }' /proc/mounts | while read -r mounted; do umount -l "$mounted"; done
# A program that the killed test had started may still write there for a moment.
[ "$verdict" = keep ] || rm -rf -- "$1" || { sleep 1; rm -rf -- "$1"; }
"#;

#[derive(Debug)]
pub(crate) struct Watchdog {
    shell: Child,
    pipe: Option<ChildStdin>,
}

impl Watchdog {
    pub(crate) fn over(folder: &Path) -> Watchdog {
        let mut command = Command::new("sh");
        command.args(["-c", SCRIPT, "sh"]).arg(folder).current_dir("/");
        // A group of its own: Ctrl-C must end the tests, not the one who cleans up after them.
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let mut shell = command.spawn().expect("sh can be run");
        let pipe = shell.stdin.take();
        Watchdog { shell, pipe }
    }

    /// The folder is to stay for a look at what happened.
    pub(crate) fn keep_folder(&self) {
        if let Some(mut pipe) = self.pipe.as_ref() {
            // A watchdog that is gone removes nothing.
            let _ = pipe.write_all(b"keep\n");
        }
    }

    /// Lets it clean up now and waits until it has.
    pub(crate) fn finish(&mut self) {
        drop(self.pipe.take());
        let _ = self.shell.wait();
    }
}
