//! Sessions that call the engine: for days that are over, one or several, again and again, some with little patience.

use crate::session::{Failure, Session};
use crate::stage::{CLOSER, DAYS};
use crate::tables::{ANEW, KEPT, TABLES, Table};
use crate::toll::Fault;
use crate::world::World;
use pg_cumulate_tests::Dice;

/// Calls until the run is over.
pub fn close(world: &World, mut dice: Dice) {
    let mut session = Session::new(world, CLOSER);
    while !world.is_over() {
        let table = dice.pick(TABLES);
        // That one is the remaker's.
        if table.name == ANEW {
            continue;
        }
        match dice.below(20) {
            0 => idle(world, &mut session, table, &mut dice),
            1..4 => impatient(world, &mut session, table, &mut dice),
            _ => {
                let (what, sql) = call(table, &mut dice);
                let _ = session.run_where(what, &sql, |failure| is_expected(table, failure));
            }
        }
        world.pause(dice.below(40));
    }
}

/// One call of the engine.
fn call(table: &Table, dice: &mut Dice) -> (&'static str, String) {
    let name = table.name;
    let from = dice.below(DAYS - 1) + 1;
    let to = from - dice.below(from.min(6));
    let (from, to) = (format!("{} - {from}", table.today()), format!("{} - {to}", table.today()));
    match dice.below(20) {
        0..5 => ("cumulate_day", format!("SELECT cumulate.cumulate_day('{name}', {from})")),
        5..9 => ("restate", format!("SELECT cumulate.restate('{name}', {from}, {to})")),
        9..12 => ("apply_late", format!("SELECT cumulate.apply_late('{name}')")),
        12..14 => ("cumulate_range", format!("SELECT cumulate.cumulate_range('{name}', {from}, {to})")),
        14 => ("populate_day", format!("SELECT cumulate.populate_day('{name}', {from})")),
        15 => ("backfill of all days", format!("CALL cumulate.backfill('{name}')")),
        16 => ("backfill of some days", format!("CALL cumulate.backfill('{name}', {from}, {to})")),
        17 if name == KEPT => {
            let days = 12 + dice.below(DAYS);
            ("retention", format!("SELECT cumulate.alter_table('{name}', retention => '{days} days')"))
        }
        17 => ("run_now", format!("SELECT cumulate.run_now('{name}')")),
        18 => {
            let calls = format!("SELECT cumulate.cumulate_day('{name}', {from}); SELECT cumulate.apply_late('{name}')");
            ("calls that are rolled back", format!("BEGIN; {calls}; ROLLBACK"))
        }
        _ => ("calls in a transaction", format!("BEGIN; SELECT cumulate.restate('{name}', {from}, {to}); COMMIT")),
    }
}

/// A call with a timeout that may end it.
fn impatient(world: &World, session: &mut Session, table: &Table, dice: &mut Dice) {
    let (what, sql) = call(table, dice);
    let (fault, setting, told) = if dice.percent(50) {
        (Fault::StatementTimeout, "statement_timeout", "statement timeout")
    } else {
        (Fault::LockTimeout, "lock_timeout", "lock timeout")
    };
    // Few of the calls take longer.
    let limit = 1 + dice.below(25);
    if session.run("set", &format!("SET {setting} = {limit}")).is_err() {
        return;
    }
    let ended = session.run_where(what, &sql, |failure| is_expected(table, failure));
    world.toll.met(fault, ended.is_err_and(|failure| failure.message.contains(told)));
    // A session that was lost is followed by one without the setting.
    let _ = session.run("set", &format!("RESET {setting}"));
}

/// A transaction that makes a call and is then left alone, until the server ends it.
fn idle(world: &World, session: &mut Session, table: &Table, dice: &mut Dice) {
    let (name, day) = (table.name, format!("{} - {}", table.today(), 1 + dice.below(10)));
    let call = format!(
        "BEGIN; SET LOCAL idle_in_transaction_session_timeout = 20; SELECT cumulate.restate('{name}', {day}, {day})"
    );
    if session.run_where("a transaction that idles", &call, |failure| is_expected(table, failure)).is_err() {
        return;
    }
    std::thread::sleep(std::time::Duration::from_millis(40));
    let ended = session.run("a transaction that idled", "COMMIT");
    world.toll.met(Fault::IdleTimeout, ended.is_err_and(|failure| failure.sqlstate == "25P03"));
}

/// Days that are older than a table keeps them, and a launcher or a pause that run_now does not wait for.
fn is_expected(table: &Table, failure: &Failure) -> bool {
    failure.sqlstate == "55000" && (table.name == KEPT || !failure.message.contains("dropped"))
}
