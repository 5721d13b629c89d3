//! Which database gets the next worker. Time comes in as an argument, in milliseconds of a clock that nobody sets.

use crate::pg::board::Found;
use std::collections::BTreeMap;

/// What is known of a database.
#[derive(Clone, Debug, Default)]
struct Database {
    next_look: i64,
    last_look: Option<i64>,
    /// Workers in it at the moment.
    workers: u32,
    /// Workers in a row that ended without a word.
    failures: u32,
    has_extension: bool,
    /// The oldest work that was left, as it reported.
    behind_since: Option<i64>,
    /// Turns that it had while it was behind.
    turns: u64,
}

/// All databases, by their numbers.
#[derive(Default)]
pub struct Rota {
    databases: BTreeMap<u32, Database>,
}

/// Whoever asks again and again gets no more than this.
const BETWEEN_REQUESTS: i64 = 200;

/// A database without the extension is looked at this often.
const WITHOUT_EXTENSION: i64 = 10 * 60 * 1000;

/// A database whose workers fail is looked at this often at least.
const LONGEST_BACKOFF: i64 = 60 * 60 * 1000;

impl Rota {
    /// Takes note of which databases there are; new ones are due at once.
    pub fn refresh(&mut self, present: &[u32], now: i64) {
        self.databases.retain(|number, database| present.contains(number) || database.workers > 0);
        for number in present {
            self.databases.entry(*number).or_insert_with(|| Database { next_look: now, ..Database::default() });
        }
    }

    /// Something has become due.
    pub fn ask(&mut self, number: u32, now: i64) {
        let database = self.databases.entry(number).or_default();
        database.next_look = database.last_look.map_or(now, |last| now.max(last + BETWEEN_REQUESTS));
    }

    pub fn ask_all(&mut self, now: i64) {
        self.databases.values_mut().for_each(|database| database.next_look = now);
    }

    /// The database that gets the next of `free` workers. First those without one; then those that may have nothing
    /// to do, which takes a moment; of those that are behind each gets its turn, the oldest work first. A second worker
    /// for the same database, when the first takes long, must not be the last one that others could have.
    pub fn next(&mut self, now: i64, free: usize, naptime: i64) -> Option<u32> {
        let others =
            |number: u32| self.databases.iter().any(|(other, database)| *other != number && database.has_extension);
        let eligible = self.databases.iter().filter(|(number, database)| {
            database.next_look <= now && (database.workers == 0 || free > 1 || (free == 1 && !others(**number)))
        });
        let rank = |database: &Database| {
            (database.workers, database.behind_since.is_some(), database.turns, database.behind_since)
        };
        let chosen = *eligible.filter(|_| free > 0).min_by_key(|(_, database)| rank(database))?.0;
        let database = self.databases.get_mut(&chosen)?;
        database.workers += 1;
        database.next_look = now + naptime;
        database.last_look = Some(now);
        if database.behind_since.is_some() {
            database.turns += 1;
        }
        Some(chosen)
    }

    /// No worker could be started.
    pub fn put_off(&mut self, number: u32, now: i64, naptime: i64) {
        if let Some(database) = self.databases.get_mut(&number) {
            database.workers = database.workers.saturating_sub(1);
            database.next_look = now + naptime;
        }
    }

    /// A worker has ended.
    pub fn ended(&mut self, number: u32, found: Found, now: i64, naptime: i64) {
        let fewest_turns =
            self.databases.values().filter(|other| other.behind_since.is_some()).map(|other| other.turns).min();
        let Some(database) = self.databases.get_mut(&number) else { return };
        database.workers = database.workers.saturating_sub(1);
        let asked_meanwhile = database.next_look <= now;
        let was_behind = database.behind_since.is_some();
        database.behind_since = None;
        database.failures = if found == Found::Nothing { database.failures.saturating_add(1) } else { 0 };
        match found {
            Found::Nothing => {
                let backoff = naptime.saturating_mul(1 << (database.failures - 1).min(20)).min(LONGEST_BACKOFF);
                database.next_look = now + backoff.max(naptime);
            }
            Found::NoExtension => {
                database.has_extension = false;
                if !asked_meanwhile {
                    database.next_look = now + WITHOUT_EXTENSION;
                }
            }
            Found::Idle => database.has_extension = true,
            Found::More(since) => {
                database.has_extension = true;
                database.next_look = now;
                database.behind_since = Some(since);
                if !was_behind {
                    database.turns = fewest_turns.unwrap_or(0);
                }
            }
        }
    }

