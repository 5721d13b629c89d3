//! How much room a cumulative table takes on disk, about.

/// A column, by how a value of it is stored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Stored {
    /// Bytes of a value.
    Value(f64),
    /// An array of so many elements, with the bytes of one.
    Array(usize, f64),
}

/// What PostgreSQL keeps of each row beside its values: header and line pointer, and the same of its entry in the index.
const ROW: f64 = 24.0 + 4.0;
const INDEX_ENTRY: f64 = 8.0 + 4.0;

/// The header of an array of one dimension.
const ARRAY: f64 = 24.0;

/// Pages are filled up to about this part, those of indexes by rows that come in their order.
const FILLED: f64 = 0.9;

/// Bytes of a row with these columns, and of its entry in an index over key columns of these bytes and the day.
pub fn bytes_a_row(columns: &[Stored], key: f64) -> f64 {
    let values: f64 = columns.iter().map(|column| column.bytes()).sum();
    aligned(ROW + values) + aligned(INDEX_ENTRY + DAY + key) / FILLED
}

/// A date.
pub const DAY: f64 = 4.0;

impl Stored {
    fn bytes(self) -> f64 {
        match self {
            Stored::Value(bytes) => bytes,
            Stored::Array(elements, bytes) => ARRAY + elements as f64 * bytes,
        }
    }
}

fn aligned(bytes: f64) -> f64 {
    (bytes / 8.0).ceil() * 8.0
}

/// A number of bytes as people say it: two digits, and a unit.
pub fn spoken(bytes: f64) -> String {
    let units = ["bytes", "kB", "MB", "GB", "TB"];
    let (mut number, mut unit) = (bytes, 0);
    while number >= 1000.0 && unit + 1 < units.len() {
        (number, unit) = (number / 1000.0, unit + 1);
    }
    format!("{} {}", two_digits(number), units[unit])
}

/// A number rounded to its first two digits.
pub fn two_digits(number: f64) -> f64 {
    if number < 10.0 {
        return (number * 10.0).round() / 10.0;
    }
    let mut scale = 1.0;
    while number / scale >= 100.0 {
        scale *= 10.0;
    }
    (number / scale).round() * scale
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_row_of_the_sales_pipeline_is_about_as_long_as_it_is() {
        // pg_column_size() of a row of a full window is 212; the index of 1,000,000 of them has 22 bytes a row more.
        let arrays = [Stored::Array(7, 4.0); 3];
        let totals = [Stored::Value(8.0); 3];
        let columns = [&[Stored::Value(4.0)], &arrays[..], &totals[..], &[Stored::Value(DAY)]].concat();
        let bytes = bytes_a_row(&columns, 4.0);
        assert!((200.0..270.0).contains(&bytes), "{bytes}");
    }

    #[test]
    fn numbers_are_said_in_two_digits() {
        for (bytes, text) in [
            (0.0, "0 bytes"),
            (999.0, "1000 bytes"),
            (1234.0, "1.2 kB"),
            (123_456.0, "120 kB"),
            (45_600_000.0, "46 MB"),
            (9.96e9, "10 GB"),
            (7.7e16, "77000 TB"),
        ] {
            assert_eq!(spoken(bytes), text);
        }
    }
}
