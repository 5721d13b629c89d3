//! A table that is dropped and made again and again: all of its days are closed from nothing, by hand or by the scheduler.

use crate::session::Session;
use crate::stage::{CLOSER, DAYS};
use crate::tables::{ANEW, Table};
use crate::world::World;
use pg_cumulate_tests::Dice;

pub fn remake(world: &World, mut dice: Dice) {
    let table = Table::named(ANEW);
    let mut session = Session::new(world, CLOSER);
    while !world.is_over() {
        let keep_data = dice.percent(30);
        let drop = format!("SELECT cumulate.drop_table('{ANEW}', keep_data => {keep_data})");
        if session.run("make a table anew", &format!("BEGIN; {drop}; {}; COMMIT", table.create(world.start))).is_err() {
            continue;
        }
        match dice.below(4) {
            // The scheduler does it, unless it is killed.
            0 => world.pause(2000 + dice.below(2000)),
            1 => day_by_day(world, &mut session, table, &mut dice),
            2 => {
                let days = format!("{0} - {DAYS}, {0} - 1", table.today());
                until_done(
                    world,
                    &mut session,
                    "close all days",
                    &format!("SELECT cumulate.cumulate_range('{ANEW}', {days})"),
                );
            }
            _ => until_done(world, &mut session, "backfill from nothing", &format!("CALL cumulate.backfill('{ANEW}')")),
        }
        world.pause(dice.below(1000));
    }
}

/// Days in any order.
fn day_by_day(world: &World, session: &mut Session, table: &Table, dice: &mut Dice) {
    for _ in 0..DAYS / 2 {
        let day = format!("{} - {}", table.today(), 1 + dice.below(DAYS));
        let _ = session.run("close a missing day", &format!("SELECT cumulate.cumulate_day('{ANEW}', {day})"));
        world.pause(dice.below(30));
    }
}

/// What is killed is tried again.
fn until_done(world: &World, session: &mut Session, what: &'static str, sql: &str) {
    while !world.is_over() && session.run(what, sql).is_err() {}
}
