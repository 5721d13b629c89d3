//! When a schedule fires: the five fields of cron, by the clocks of a time zone. What time it is comes in as an
//! argument. Instants are seconds since 1970-01-01 00:00 UTC.
//!
//! Clock changes count as Vixie cron counts them: a time that the clocks skip fires at the moment of the change, a time
//! that they show twice fires once, the first time.

use super::calendar::Day;
use chrono::{DateTime, Utc};
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};

/// What clocks show in a time zone.
pub trait Zone {
    /// Seconds east of UTC at an instant.
    fn offset(&self, at: i64) -> i64;
}

/// A schedule that fires at some time.
pub struct Schedule {
    cron: Cron,
}

const SECONDS_A_DAY: i64 = 86_400;

/// Days from 1970-01-01 to 2000-01-01.
const DAYS_TO_2000: i64 = 10_957;

/// What may stand for five fields.
const MACROS: [&str; 4] = ["@hourly", "@daily", "@weekly", "@monthly"];

impl Schedule {
    /// Reads five fields or a macro; else what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let fields = text.split_whitespace().count();
        if text.trim().starts_with('@') {
            if !MACROS.contains(&text.trim().to_ascii_lowercase().as_str()) {
                return Err(format!("the macros are {}", MACROS.join(", ")));
            }
        } else if fields != 5 {
            return Err(format!("it takes five fields, and this has {fields}"));
        }
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let cron = parser.parse(text).map_err(|error| reason(&error.to_string()))?;
        let schedule = Schedule { cron };
        // From a day on which every leap year is still to come.
        schedule.after(0).map(|_| schedule).ok_or_else(|| "there is no such day in any year".to_owned())
    }

    /// The first time it fires after an instant.
    pub fn next(&self, zone: &impl Zone, after: i64) -> Option<i64> {
        let mut local = self.after(after + zone.offset(after))?;
        while instant(zone, local) <= after {
            local = self.after(local)?;
        }
        Some(instant(zone, local))
    }

    /// The last time it fired up to an instant, that one included.
    pub fn latest(&self, zone: &impl Zone, at: i64) -> Option<i64> {
        // Clocks that were set back have shown later times already.
        let set_back = (zone.offset(at - SECONDS_A_DAY) - zone.offset(at)).max(0);
        let mut local = self.before(at + zone.offset(at) + set_back, true)?;
        while instant(zone, local) > at {
            local = self.before(local, false)?;
        }
        Some(instant(zone, local))
    }

    fn after(&self, local: i64) -> Option<i64> {
        let start = DateTime::<Utc>::from_timestamp(local, 0)?;
        self.cron.find_next_occurrence(&start, false).ok().map(|time| time.timestamp())
    }

    fn before(&self, local: i64, inclusive: bool) -> Option<i64> {
        let start = DateTime::<Utc>::from_timestamp(local, 0)?;
        self.cron.find_previous_occurrence(&start, inclusive).ok().map(|time| time.timestamp())
    }
}

/// What an error of the parser says, without the kind of error in front.
fn reason(message: &str) -> String {
    message.split_once(": ").map_or(message, |(_, reason)| reason).to_lowercase()
}

/// The instant at which a day begins.
pub fn day_begins(zone: &impl Zone, day: Day) -> i64 {
    instant(zone, (i64::from(day.number()) + DAYS_TO_2000) * SECONDS_A_DAY)
}

