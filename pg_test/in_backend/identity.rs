//! Whose rights the engine works with.

use super::sql;
use crate::pg::identity::{as_extension, as_owner};
use crate::pg::settings::setting;
use crate::pg::spi::Statement;
use crate::pg::table;
use pgrx::PgTryBuilder;
use pgrx::pg_sys::Oid;

fn text(statement: &str) -> String {
    Statement::new(statement).first(|row| row.get::<String>(0)).flatten().unwrap_or_default()
}

pub fn the_owner_cannot_be_escaped() {
    sql("CREATE ROLE cumulate_test_owner");
    let role = Statement::new("SELECT 'cumulate_test_owner'::regrole::oid").first(|row| row.get::<Oid>(0)).flatten();
    let role = role.unwrap_or(Oid::INVALID);
    let before = table::current_role();
    assert_eq!(as_owner(role, || text("SELECT current_user::text")), "cumulate_test_owner");
    assert_eq!(table::current_role(), before);
    let escaped = PgTryBuilder::new(|| {
        as_owner(role, || sql("SET ROLE postgres"));
        true
    })
    .catch_others(|_| false)
    .execute();
    assert!(!escaped, "a restricted owner could SET ROLE");
}

pub fn settings_are_pinned_and_restored() {
    // As a caller does: what our own statements set ends with them.
    let set = pgrx::Spi::run("SET LOCAL search_path = public; SET LOCAL DateStyle = 'SQL, DMY'");
    assert_eq!(set, Ok(()));
    let inside = as_extension(|| text("SELECT current_setting('search_path') || '|' || current_setting('DateStyle')"));
    assert_eq!(inside, "pg_catalog, pg_temp|ISO, YMD");
    assert_eq!([setting(c"search_path"), setting(c"DateStyle")], ["public", "SQL, DMY"]);
    let ours = text("SELECT current_setting('search_path')");
    assert_eq!([ours, setting(c"search_path")], ["pg_catalog, pg_temp", "public"]);
}
