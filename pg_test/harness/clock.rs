//! A clock that tests set: the server's processes read it instead of the machine's.

use chrono::{NaiveDateTime, Utc};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// A file that says what time it is, for servers started with `variables`.
#[derive(Debug)]
pub struct Clock {
    file: PathBuf,
    library: PathBuf,
}

impl Clock {
    /// A clock set to a time of UTC, such as `2024-12-14 23:59:50`, from which it runs on. Its file is named after the
    /// process and `name`.
    pub fn set_to(name: &str, time: &str) -> Clock {
        let library = std::env::var_os("PG_CUMULATE_FAKETIME").expect("PG_CUMULATE_FAKETIME names libfaketime.so.1");
        let file = std::env::temp_dir().join(format!("pg_cumulate-clock-{}-{name}", std::process::id()));
        let clock = Clock { file, library: library.into() };
        clock.set(time);
        clock
    }

    /// Sets it to another time, forward or back.
    pub fn set(&self, time: &str) {
        let wanted = NaiveDateTime::parse_from_str(time, "%Y-%m-%d %H:%M:%S").expect("a time").and_utc();
        // A distance from the machine's clock is the same for all processes, whenever they began.
        let seconds = (wanted - Utc::now()).num_milliseconds() as f64 / 1000.0;
        // Written beside and renamed, so that no process reads half of it.
        let new = self.file.with_extension("new");
        fs::write(&new, format!("{seconds:+}\n")).expect("the clock's file can be written");
        // The server's user reads it, too.
        fs::set_permissions(&new, fs::Permissions::from_mode(0o644)).expect("the clock's file can be opened to all");
        fs::rename(&new, &self.file).expect("the clock's file can be renamed");
    }

    /// Environment variables of a server that goes by this clock.
    pub fn variables(&self) -> Vec<(String, String)> {
        [
            ("LD_PRELOAD", self.library.display().to_string()),
            ("FAKETIME_TIMESTAMP_FILE", self.file.display().to_string()),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
            ("TZ", "UTC".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.file);
    }
}
