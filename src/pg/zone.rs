//! PostgreSQL's own time zones.

use super::encoding::ServerText;
use crate::rules::schedule::Zone;
use pgrx::pg_sys;

/// A time zone by its name.
pub struct NamedZone(*const pg_sys::pg_tz);

impl NamedZone {
    pub fn find(name: &str) -> Option<Self> {
        let name = ServerText::for_message(name);
        // SAFETY: an unknown name gives null; zones stay in the process's cache.
        let zone = unsafe { pg_sys::pg_tzset(name.as_c_str().as_ptr()) };
        (!zone.is_null()).then_some(NamedZone(zone))
    }
}

impl Zone for NamedZone {
    fn offset(&self, at: i64) -> i64 {
        // SAFETY: the zone is valid; what comes back is a static of the process, or null for years out of range.
        unsafe {
            let shown = pg_sys::pg_localtime(&at, self.0);
            if shown.is_null() { 0 } else { (*shown).tm_gmtoff }
        }
    }
}
