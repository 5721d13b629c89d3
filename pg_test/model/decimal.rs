//! Exact numbers: integers and short decimal fractions.

use std::fmt;
use std::iter::Sum;

/// Decimal places kept; the tests use no more.
const PLACES: usize = 12;
const ONE: i128 = 10_i128.pow(PLACES as u32);

/// An exact number with up to 12 decimal places; 1.0 and 1.00 are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Decimal(i128);

impl Decimal {
    pub const ZERO: Decimal = Decimal(0);

    /// A number of `units` of 10^-`places`, so that `with_places(150, 2)` is 1.50.
    pub fn with_places(units: i64, places: u32) -> Decimal {
        Decimal(i128::from(units) * (ONE / 10_i128.pow(places)))
    }

    /// Reads a number as PostgreSQL prints integer and numeric; `None` for anything else or for more places.
    pub fn parse(text: &str) -> Option<Decimal> {
        let (negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let fraction = fraction.trim_end_matches('0');
        let all_digits = !whole.is_empty() && (whole.to_owned() + fraction).bytes().all(|byte| byte.is_ascii_digit());
        if !all_digits || fraction.len() > PLACES {
            return None;
        }
        let units =
            whole.parse::<i128>().ok()?.checked_mul(ONE)? + format!("{fraction:0<PLACES$}").parse::<i128>().ok()?;
        Some(Decimal(if negative { -units } else { units }))
    }

    pub fn to_f64(self) -> f64 {
        self.0 as f64 / ONE as f64
    }
}

impl From<i64> for Decimal {
    fn from(number: i64) -> Decimal {
        Decimal(i128::from(number) * ONE)
    }
}

impl Sum for Decimal {
    fn sum<I: Iterator<Item = Decimal>>(numbers: I) -> Decimal {
        Decimal(numbers.map(|number| number.0).sum())
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let (whole, fraction) = (self.0.abs() / ONE, self.0.abs() % ONE);
        let fraction = format!("{fraction:0>PLACES$}");
        let fraction = fraction.trim_end_matches('0');
        write!(f, "{sign}{whole}{}{fraction}", if fraction.is_empty() { "" } else { "." })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trailing_zeros_do_not_make_another_number() {
        assert_eq!(Decimal::parse("1.0"), Decimal::parse("1.00"));
        assert_eq!(Decimal::parse("-0.50"), Some(Decimal::with_places(-5, 1)));
    }

    #[test]
    fn a_number_prints_as_it_was_read() {
        for text in ["0", "-3", "12.5", "0.000001", "9223372036854775807"] {
            assert_eq!(Decimal::parse(text).map(|number| number.to_string()).as_deref(), Some(text));
        }
    }

    #[test]
    fn what_is_no_number_is_not_read() {
        for text in ["", "-", "NaN", "1e5", ".5", "1.0000000000001"] {
            assert_eq!(Decimal::parse(text), None, "{text}");
        }
    }

    #[test]
    fn sums_are_exact() {
        let tenths = std::iter::repeat_n(Decimal::with_places(1, 1), 10);
        assert_eq!(tenths.sum::<Decimal>(), Decimal::from(1));
    }
}
