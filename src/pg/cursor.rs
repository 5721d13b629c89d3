//! Rows of a query that are asked for, some at a time, while another query runs.

use super::encoding::ServerText;
use super::receiver::{Receiver, Row};
use super::spi::{Prepared, connected};
use pgrx::pg_sys;
use std::ops::ControlFlow;

/// An open query; it sees what was done before it was opened.
pub struct Cursor {
    portal: pg_sys::Portal,
}

impl Cursor {
    pub fn open(sql: &str) -> Self {
        let sql = ServerText::of(sql);
        connected(|| {
            let plan = Prepared::make(&sql, &[], false);
            Cursor { portal: plan.open() }
        })
    }

    /// Calls `each` with the next rows, at most `count`; how many there were.
    pub fn next(&mut self, count: usize, mut each: impl FnMut(Row)) -> usize {
        let mut found = 0;
        let mut each = |row: Row| {
            found += 1;
            each(row);
            Ok(ControlFlow::Continue(()))
        };
        let mut receiver = Receiver::new(&mut each);
        // SAFETY: the portal is open, and the receiver outlives the call.
        unsafe {
            let forward = pg_sys::FetchDirection::FETCH_FORWARD;
            pg_sys::PortalRunFetch(self.portal, forward, count as i64, receiver.as_dest());
        }
        found
    }
}

impl Drop for Cursor {
    fn drop(&mut self) {
        // While an error unwinds, the abort closes all portals itself.
        if !std::thread::panicking() {
            // SAFETY: opened by us, and closed once.
            unsafe { pg_sys::SPI_cursor_close(self.portal) };
        }
    }
}
