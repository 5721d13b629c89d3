//! What pg_stat_activity shows of a call under way: the table, the day, and how far that is.

use super::encoding::ServerText;
use crate::rules::calendar::Day;
use pgrx::pg_sys::{self, BackendState};
use std::cell::RefCell;

/// The days that a call goes through.
struct Course {
    table: String,
    first: Day,
    last: Day,
}

thread_local! {
    static COURSE: RefCell<Option<Course>> = const { RefCell::new(None) };
}

/// Runs `work`, which goes through these days of a table; while a call is inside another, the outer one counts.
/// Afterwards the session shows its own statement again.
pub fn through<T>(table: &str, first: Day, last: Day, work: impl FnOnce() -> T) -> T {
    let outermost = COURSE.with_borrow_mut(|course| {
        let outermost = course.is_none();
        if outermost {
            *course = Some(Course { table: table.to_owned(), first, last });
        }
        outermost
    });
    let _end = outermost.then(|| End);
    work()
}

/// Shows that `day` is worked on, as in `public.daily_cumulate 2024-12-14 (14/366)`.
pub fn at(day: Day) {
    tell(|course| {
        let (done, total) = (day.since(course.first) + 1, course.last.since(course.first) + 1);
        format!("{} {day} ({done}/{total})", course.table)
    });
}

/// Shows that a range of days is read from the source.
pub fn reading(from: Day, to: Day) {
    tell(|course| format!("{} reads its source, {from} to {to}", course.table));
}

fn tell(text: impl FnOnce(&Course) -> String) {
    if let Some(text) = COURSE.with_borrow(|course| course.as_ref().map(text)) {
        show(&text);
    }
}

/// Shows a text in the place of the session's statement.
pub fn show(text: &str) {
    let text = ServerText::for_message(text);
    // SAFETY: the text is copied into this process's own entry.
    unsafe { pg_sys::pgstat_report_activity(BackendState::STATE_RUNNING, text.as_c_str().as_ptr()) }
}

/// Shows that a background process has nothing to do.
pub fn idle() {
    // SAFETY: no text is given.
    unsafe { pg_sys::pgstat_report_activity(BackendState::STATE_IDLE, std::ptr::null()) }
}

/// Whether the work ended well or not.
struct End;

impl Drop for End {
    fn drop(&mut self) {
        COURSE.set(None);
        // SAFETY: the statement's text lives until the next one; without one the entry keeps its text.
        unsafe { pg_sys::pgstat_report_activity(BackendState::STATE_RUNNING, pg_sys::debug_query_string) }
    }
}
