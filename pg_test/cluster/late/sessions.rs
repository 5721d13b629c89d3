//! Random rounds of several sessions at once: writers, closers of the same and of different days, maintenance.

use crate::{assert_law, pipeline};
use pg_cumulate_tests::{Ask, Dice};
use postgres::Client;
use std::sync::atomic::{AtomicU32, Ordering};

/// Rounds of all writers together.
const ROUNDS: u32 = 1000;

/// Days from the first of December on: the partition of January is made while others are at work.
const DAYS: u64 = 45;

#[test]
fn writers_and_closers_lose_no_change() {
    let (database, mut client) = pipeline(20);
    let left = AtomicU32::new(ROUNDS);
    let (left, database) = (&left, &database);
    std::thread::scope(|scope| {
        for seed in [1, 2] {
            scope.spawn(move || {
                let (mut session, mut dice) = (database.connect(), Dice::new(seed));
                while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
                    write(&mut session, &mut dice);
                }
            });
        }
        for seed in [3, 4] {
            scope.spawn(move || {
                let (mut session, mut dice) = (database.connect(), Dice::new(seed));
                while left.load(Ordering::Relaxed) > 0 {
                    close(&mut session, &mut dice);
                }
            });
        }
        scope.spawn(move || {
            let (mut session, mut dice) = (database.connect(), Dice::new(5));
            while left.load(Ordering::Relaxed) > 0 {
                maintain(&mut session, &mut dice);
            }
        });
    });
    assert_law(&mut client);
}

/// One transaction of changes, some of them rolled back.
fn write(session: &mut Client, dice: &mut Dice) {
    let mut commands = vec!["BEGIN".to_owned()];
    for _ in 0..=dice.below(3) {
        let undone = dice.below(4) == 0;
        if undone {
            commands.push("SAVEPOINT here".to_owned());
        }
        commands.push(change(dice));
        if undone {
            commands.push("ROLLBACK TO here".to_owned());
        }
    }
    commands.push(if dice.below(6) == 0 { "ROLLBACK" } else { "COMMIT" }.to_owned());
    // Two writers of the same rows may deadlock with each other; that is theirs, and rolls their changes back.
    if let Err(refusal) = session.attempt(&commands.join(";\n")) {
        assert_eq!(refusal.sqlstate, "40P01", "{refusal}");
        session.run("ROLLBACK");
    }
}

fn a_day(dice: &mut Dice) -> String {
    format!("DATE '2024-12-01' + {}", dice.below(DAYS))
}

fn change(dice: &mut Dice) -> String {
    let (day, product) = (a_day(dice), dice.below(80));
    match dice.below(4) {
        0 | 1 => {
            format!("INSERT INTO sales.events (product_id, event_type, event_date) VALUES ({product}, 'sell', {day})")
        }
        2 => format!("DELETE FROM sales.events WHERE product_id = {product} AND event_date = {day}"),
        _ => format!(
            "UPDATE sales.events SET event_date = {} WHERE product_id = {product} AND event_date = {day}",
            a_day(dice)
        ),
    }
}

/// One call of the engine; none may be refused.
fn close(session: &mut Client, dice: &mut Dice) {
    let day = a_day(dice);
    session.run(&match dice.below(6) {
        0 | 1 => format!("SELECT sales.cumulate_day({day})"),
        2 => format!("SELECT cumulate.restate('sales.daily_cumulate', {day}, {day})"),
        3 => "SELECT cumulate.apply_late('sales.daily_cumulate')".to_owned(),
        4 => format!(
            "SELECT cumulate.cumulate_range('sales.daily_cumulate', {day} - least(3, {day} - DATE '2024-12-01'), {day})"
        ),
        _ => format!(
            "BEGIN; SELECT sales.cumulate_day({day}); {}",
            if dice.below(3) == 0 { "ROLLBACK" } else { "COMMIT" }
        ),
    });
}

fn maintain(session: &mut Client, dice: &mut Dice) {
    session.run(match dice.below(4) {
        0 => "VACUUM sales.events",
        1 => "ANALYZE sales.events, sales.daily, sales.daily_cumulate",
        2 => "CREATE INDEX CONCURRENTLY IF NOT EXISTS for_a_while ON sales.events (product_id)",
        _ => "DROP INDEX CONCURRENTLY IF EXISTS sales.for_a_while",
    });
}
