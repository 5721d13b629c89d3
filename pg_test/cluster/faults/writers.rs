//! Sessions that change the sources, mostly on days that are over.

use crate::session::{Failure, Session};
use crate::stage::{DAYS, ROWS, WRITER};
use crate::world::World;
use pg_cumulate_tests::Dice;

const SHOPS: u64 = 12;
const ITEMS: u64 = 3;

/// Changes until the run is over.
pub fn write(world: &World, mut dice: Dice) {
    let mut session = Session::new(world, WRITER);
    // A prepared transaction outlives its session and its server.
    let mut prepared: Option<(String, u64)> = None;
    let mut number = 0;
    while !world.is_over() {
        number += 1;
        if let Some((name, rows)) = prepared.take() {
            // At once, as others may wait for it, and this session then for them.
            let verb = if dice.percent(70) { "COMMIT" } else { "ROLLBACK" };
            match session.run_where("end a prepared transaction", &format!("{verb} PREPARED '{name}'"), is_gone) {
                Ok(_) if verb == "COMMIT" => world.toll.counts().changes += rows,
                Err(failure) if !is_gone(&failure) => prepared = Some((name, rows)),
                _ => {}
            }
        } else if dice.below(30) == 0 {
            let name = format!("{:x}-{number}", dice.below(1 << 30));
            let sql = format!("BEGIN; {}; PREPARE TRANSACTION '{name}'", changes(&mut dice));
            // When its answer is lost it may have been prepared all the same.
            let rows = session.run_where("prepare a transaction", &sql, is_conflict);
            prepared = Some((name, rows.map_or(0, |rows| kept(&sql, &rows))));
        } else {
            let (what, sql) = transaction(&mut dice);
            if let Ok(rows) = session.run_where(what, &sql, is_conflict)
                && !sql.ends_with("ROLLBACK")
            {
                world.toll.counts().changes += kept(&sql, &rows);
            }
        }
        world.pause(dice.below(25));
    }
}

/// The rows of the commands of a transaction that were not undone by a savepoint.
fn kept(sql: &str, rows: &[u64]) -> u64 {
    let (mut sum, mut before) = (0, 0);
    for (command, rows) in sql.split("; ").zip(rows) {
        match command {
            "SAVEPOINT here" => before = sum,
            "ROLLBACK TO here" => sum = before,
            _ => sum += rows,
        }
    }
    sum
}

/// It was not prepared, or its end was heard of by nobody.
fn is_gone(failure: &Failure) -> bool {
    failure.sqlstate == "42704"
}

/// Two writers of the same rows may wait for each other, or one moves a row away from the other; that is theirs.
pub fn is_conflict(failure: &Failure) -> bool {
    ["40P01", "40001"].contains(&failure.sqlstate.as_str())
}

fn transaction(dice: &mut Dice) -> (&'static str, String) {
    let source = dice.one(&["events", "parted_events"]);
    match dice.below(400) {
        0 => ("truncate and load again", format!("BEGIN; TRUNCATE {source}; {}; COMMIT", rows(source, ROWS, DAYS))),
        1..10 => {
            let day = dice.below(DAYS);
            let gone = format!("DELETE FROM {source} WHERE at >= {} AND at < {}", time(day + 2, 0), time(day, 0));
            ("replace days", format!("BEGIN; {gone}; {}; COMMIT", rows(source, 100, DAYS)))
        }
        10..60 => ("change and roll back", format!("BEGIN; {}; ROLLBACK", changes(dice))),
        _ => ("change", format!("BEGIN; {}; COMMIT", changes(dice))),
    }
}

/// A few statements, some undone by a savepoint.
fn changes(dice: &mut Dice) -> String {
    let mut commands = Vec::new();
    for _ in 0..=dice.below(3) {
        let undone = dice.below(6) == 0;
        commands.extend(undone.then(|| "SAVEPOINT here".to_owned()));
        commands.push(change(dice));
        commands.extend(undone.then(|| "ROLLBACK TO here".to_owned()));
    }
    commands.join("; ")
}

fn change(dice: &mut Dice) -> String {
    let source = dice.one(&["events", "parted_events"]);
    let (day, shop) = (dice.below(DAYS + 2), dice.below(SHOPS));
    let of_a_shop = format!("WHERE shop = 'shop {shop}' AND at >= {} AND at < {}", time(day, 0), time(day, 86_400));
    match dice.below(10) {
        0..5 => insert(source, dice),
        5..8 => format!("UPDATE {source} SET {} {of_a_shop}", assignment(dice)),
        _ => format!("DELETE FROM {source} {of_a_shop}"),
    }
}

fn assignment(dice: &mut Dice) -> String {
    match dice.below(5) {
        0 => format!("at = {}", time(dice.below(DAYS + 2), dice.below(86_400))),
        1 => format!("shop = {}", shop(dice)),
        2 => format!("kind = '{}'", kind(dice)),
        _ => format!("amount = {}", amount(dice)),
    }
}

fn insert(source: &str, dice: &mut Dice) -> String {
    let values: Vec<String> = (0..=dice.below(12)).map(|_| values(dice)).collect();
    format!("INSERT INTO {source} (shop, item, kind, amount, at) VALUES {}", values.join(", "))
}

fn values(dice: &mut Dice) -> String {
    let at = if dice.below(60) == 0 { "NULL".to_owned() } else { time(dice.below(DAYS + 2), dice.below(86_400)) };
    format!("({}, {}, '{}', {}, {at})", shop(dice), dice.below(ITEMS), kind(dice), amount(dice))
}

fn shop(dice: &mut Dice) -> String {
    // Some keys come and go.
    match dice.below(50) {
        0 => "NULL".to_owned(),
        1..4 => format!("'guest {}'", dice.below(200)),
        _ => format!("'shop {}'", dice.below(SHOPS)),
    }
}

fn kind(dice: &mut Dice) -> &'static str {
    dice.pick::<&str>(&["sell", "sell", "return", "reorder"])
}

fn amount(dice: &mut Dice) -> String {
    if dice.below(20) == 0 { "NULL".to_owned() } else { dice.below(100).to_string() }
}

/// A time so many days ago.
pub fn time(days_ago: u64, second: u64) -> String {
    format!("date_trunc('day', now()) - interval '{days_ago} days' + interval '{second} s'")
}

/// Loads rows over all days.
pub fn rows(source: &str, count: u64, days: u64) -> String {
    format!(
        "INSERT INTO {source} (shop, item, kind, amount, at)
         SELECT 'shop ' || i % {SHOPS}, i % {ITEMS}, (ARRAY['sell', 'return', 'sell', 'reorder'])[1 + i % 4], i % 100,
                date_trunc('day', now()) - i % {days} * interval '1 day' + i * 7919 % 86400 * interval '1 s'
         FROM generate_series(1, {count}) AS i"
    )
}
