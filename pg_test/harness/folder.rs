//! The run folder, and one folder in it for each cluster.

use crate::server::{Server, ServerUser, our_uid};
use crate::watchdog::Watchdog;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// The folder of all clusters of this user's test runs; the server's user must be able to pass through it.
pub(crate) fn run_folder() -> PathBuf {
    let default = || PathBuf::from(format!("/var/tmp/pg_cumulate-test-{}", our_uid()));
    let folder = std::env::var_os("PG_CUMULATE_RUN").map_or_else(default, PathBuf::from);
    if !folder.exists() {
        fs::create_dir_all(&folder).unwrap_or_else(|error| panic!("cannot make {}: {error}", folder.display()));
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).expect("own folders can be opened to others");
    }
    folder
}

/// A cluster's folder, watched: it goes with the test process.
#[derive(Debug)]
pub(crate) struct ClusterFolder {
    path: PathBuf,
    watchdog: Watchdog,
}

impl ClusterFolder {
    /// A new folder of the server's user, named after this process.
    pub(crate) fn new(server: &Server) -> ClusterFolder {
        static MADE: AtomicU32 = AtomicU32::new(1);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let path = run_folder().join(format!("{}-{number}", std::process::id()));
        let watchdog = Watchdog::over(&path);
        make_for_server(server, &path);
        ClusterFolder { path, watchdog }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Where the server's files are.
    pub(crate) fn data(&self) -> PathBuf {
        self.path.join("data")
    }

    /// Leaves the folder for a look at what happened.
    pub(crate) fn keep(&self) {
        self.watchdog.keep_folder();
    }

    /// Removes the folder now, unless it is to be kept.
    pub(crate) fn finish(&mut self) {
        self.watchdog.finish();
    }
}

/// Makes a folder that the server's user owns; what an earlier process of the same id left there goes.
pub(crate) fn make_for_server(server: &Server, folder: &Path) {
    if folder.exists() {
        fs::remove_dir_all(folder).expect("an old folder of our own can be removed");
    }
    fs::create_dir(folder).unwrap_or_else(|error| panic!("cannot make {}: {error}", folder.display()));
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).expect("own folders can be opened to others");
    if let ServerUser::Other { uid, gid } = server.user() {
        chown(folder, Some(uid), Some(gid)).expect("root can give a folder away");
    }
}
