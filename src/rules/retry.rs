//! What follows a failure: try again later, count it, or stop until somebody has mended it.

/// How a failure is taken, by its SQLSTATE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It passes by itself: conflicts, full disks, locks, shutdowns.
    Passing,
    /// The data or the definition is wrong, and stays so.
    Lasting,
    /// Nobody knows; too many in a row are taken as lasting.
    Unknown,
}

/// Failures of unknown kind in a row that stop a table.
pub const MOST_FAILURES: i32 = 5;

/// Nobody waits longer than this for the next try, in seconds.
pub const LONGEST_DELAY: i64 = 3600;

pub fn judge(sqlstate: &str) -> Verdict {
    let class = sqlstate.get(..2).unwrap_or_default();
    let passing = matches!(class, "40" | "53") || sqlstate == "55P03" || sqlstate.starts_with("57P0");
    match class {
        _ if passing => Verdict::Passing,
        "22" | "42" => Verdict::Lasting,
        _ => Verdict::Unknown,
    }
}

/// Seconds until the next try after so many failures in a row: doubled each time, at most an hour, up to a quarter of it
/// taken off by chance (0 to 1), so that tables that failed together do not come back together.
pub fn delay(failures: i32, first: i64, chance: f64) -> i64 {
    let doublings = failures.saturating_sub(1).clamp(0, 30) as u32;
    let full = first.max(1).saturating_mul(1 << doublings).min(LONGEST_DELAY);
    (full as f64 * (1.0 - chance.clamp(0.0, 1.0) / 4.0)).ceil() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_judged_as_promised() {
        for code in ["40001", "40P01", "53100", "53200", "53300", "55P03", "57P01", "57P02", "57P03"] {
            assert_eq!(judge(code), Verdict::Passing, "{code}");
        }
        for code in ["22003", "22012", "42501", "42703"] {
            assert_eq!(judge(code), Verdict::Lasting, "{code}");
        }
        for code in ["57014", "P0001", "23514", "XX000", "55000", ""] {
            assert_eq!(judge(code), Verdict::Unknown, "{code}");
        }
    }

    #[test]
    fn delays_double_up_to_an_hour() {
        let delays: Vec<i64> = (1..=4).map(|failures| delay(failures, 60, 0.0)).collect();
        assert_eq!(delays, [60, 120, 240, 480]);
        assert_eq!(delay(50, 60, 0.0), 3600);
        assert_eq!(delay(i32::MAX, 1, 1.0), 2700);
        assert_eq!(delay(0, 0, 0.5), 1);
    }
}