/// The first instant at which the clocks of a zone show a local time, or a later one.
fn instant(zone: &impl Zone, local: i64) -> i64 {
    let (before, after) = (zone.offset(local - SECONDS_A_DAY), zone.offset(local + SECONDS_A_DAY));
    let (early, late) = (local - before.max(after), local - before.min(after));
    let shown = [early, late].into_iter().find(|at| at + zone.offset(*at) == local);
    shown.unwrap_or_else(|| {
        // The clocks skip it.
        let (mut not_yet, mut past) = (early, late);
        while past - not_yet > 1 {
            let middle = not_yet + (past - not_yet) / 2;
            if middle + zone.offset(middle) >= local { past = middle } else { not_yet = middle }
        }
        past
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::NaiveDateTime;

    /// A zone by its offset and the instants at which that changes.
    struct Changes(i64, &'static [(&'static str, i64)]);

    impl Zone for Changes {
        fn offset(&self, at: i64) -> i64 {
            let changed = self.1.iter().rev().find(|(from, _)| utc(from) <= at);
            changed.map_or(self.0, |(_, offset)| *offset) * 3600
        }
    }

    const NEW_YORK: Changes = Changes(-5, &[("2024-03-10 07:00", -4), ("2024-11-03 06:00", -5)]);
    const UTC: Changes = Changes(0, &[]);

    fn utc(text: &str) -> i64 {
        NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").unwrap().and_utc().timestamp()
    }

    fn shown(at: i64) -> String {
        DateTime::from_timestamp(at, 0).unwrap().format("%Y-%m-%d %H:%M").to_string()
    }

    fn next(schedule: &str, zone: &Changes, after: &str) -> String {
        shown(Schedule::parse(schedule).unwrap().next(zone, utc(after)).unwrap())
    }

    fn latest(schedule: &str, zone: &Changes, at: &str) -> String {
        shown(Schedule::parse(schedule).unwrap().latest(zone, utc(at)).unwrap())
    }

    #[test]
    fn macros_are_their_fields() {
        for (name, fields) in
            [("@hourly", "0 * * * *"), ("@daily", "0 0 * * *"), ("@weekly", "0 0 * * 0"), ("@monthly", "0 0 1 * *")]
        {
            assert_eq!(next(name, &UTC, "2024-02-28 12:34"), next(fields, &UTC, "2024-02-28 12:34"));
        }
    }

    #[test]
    fn what_is_no_schedule_is_refused() {
        for text in [
            "",
            "* * * *",
            "0 0 0 * * *",
            "0 0 0 * * * 2025",
            "60 * * * *",
            "0 24 * * *",
            "@reboot",
            "@yearly",
            "x * * * *",
            "0 0 30 2 *",
        ] {
            assert!(Schedule::parse(text).is_err(), "{text}");
        }
        assert!(Schedule::parse("0 0 29 2 *").is_ok());
        assert!(Schedule::parse("  5 4  * * mon-fri ").is_ok());
    }

    #[test]
    fn next_is_later_and_latest_is_not() {
        assert_eq!(next("0 3 * * *", &UTC, "2024-05-01 03:00"), "2024-05-02 03:00");
        assert_eq!(latest("0 3 * * *", &UTC, "2024-05-01 03:00"), "2024-05-01 03:00");
        assert_eq!(latest("0 3 * * *", &UTC, "2024-05-01 02:59"), "2024-04-30 03:00");
    }

    #[test]
    fn a_skipped_time_fires_when_the_clocks_change() {
        assert_eq!(next("30 2 * * *", &NEW_YORK, "2024-03-09 12:00"), "2024-03-10 07:00");
        assert_eq!(latest("30 2 * * *", &NEW_YORK, "2024-03-10 06:59"), "2024-03-09 07:30");
        assert_eq!(latest("30 2 * * *", &NEW_YORK, "2024-03-10 07:00"), "2024-03-10 07:00");
        assert_eq!(next("30 2 * * *", &NEW_YORK, "2024-03-10 07:00"), "2024-03-11 06:30");
    }

    #[test]
    fn a_doubled_time_fires_once() {
        assert_eq!(next("30 1 * * *", &NEW_YORK, "2024-11-03 04:00"), "2024-11-03 05:30");
        assert_eq!(next("30 1 * * *", &NEW_YORK, "2024-11-03 05:30"), "2024-11-04 06:30");
        for at in ["2024-11-03 05:30", "2024-11-03 06:10", "2024-11-03 06:45", "2024-11-03 23:00"] {
            assert_eq!(latest("30 1 * * *", &NEW_YORK, at), "2024-11-03 05:30", "{at}");
        }
    }

    #[test]
    fn midnight_is_the_zones() {
        assert_eq!(latest("@daily", &NEW_YORK, "2024-07-02 03:59"), "2024-07-01 04:00");
        assert_eq!(latest("@daily", &NEW_YORK, "2024-07-02 04:00"), "2024-07-02 04:00");
        assert_eq!(latest("@daily", &Changes(9, &[]), "2024-07-01 15:00"), "2024-07-01 15:00");
    }

    #[test]
    fn days_begin_when_the_clocks_say_so() {
        let day = |number| shown(day_begins(&NEW_YORK, Day::stored(number)));
        assert_eq!(
            (day(0), day(8835), day(8836)),
            ("2000-01-01 05:00".to_owned(), "2024-03-10 05:00".to_owned(), "2024-03-11 04:00".to_owned())
        );
    }

    #[test]
    fn years_of_minutes_agree_with_a_walk() {
        for (zone, text) in
            [(&NEW_YORK, "*/20 1-3 * * *"), (&NEW_YORK, "@daily"), (&UTC, "15 6 * * 1"), (&NEW_YORK, "30 2 29 2 *")]
        {
            let schedule = Schedule::parse(text).unwrap();
            let (mut at, end) = (utc("2024-01-01 00:00"), utc("2025-01-01 00:00"));
            let mut last = schedule.latest(zone, at);
            while let Some(next) = schedule.next(zone, at).filter(|next| *next < end) {
                assert!(next > at);
                assert_eq!(schedule.latest(zone, next - 1), last, "{text} before {}", shown(next));
                assert_eq!(schedule.latest(zone, next), Some(next));
                (at, last) = (next, Some(next));
            }
        }
    }
}
