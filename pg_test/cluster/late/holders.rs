//! Who holds days open is shown: by status, days, health, and cumulate.writers.

use crate::{assert_law, pipeline};
use pg_cumulate_tests::Ask;

const DAYS: &str =
    "SELECT day, state, held_by FROM cumulate.days WHERE day BETWEEN '2024-12-10' AND '2024-12-13' ORDER BY day";
const HEALTH: &str = "SELECT what, how_to_mend FROM cumulate.health() WHERE what LIKE '%has written%'";
const STATUS: &str = "SELECT open_days, notes, oldest_note IS NULL, held_by FROM cumulate.status";
const WRITERS: &str = "SELECT pid, prepared, began_at IS NULL, first_day FROM cumulate.writers('sales.daily_cumulate')";

fn insert(product: i32, day: &str) -> String {
    format!("INSERT INTO sales.events (product_id, event_type, event_date) VALUES ({product}, 'sell', '{day}')")
}

#[test]
fn a_process_that_holds_days_open_is_named_until_it_has_ended() {
    let (database, mut client) = pipeline(10);
    client.run("SET cumulate.lock_timeout = '50ms'");
    assert_eq!(client.lines(WRITERS), Vec::<String>::new());
    let mut writer = database.connect();
    // Nobody knows when its transaction began.
    writer.run(&format!("SET track_activities = off; BEGIN; {}", insert(7, "2024-12-12")));
    let pid: i32 = writer.value("SELECT pg_backend_pid()");
    client.run("SELECT sales.cumulate_day('2024-12-12')");
    assert_eq!(client.lines(WRITERS), [format!("{pid}||t|")]);
    assert_eq!(client.lines(STATUS), [format!("1|0|t|{{{pid}}}")]);
    let missing_and_open = [
        "2024-12-10|closed|".to_owned(),
        "2024-12-11|closed|".to_owned(),
        format!("2024-12-12|open|{{{pid}}}"),
        format!("2024-12-13|missing|{{{pid}}}"),
    ];
    assert_eq!(client.lines(DAYS), missing_and_open);
    let told = format!(
        "process {pid} has written to sales.events since an unknown time, and days stay open until it has ended\
         |SELECT pg_terminate_backend({pid});"
    );
    assert_eq!(client.lines(HEALTH), [told]);
    writer.run("COMMIT");
    assert_eq!(client.lines(WRITERS), Vec::<String>::new());
    // It has noted its row, and the day is open still, with nobody to wait for.
    assert_eq!(client.lines(STATUS), ["1|1|f|"]);
    assert_eq!(client.lines(HEALTH), Vec::<String>::new());
    client.run("SELECT sales.cumulate_day('2024-12-12')");
    assert_eq!(client.lines(STATUS), ["0|0|t|"]);
    assert_law(&mut client);
}

#[test]
fn a_prepared_transaction_that_holds_days_open_is_named() {
    let (database, mut client) = pipeline(10);
    let name = format!("holds {}", database.name());
    client.run(&format!("BEGIN; {}; PREPARE TRANSACTION '{name}'", insert(7, "2024-12-12")));
    assert_eq!(client.lines(WRITERS), [format!("|{name}|t|")]);
    assert_eq!(client.lines(STATUS), ["0|0|t|{0}"]);
    let told = client.lines(HEALTH);
    assert!(told[0].starts_with(&format!("prepared transaction '{name}' has written to sales.events")), "{told:?}");
    client.run(told[0].split_once('|').expect("two columns").1);
    assert_eq!(client.lines(WRITERS), Vec::<String>::new());
    client.run("SELECT sales.cumulate_day('2024-12-12')");
    assert_law(&mut client);
}

#[test]
fn writers_of_today_and_readers_hold_nothing_and_strangers_see_nothing() {
    let (database, mut client) = pipeline(10);
    let (mut writer, mut reader, mut builder) = (database.connect(), database.connect(), database.connect());
    writer.run(&format!("BEGIN; {}", insert(7, "2024-12-12")));
    reader.run("SET track_activities = off; BEGIN; SELECT count(*) FROM sales.events");
    builder.run(
        "SET track_activities = off; BEGIN; CREATE TABLE other (); LOCK sales.events IN SHARE UPDATE EXCLUSIVE MODE",
    );
    assert_eq!(client.lines(WRITERS), Vec::<String>::new());
    client.run("CREATE ROLE holder_stranger LOGIN");
    let mut unknown = database.connect();
    unknown.run(&format!("SET track_activities = off; BEGIN; {}", insert(8, "2024-12-12")));
    assert_eq!(client.lines(WRITERS).len(), 1);
    let target: u32 = client.value("SELECT 'sales.daily_cumulate'::regclass::oid");
    let mut stranger = database.connect_as("holder_stranger");
    assert_eq!(stranger.value::<i64>(&format!("SELECT count(*) FROM cumulate.writers({target})")), 0);
    drop((writer, reader, builder, unknown, stranger));
    client.run("DROP ROLE holder_stranger");
}
