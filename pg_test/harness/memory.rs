//! What memory a server process has of its own: shared memory is not counted.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// Between two looks: what stands for a shorter time is no growth.
const PAUSE: Duration = Duration::from_millis(5);

/// Bytes that a process has of its own now, 0 when there is no such process.
pub fn own_memory(pid: i32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let kilobytes = status.lines().find_map(|line| line.strip_prefix("RssAnon:")?.trim().strip_suffix(" kB"));
    kilobytes.and_then(|number| number.parse::<u64>().ok()).unwrap_or_default() * 1024
}

/// Does some work, and says how many bytes more than before a process had at the most meanwhile.
pub fn growth_while<T>(pid: i32, work: impl FnOnce() -> T) -> (T, u64) {
    let (done, before) = (AtomicBool::new(false), own_memory(pid));
    thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut peak = before;
            while !done.load(Ordering::Relaxed) {
                peak = peak.max(own_memory(pid));
                thread::sleep(PAUSE);
            }
            peak
        });
        // Set when the work panics, too: the scope waits for the watcher.
        let end = Ended(&done);
        let result = work();
        drop(end);
        let peak = watch.join().expect("the watcher only reads").max(own_memory(pid));
        (result, peak - before)
    })
}

struct Ended<'a>(&'a AtomicBool);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
