//! Waiting is polling with a deadline; no test sleeps for a fixed time.

use std::thread::sleep;
use std::time::{Duration, Instant};

/// Short enough that a wait costs a test little, long enough that polling does not load the machine.
const PAUSE: Duration = Duration::from_millis(20);

/// Waits until `happened` says yes and panics, naming what was awaited, when the deadline passes first.
pub fn eventually(deadline: Duration, what: &str, mut happened: impl FnMut() -> bool) {
    wait_for(deadline, what, || happened().then_some(()));
}

/// Waits until `look` finds something and returns it; panics, naming what was awaited, when the deadline passes first.
pub fn wait_for<T>(deadline: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < deadline, "waited {deadline:?} in vain for: {what}");
        sleep(PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_ends_as_soon_as_the_thing_is_there() {
        let mut looks = 0;
        let found = wait_for(Duration::from_secs(5), "the third look", || {
            looks += 1;
            (looks == 3).then_some("here")
        });
        assert_eq!((found, looks), ("here", 3));
    }

    #[test]
    #[should_panic(expected = "waited 30ms in vain for: a miracle")]
    fn waiting_in_vain_names_what_was_awaited() {
        eventually(Duration::from_millis(30), "a miracle", || false);
    }
}
