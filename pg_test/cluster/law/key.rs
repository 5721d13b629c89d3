//! Key columns: types, names and values that are easily got wrong.

use crate::event::{POOL, typed};
use pg_cumulate_tests::{ident, literal};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyType {
    Integer,
    Bigint,
    Text,
    Numeric,
    Date,
    Uuid,
}

#[derive(Debug, Clone)]
pub struct KeyColumn {
    pub name: &'static str,
    pub kind: KeyType,
    /// Of the database.
    encoding: &'static str,
}

/// Texts are as likely as all others together.
const TYPES: &[KeyType] = &[
    KeyType::Integer,
    KeyType::Text,
    KeyType::Text,
    KeyType::Text,
    KeyType::Bigint,
    KeyType::Text,
    KeyType::Numeric,
    KeyType::Date,
    KeyType::Uuid,
];

const NAMES: &[&str] = &["product_id", "Region", "select", "it's \"so\"", "größe"];

impl KeyColumn {
    /// The column in a CREATE TABLE.
    pub fn declaration(&self) -> String {
        format!("{} {}", self.quoted(), self.kind.sql())
    }

    pub fn quoted(&self) -> String {
        ident(self.name)
    }

    /// The value with that number in the pool of the type.
    pub fn value(&self, number: Option<usize>) -> String {
        let value = |number: usize| match self.kind {
            KeyType::Text => text_pool(self.encoding)[number].to_owned(),
            kind => literal(kind.pool()[number]),
        };
        typed(number.map(value), self.kind.sql())
    }

    /// Text that is the same for equal keys.
    pub fn canonical(&self) -> String {
        match self.kind {
            KeyType::Numeric => format!("trim_scale({})::text", self.quoted()),
            // By its bytes, which need not be letters.
            KeyType::Text => format!("encode(convert_to({}, getdatabaseencoding()), 'escape')", self.quoted()),
            _ => format!("{}::text", self.quoted()),
        }
    }
}

impl KeyType {
    fn sql(self) -> &'static str {
        match self {
            KeyType::Integer => "integer",
            KeyType::Bigint => "bigint",
            KeyType::Text => "text",
            KeyType::Numeric => "numeric",
            KeyType::Date => "date",
            KeyType::Uuid => "uuid",
        }
    }

    fn pool(self) -> [&'static str; POOL] {
        match self {
            KeyType::Integer => ["1", "2", "0", "-7", "2147483647", "-2147483648"],
            KeyType::Bigint => ["1", "2", "0", "-7", "9223372036854775807", "-9223372036854775808"],
            KeyType::Text => unreachable!("texts have a pool for each encoding"),
            KeyType::Numeric => ["1.0", "1.00", "1", "-0.50", "100000000000000000000", "NaN"],
            KeyType::Date => ["2024-02-29", "2024-12-31", "0044-03-15 BC", "9999-12-31", "1970-01-01", "infinity"],
            KeyType::Uuid => [
                "00000000-0000-0000-0000-000000000000",
                "00000000-0000-0000-0000-000000000001",
                "ffffffff-ffff-ffff-ffff-ffffffffffff",
                "123e4567-e89b-12d3-a456-426614174000",
                "123e4567-e89b-12d3-a456-426614174001",
                "80000000-0000-0000-0000-000000000000",
            ],
        }
    }
}

/// Texts as SQL writes them: what an encoding has and others have not, or other bytes for.
fn text_pool(encoding: &str) -> [&'static str; POOL] {
    match encoding {
        "UTF8" => ["'ä'", "''", "'it''s \"quoted\"'", "E'two\nlines\tand\\\\n'", "'ünïcode ☃ 𝄞'", "'NULL,{x}'"],
        "LATIN1" => ["'ä'", "'\"ÿ\" ß'", "'a'", "'ç,Ç'", "E'\\x80'", "'NULL,{«»}'"],
        "EUC_JP" => ["'日本'", "'表 ソ'", "'ｶﾅ'", "'{\"é\"}'", "'日'", "'NULL,カ'"],
        // Bytes that are no letters, letters of several bytes, and half of one; the last two are how some programs write
        // bytes as letters.
        "SQL_ASCII" => {
            ["'ä'", "E'\\xc3'", "E'\\xff\\xfe'", "E'a\\xa4'", "'\u{10ff80}\u{10ffe4}'", "'\u{f780}\u{fffd}'"]
        }
        other => unreachable!("no texts for {other}"),
    }
}

pub fn any_columns(encoding: &'static str) -> impl Strategy<Value = Vec<KeyColumn>> {
    let names = subsequence(NAMES, 2).prop_shuffle();
    (names, select(TYPES), prop::option::weighted(0.35, select(TYPES))).prop_map(move |(names, first, second)| {
        let kinds = [Some(first), second];
        let column = |(name, kind): (_, Option<KeyType>)| Some(KeyColumn { name, kind: kind?, encoding });
        names.into_iter().zip(kinds).filter_map(column).collect()
    })
}
