//! Errors that PostgreSQL raises below Rust, and mistakes of ours.

use super::sql;
use crate::fold::codec::{Codec, Fixed};
use crate::pg::border::attempt;
use crate::pg::compare::Order;
use crate::pg::spi::Statement;
use crate::pg::value::{Image, Layout};
use pgrx::pg_sys::{self, Oid};
use std::cell::Cell;

/// What was said when `work` raised an error; what it owned must have been dropped.
fn error_of(work: impl FnOnce()) -> String {
    struct Owned<'a>(&'a Cell<bool>);
    impl Drop for Owned<'_> {
        fn drop(&mut self) {
            self.0.set(true);
        }
    }
    let dropped = Cell::new(false);
    let raised = attempt(|| {
        let _owned = Owned(&dropped);
        work();
    });
    assert!(dropped.get(), "an error has jumped over Rust");
    raised.map_or_else(|caught| caught.report.message, |()| String::new())
}

/// The only value of a query, kept.
fn image(oid: Oid, expression: &str) -> Image {
    let value = Statement::new(&format!("SELECT {expression}"))
        .first(|row| row.datum(0).map(|value| Image::of(Layout::of(oid), value)));
    value.flatten().unwrap_or(Image::Word(0))
}

fn comparing(oid: Oid, collation: Oid, left: &str, right: &str) -> String {
    let (left, right) = (image(oid, left), image(oid, right));
    error_of(|| {
        if let Some(mut order) = Order::of(oid, collation) {
            order.compare(left.datum(), right.datum());
        }
    })
}

pub fn an_error_of_a_comparator_drops_what_rust_owns() {
    // PostgreSQL's own: without a collation elements of text cannot be compared.
    let message = comparing(pg_sys::TEXTARRAYOID, Oid::INVALID, "'{a}'::text[]", "'{b}'::text[]");
    assert_eq!(message, "could not determine which collation to use for string comparison");
    // A user's.
    sql("CREATE SCHEMA lab");
    sql("CREATE TYPE lab.pair AS (a integer, b integer)");
    sql("CREATE FUNCTION lab.compare(one lab.pair, other lab.pair) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS
         $$ BEGIN RAISE 'pairs are not compared'; END $$");
    sql("CREATE FUNCTION lab.less(lab.pair, lab.pair) RETURNS boolean LANGUAGE sql IMMUTABLE AS
         'SELECT lab.compare($1, $2) < 0'");
    sql("CREATE OPERATOR lab.<<< (leftarg = lab.pair, rightarg = lab.pair, function = lab.less)");
    sql("CREATE OPERATOR CLASS lab.pairs DEFAULT FOR TYPE lab.pair USING btree AS
         OPERATOR 1 lab.<<<, FUNCTION 1 lab.compare(lab.pair, lab.pair)");
    let pair = Statement::new("SELECT 'lab.pair'::regtype::oid").first(|row| row.get::<Oid>(0)).flatten();
    let message = comparing(pair.unwrap_or(Oid::INVALID), Oid::INVALID, "'(1,2)'::lab.pair", "'(1,3)'::lab.pair");
    assert_eq!(message, "pairs are not compared");
}

pub fn values_are_compared_as_an_index_does() {
    let pairs = [
        ("text", "'a'", "'b'"),
        ("text", "repeat('ü', 3000)", "repeat('ü', 3001)"),
        ("text", "'Z'", "'a'"),
        ("varchar", "''", "'a'"),
        ("bpchar", "'a '", "'ab'"),
        ("numeric", "1.10", "1.2"),
        ("numeric", "10::numeric ^ 300", "'NaN'"),
        ("double precision", "'infinity'", "'NaN'"),
        ("integer", "-1", "1"),
        ("bigint", "-9223372036854775808", "0"),
        ("uuid", "'00000000-0000-0000-0000-000000000001'", "'80000000-0000-0000-0000-000000000000'"),
        ("boolean", "false", "true"),
        ("interval", "'29 days'", "'1 mon 1 hour'"),
        ("text[]", "'{a,b}'", "'{b}'"),
        ("jsonb", "'1'", "'2'"),
    ];
    for (name, less, more) in pairs {
        let (oid, _) = crate::pg::table::type_named(name).unwrap_or((Oid::INVALID, -1));
        for collation in [pg_sys::DEFAULT_COLLATION_OID, pg_sys::C_COLLATION_OID] {
            let order = Order::of(oid, collation);
            assert!(order.is_some(), "{name}");
            let Some(mut order) = order else { return };
            let (low, high) = (image(oid, &format!("({less})::{name}")), image(oid, &format!("({more})::{name}")));
            assert!(order.compare(low.datum(), high.datum()).is_lt(), "{name}: {less} < {more}");
            assert!(order.compare(high.datum(), low.datum()).is_gt(), "{name}: {more} > {less}");
            assert!(order.compare(low.datum(), low.clone().datum()).is_eq(), "{name}: {less}");
        }
    }
    let equal = (image(pg_sys::NUMERICOID, "1.10"), image(pg_sys::NUMERICOID, "1.1"));
    let order = Order::of(pg_sys::NUMERICOID, Oid::INVALID);
    assert!(order.is_some_and(|mut order| order.compare(equal.0.datum(), equal.1.datum()).is_eq()));
}

pub fn a_value_is_never_read_as_of_another_type() {
    let reading = |get: fn(&crate::pg::receiver::Row)| {
        error_of(|| {
            Statement::new("SELECT 1::bigint, '{1}'::bigint[]").map(|row| get(&row));
        })
    };
    let of = |found: Oid, wanted: Oid| format!("type {}, not {}", found.to_u32(), wanted.to_u32());
    let message = reading(|row| _ = row.get::<String>(0));
    assert_eq!(message, format!("column 0 of a statement has {}", of(pg_sys::INT8OID, pg_sys::TEXTOID)));
    assert_eq!(reading(|row| _ = row.get::<i64>(2)), "a statement has no column 2");
    assert_eq!(reading(|row| _ = row.datum(2)), "a statement has no column 2");
    let message = reading(|row| {
        if let Some(array) = row.datum(1) {
            _ = Fixed::<i32>::new().read_array(array, 7, &mut Vec::new());
        }
    });
    assert_eq!(message, format!("an array has elements of {}", of(pg_sys::INT8OID, pg_sys::INT4OID)));
}
