//! A small disk that can be full.

use pg_cumulate_tests::Cluster;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Room for the database and what bloat its load makes; no more, as it lies in memory.
const MEGABYTES: u64 = 400;

/// A file system of its own. Unmounted when it is dropped, or by the cluster's watchdog.
pub struct SmallDisk {
    folder: PathBuf,
    mounted: bool,
}

impl SmallDisk {
    /// Mounts one, which only root can, or takes the one of the environment; None when there is neither.
    pub fn of(cluster: &Cluster) -> Option<SmallDisk> {
        if let Some(folder) = std::env::var_os("PG_CUMULATE_SMALL_DISK") {
            return Some(SmallDisk { folder: folder.into(), mounted: false });
        }
        let owner = fs::metadata(cluster.folder()).expect("the cluster has a folder");
        if fs::metadata("/proc/self").expect("/proc is mounted").uid() != 0 {
            return None;
        }
        let folder = cluster.folder().join("disk");
        fs::create_dir(&folder).expect("a folder can be made");
        let options = format!("size={MEGABYTES}m,mode=700,uid={},gid={}", owner.uid(), owner.gid());
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&folder).status();
        assert!(mounted.is_ok_and(|status| status.success()), "a tmpfs cannot be mounted on {}", folder.display());
        Some(SmallDisk { folder, mounted: true })
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Takes all that is free.
    pub fn fill(&self) {
        let mut file = File::create(self.filler()).expect("a file can be made");
        let mut piece = vec![0; 1 << 20];
        while piece.len() > 1 {
            if file.write_all(&piece).is_err() {
                piece.truncate(piece.len() / 2);
            }
        }
    }

    pub fn empty(&self) {
        // It is not there when the disk was not filled.
        let _ = fs::remove_file(self.filler());
    }

    fn filler(&self) -> PathBuf {
        self.folder.join("filler")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        self.empty();
        if self.mounted {
            // Lazily: the server of a failed test may still be there.
            let _ = Command::new("umount").arg("-l").arg(&self.folder).status();
        }
    }
}
