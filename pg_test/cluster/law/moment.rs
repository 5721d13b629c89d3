//! The time column, its zone, and times near the edges of days and of clock changes.

use pg_cumulate_tests::literal;
use pg_cumulate_tests::model::Day;
use proptest::prelude::*;
use proptest::sample::select;

/// Days that operations reach, counted from the first day of a form.
pub const DAYS: i64 = 24;

/// The type of the time column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeType {
    Date,
    Timestamp,
    Timestamptz,
}

/// A zone and a first day, so that something happens to the clock or the calendar in the days after it.
#[derive(Debug, Clone, Copy)]
pub struct Season {
    pub zone: &'static str,
    first: (i32, u32, u32),
}

#[rustfmt::skip]
const SEASONS: &[Season] = &[
    Season { zone: "America/New_York", first: (2024, 3, 1) },
    Season { zone: "America/New_York", first: (2024, 10, 25) },
    Season { zone: "Europe/Berlin", first: (2024, 3, 25) },
    Season { zone: "Europe/Berlin", first: (2024, 10, 20) },
    Season { zone: "Australia/Lord_Howe", first: (2024, 3, 28) },
    Season { zone: "Australia/Lord_Howe", first: (2024, 9, 28) },
    Season { zone: "Asia/Kathmandu", first: (2024, 12, 20) },
    Season { zone: "Pacific/Kiritimati", first: (2024, 2, 18) },
    Season { zone: "UTC", first: (2024, 2, 20) },
    Season { zone: "UTC", first: (2024, 12, 10) },
];

/// A time of an event: a day of the form, and a time of that day in the form's zone or in UTC.
#[derive(Clone, Copy)]
pub struct Moment {
    pub day: i64,
    pub second: u32,
    pub in_utc: bool,
}

impl std::fmt::Debug for Moment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "day {} + {} s{}", self.day, self.second, if self.in_utc { " UTC" } else { "" })
    }
}

impl Season {
    /// The day with that number.
    pub fn day(&self, number: i64) -> Day {
        let (year, month, day) = self.first;
        let first = Day::from_ymd_opt(year, month, day).expect("seasons begin on days of the calendar");
        first + chrono::TimeDelta::days(number)
    }
}

impl TimeType {
    pub fn sql(self) -> &'static str {
        match self {
            TimeType::Date => "date",
            TimeType::Timestamp => "timestamp",
            TimeType::Timestamptz => "timestamptz",
        }
    }

    /// The day of a row, by PostgreSQL's own arithmetic.
    pub fn day_of(self, column: &str, season: &Season) -> String {
        match self {
            TimeType::Date => column.to_owned(),
            TimeType::Timestamp => format!("{column}::date"),
            TimeType::Timestamptz => format!("({column} AT TIME ZONE {})::date", literal(season.zone)),
        }
    }

    /// The value of a moment.
    pub fn value(self, moment: &Moment, season: &Season) -> String {
        let (day, second) = (season.day(moment.day), moment.second);
        let local = format!("(timestamp '{day}' + {second} * interval '1 second')");
        match self {
            TimeType::Date => format!("'{day}'"),
            TimeType::Timestamp => local,
            TimeType::Timestamptz => {
                let zone = if moment.in_utc { "UTC" } else { season.zone };
                format!("({local} AT TIME ZONE {})", literal(zone))
            }
        }
    }
}

pub fn any() -> impl Strategy<Value = Moment> {
    let second = prop_oneof![Just(0), Just(86_399), 0..86_400u32];
    (-3..DAYS + 2, second, any_bool()).prop_map(|(day, second, in_utc)| Moment { day, second, in_utc })
}

pub fn any_time_type() -> impl Strategy<Value = TimeType> {
    select(&[TimeType::Timestamptz, TimeType::Date, TimeType::Timestamp][..])
}

pub fn any_season() -> impl Strategy<Value = Season> {
    select(SEASONS)
}

fn any_bool() -> impl Strategy<Value = bool> {
    proptest::bool::ANY
}