    /// Milliseconds until the next database is due.
    pub fn idle_time(&self, now: i64) -> Option<i64> {
        self.databases
            .values()
            .filter(|database| database.workers == 0)
            .map(|database| (database.next_look - now).max(0))
            .min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAPTIME: i64 = 60_000;

    fn rota(numbers: &[u32]) -> Rota {
        let mut rota = Rota::default();
        rota.refresh(numbers, 0);
        rota
    }

    #[test]
    fn each_database_gets_a_look_every_naptime() {
        let mut rota = rota(&[1, 2]);
        assert_eq!(
            (rota.next(0, 2, NAPTIME), rota.next(0, 1, NAPTIME), rota.next(0, 1, NAPTIME)),
            (Some(1), Some(2), None)
        );
        rota.ended(1, Found::Idle, 10, NAPTIME);
        rota.ended(2, Found::Idle, 10, NAPTIME);
        assert_eq!(rota.next(59_999, 2, NAPTIME), None);
        assert_eq!(rota.next(60_000, 2, NAPTIME), Some(1));
    }

    #[test]
    fn without_the_extension_ten_minutes_pass_unless_it_asks() {
        let mut rota = rota(&[1]);
        rota.next(0, 1, NAPTIME);
        rota.ended(1, Found::NoExtension, 10, NAPTIME);
        assert_eq!(rota.next(500_000, 1, NAPTIME), None);
        rota.ask(1, 500_000);
        assert_eq!(rota.next(500_000, 1, NAPTIME), Some(1));
    }

    #[test]
    fn a_request_during_a_look_is_not_lost() {
        let mut rota = rota(&[1]);
        rota.next(0, 1, NAPTIME);
        rota.ask(1, 5);
        assert_eq!(rota.next(100, 1, NAPTIME), None, "not that often");
        assert_eq!(rota.next(205, 1, NAPTIME), Some(1), "alone in the server it may have a second worker");
        rota.ended(1, Found::NoExtension, 210, NAPTIME);
        rota.ask(1, 215);
        rota.ended(1, Found::NoExtension, 420, NAPTIME);
        assert_eq!(rota.next(420, 1, NAPTIME), Some(1));
    }

    #[test]
    fn of_those_behind_each_gets_its_turn_the_oldest_first() {
        let mut rota = rota(&[1, 2, 3]);
        for (number, since) in [(1, 300), (2, 100), (3, 200)] {
            rota.ask(number, 0);
            rota.databases.get_mut(&number).unwrap().workers = 1;
            rota.ended(number, Found::More(since), 0, NAPTIME);
        }
        let mut order = Vec::new();
        for now in 1..=6 {
            let number = rota.next(now, 1, NAPTIME).unwrap();
            order.push(number);
            rota.ended(number, Found::More(i64::from(100 * [3, 1, 2][number as usize - 1])), now, NAPTIME);
        }
        assert_eq!(order, [2, 3, 1, 2, 3, 1]);
    }

    #[test]
    fn a_long_run_leaves_the_last_worker_to_others() {
        let mut rota = rota(&[1, 2]);
        assert_eq!((rota.next(0, 2, NAPTIME), rota.next(0, 1, NAPTIME)), (Some(1), Some(2)));
        rota.ended(2, Found::Idle, 10, NAPTIME);
        rota.databases.get_mut(&1).unwrap().has_extension = true;
        assert_eq!(rota.next(60_000, 1, NAPTIME), Some(2));
        rota.ended(2, Found::Idle, 60_010, NAPTIME);
        assert_eq!(rota.next(60_020, 1, NAPTIME), None);
        assert_eq!(rota.next(60_020, 2, NAPTIME), Some(1), "there is another worker left");
    }

    #[test]
    fn workers_that_fail_come_back_ever_later() {
        let mut rota = rota(&[1]);
        let mut now = 0;
        let mut waits = Vec::new();
        for _ in 0..10 {
            while rota.next(now, 1, NAPTIME).is_none() {
                now += 1_000;
            }
            rota.ended(1, Found::Nothing, now, NAPTIME);
            waits.push(rota.idle_time(now).unwrap() / NAPTIME);
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60, 60]);
    }

    #[test]
    fn databases_that_are_gone_are_forgotten() {
        let mut rota = rota(&[1, 2]);
        rota.refresh(&[2], 5);
        assert_eq!((rota.next(5, 2, NAPTIME), rota.next(5, 2, NAPTIME)), (Some(2), None));
    }
}
