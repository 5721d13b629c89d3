//! Arrays between PostgreSQL and Rust.

use super::sql;
use crate::pg::array;
use crate::pg::encoding::ServerText;
use crate::pg::spi::Statement;
use crate::pg::value::{Image, Layout};
use pgrx::pg_sys;

fn integers(expression: &str) -> Vec<Option<i32>> {
    let mut elements = Vec::new();
    let each = Statement::new(&format!("SELECT {expression}")).each(|row| match row.datum(0) {
        Some(array) => array::read_fixed(array, usize::MAX, &mut elements),
        None => Ok(()),
    });
    assert!(each.is_ok());
    elements
}

pub fn arrays_are_read_through_short_and_long_headers() {
    sql("CREATE TEMP TABLE short_and_long (a integer[])");
    sql("INSERT INTO short_and_long VALUES ('{3,2,1}'), ((SELECT array_agg(n) FROM generate_series(1, 3000) n))");
    assert_eq!(integers("a FROM short_and_long WHERE cardinality(a) = 3"), [Some(3), Some(2), Some(1)]);
    let long = integers("a FROM short_and_long WHERE cardinality(a) = 3000");
    assert_eq!((long.len(), long[0], long[2999]), (3000, Some(1), Some(3000)));
    assert_eq!(integers("'{}'::integer[]"), []);
    assert_eq!(integers("'[5:6]={8,9}'::integer[]"), [Some(8), Some(9)]);
}

pub fn arrays_with_nulls_keep_them() {
    let elements = integers("'{NULL,2,NULL,4,NULL,NULL,NULL,NULL,9}'::integer[]");
    assert_eq!(elements, [None, Some(2), None, Some(4), None, None, None, None, Some(9)]);
    let written = array::write_fixed(&elements);
    let text = crate::pg::value::to_text(pg_sys::INT4ARRAYOID, written).text();
    assert_eq!(text, "{NULL,2,NULL,4,NULL,NULL,NULL,NULL,9}");
    let empty = array::write_fixed::<i32>(&[]);
    assert_eq!(crate::pg::value::to_text(pg_sys::INT4ARRAYOID, empty).text(), "{}");
}

pub fn text_arrays_survive_a_round_trip() {
    let layout = Layout::of(pg_sys::TEXTOID);
    let source = r#"{"a b",NULL,"quote \" and \\",ü}"#;
    let mut elements = Vec::new();
    let each = Statement::new("SELECT $1::text[]").bind(source).each(|row| match row.datum(0) {
        Some(array) => array::read_any(array, layout, usize::MAX, &mut elements),
        None => Ok(()),
    });
    assert!(each.is_ok());
    let written = array::write_any(layout, &elements);
    assert_eq!(crate::pg::value::to_text(pg_sys::TEXTARRAYOID, written).text(), source);
}

pub fn elements_of_every_width_and_alignment_survive_a_round_trip() {
    let arrays = [
        ("boolean", "{t,NULL,f}"),
        ("\"char\"", "{a,NULL,z}"),
        ("smallint", "{-1,NULL,32767}"),
        ("date", "{2024-12-01,NULL,infinity}"),
        ("bigint", "{-9223372036854775808,NULL,1}"),
        ("name", "{one,NULL,two}"),
        ("macaddr", "{08:00:2b:01:02:03,NULL,08:00:2b:01:02:04}"),
        ("numeric", "{1.50,NULL,NaN,-123456789012345678901234567890}"),
        ("interval", "{\"1 mon\",NULL,-02:00:00}"),
        ("numrange", "{\"[1.5,2)\",NULL,empty}"),
    ];
    for (name, source) in arrays {
        // From a table with a short header, and from an expression with a long one.
        sql("DROP TABLE IF EXISTS held");
        sql(&format!("CREATE TEMP TABLE held AS SELECT '{source}'::{name}[] AS a"));
        for from in ["a FROM held".to_owned(), format!("'{source}'::{name}[]")] {
            let each = Statement::new(&format!("SELECT {from}")).each(|row| {
                let (Some(array), mut elements) = (row.datum(0), Vec::new()) else { return Ok(()) };
                let oid = element_of(name);
                array::read_any(array, Layout::of(oid), usize::MAX, &mut elements)?;
                let written = array::write_any(Layout::of(oid), &elements);
                let array_type = crate::pg::table::array_type(oid).unwrap_or(pgrx::pg_sys::Oid::INVALID);
                assert_eq!(crate::pg::value::to_text(array_type, written).text(), source, "{name}");
                Ok(())
            });
            assert!(each.is_ok());
        }
    }
}

fn element_of(name: &str) -> pg_sys::Oid {
    crate::pg::table::type_named(name).map_or(pg_sys::Oid::INVALID, |found| found.0)
}

pub fn images_are_equal_when_their_bytes_are() {
    let layout = Layout::of(pg_sys::TEXTOID);
    let image = |text: &str| Image::of(layout, crate::pg::value::from_text(pg_sys::TEXTOID, -1, &ServerText::of(text)));
    assert_eq!(image("same"), image("same"));
    assert_ne!(image("same"), image("other"));
    assert!(layout.same(image("same").datum(), image("same").datum()));
    assert!(!layout.same(image("same").datum(), image("some").datum()));
}
