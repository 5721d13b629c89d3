//! Which database gets the next worker, and which workers should leave for others. Time comes in as an argument, in
//! milliseconds of a clock that nobody sets.

use crate::pg::board::{Found, Load};
use std::collections::BTreeMap;

/// What is known of a database.
#[derive(Clone, Debug, Default)]
struct Database {
    next_look: i64,
    /// When the last worker of each load came.
    last_any: Option<i64>,
    last_light: Option<i64>,
    /// Workers in a row that ended without a word.
    failures: u32,
    /// Work was left.
    behind: Option<Behind>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Behind {
    /// The worker left for others.
    More,
    /// What is left takes too long for a light worker.
    Heavy,
}

/// A worker at a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visit {
    id: u64,
    pub database: u32,
    pub load: Load,
    began: i64,
}

/// All databases, by their numbers, and who is there.
#[derive(Default)]
pub struct Rota {
    databases: BTreeMap<u32, Database>,
    visits: Vec<Visit>,
    last_id: u64,
}

/// Workers that there may be.
#[derive(Clone, Copy)]
pub struct Room {
    /// cumulate.max_workers.
    pub most: usize,
    /// Workers that an earlier launcher has left behind, and of which nothing else is known.
    pub orphans: usize,
}

/// Whoever asks again and again gets no more than this.
const BETWEEN_REQUESTS: i64 = 200;

/// A database without the extension is looked at this often.
const WITHOUT_EXTENSION: i64 = 10 * 60 * 1000;

/// A database whose workers fail is looked at this often at least.
const LONGEST_BACKOFF: i64 = 60 * 60 * 1000;

/// A worker stays this long at least when another database waits that may have nothing to do, which takes a moment.
const MOMENT: i64 = 1000;

/// How long a worker stays when the others that wait are behind as well.
const SLICE: i64 = 10 * 1000;

impl Rota {
    /// Takes note of which databases there are; new ones are due at once.
    pub fn refresh(&mut self, present: &[u32], now: i64) {
        let visits = &self.visits;
        let visited = |number: u32| visits.iter().any(|visit| visit.database == number);
        self.databases.retain(|number, _| present.contains(number) || visited(*number));
        for number in present {
            self.databases.entry(*number).or_insert_with(|| Database { next_look: now, ..Database::default() });
        }
    }

    /// Something has become due.
    pub fn ask(&mut self, number: u32, now: i64) {
        let database = self.databases.entry(number).or_default();
        let last = database.last_any.max(database.last_light);
        database.next_look = last.map_or(now, |last| now.max(last + BETWEEN_REQUESTS));
    }

    pub fn ask_all(&mut self, now: i64) {
        self.databases.values_mut().for_each(|database| database.next_look = now);
    }

    /// The next worker's visit. First come databases without one; then those that may have nothing to do, which takes a
    /// moment; those that are behind take turns. The last of several workers is a light one, so that nothing that takes
    /// long keeps it from others.
    pub fn next(&mut self, now: i64, room: Room, naptime: i64) -> Option<Visit> {
        let load = self.next_load(room)?;
        let eligible = self.databases.iter().filter(|(_, database)| database.is_due(now, load));
        let rank = |number: u32, database: &Database| {
            (self.visits_to(number), database.behind.is_some(), database.last_visit(load))
        };
        let number = *eligible.min_by_key(|(number, database)| rank(**number, database))?.0;
        let database = self.databases.get_mut(&number)?;
        database.next_look = now + naptime;
        match load {
            Load::Any => database.last_any = Some(now),
            Load::Light => database.last_light = Some(now),
        }
        self.last_id += 1;
        let visit = Visit { id: self.last_id, database: number, load, began: now };
        self.visits.push(visit);
        Some(visit)
    }

    /// What the next worker may take on; None when there is no room for one.
    fn next_load(&self, room: Room) -> Option<Load> {
        let any = self.visits.iter().filter(|visit| visit.load == Load::Any).count() + room.orphans;
        match () {
            () if self.visits.len() + room.orphans >= room.most => None,
            () if any < room.most.saturating_sub(1).max(1) => Some(Load::Any),
            () => Some(Load::Light),
        }
    }

    fn visits_to(&self, number: u32) -> usize {
        self.visits.iter().filter(|visit| visit.database == number).count()
    }

    /// Workers that should end at their next batch, for others wait: at once for databases that may have nothing to do,
    /// after a slice for those that are behind.
    pub fn to_leave(&self, now: i64, room: Room) -> Vec<Visit> {
        let Some(patience) = self.patience(now, room) else { return Vec::new() };
        self.visits.iter().filter(|visit| visit.began + patience <= now).copied().collect()
    }

    /// How long workers may stay while others wait; None when nobody waits.
    fn patience(&self, now: i64, room: Room) -> Option<i64> {
        let load = self.next_load(room);
        let waits = |number: u32, database: &Database| {
            let unserved = load != Some(Load::Any) && database.is_due(now, Load::Any);
            unserved && !load.is_some_and(|load| database.is_due(now, load)) && self.visits_to(number) == 0
        };
        let waiting = self.databases.iter().filter(|(number, database)| waits(**number, database));
        waiting.map(|(_, database)| if database.behind.is_some() { SLICE } else { MOMENT }).min()
    }

    /// No worker could be started.
    pub fn put_off(&mut self, visit: Visit, now: i64, naptime: i64) {
        self.visits.retain(|other| other.id != visit.id);
        if let Some(database) = self.databases.get_mut(&visit.database) {
            database.next_look = now + naptime;
        }
    }

    /// A worker has ended.
    pub fn ended(&mut self, visit: Visit, found: Found, now: i64, naptime: i64) {
        self.visits.retain(|other| other.id != visit.id);
        let Some(database) = self.databases.get_mut(&visit.database) else { return };
        let asked_meanwhile = database.next_look <= now;
        database.behind = match found {
            Found::More => Some(Behind::More),
            Found::Heavy => Some(Behind::Heavy),
            Found::Nothing | Found::NoExtension | Found::Idle => None,
        };
        database.failures = if found == Found::Nothing { database.failures.saturating_add(1) } else { 0 };
        match found {
            Found::Nothing => {
                let backoff = naptime.saturating_mul(1 << (database.failures - 1).min(20)).min(LONGEST_BACKOFF);
                database.next_look = now + backoff.max(naptime);
            }
            Found::NoExtension if asked_meanwhile => {}
            Found::NoExtension => database.next_look = now + WITHOUT_EXTENSION,
            Found::Idle | Found::Heavy => {}
            Found::More => database.next_look = now,
        }
    }

    /// Milliseconds until there may be something to do: a look, or a worker that is to leave for others.
    pub fn idle_time(&self, now: i64, room: Room) -> Option<i64> {
        let ahead = |time: i64| (time > now).then(|| time - now);
        let looks = self.databases.values().filter_map(|database| ahead(database.next_look));
        let patience = self.patience(now, room);
        let leaves = self.visits.iter().filter_map(|visit| ahead(visit.began + patience?));
        looks.chain(leaves).min()
    }
}

impl Database {
    /// Whether there is something for a worker of that load.
    fn is_due(&self, now: i64, load: Load) -> bool {
        self.next_look <= now || (load == Load::Any && self.behind == Some(Behind::Heavy))
    }

    fn last_visit(&self, load: Load) -> Option<i64> {
        match load {
            Load::Any => self.last_any,
            Load::Light => self.last_light,
        }
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

    fn room(most: usize) -> Room {
        Room { most, orphans: 0 }
    }

    fn next(rota: &mut Rota, now: i64, most: usize) -> Option<Visit> {
        rota.next(now, room(most), NAPTIME)
    }

    /// The next visit, which ends at once.
    fn visit(rota: &mut Rota, now: i64, most: usize, found: Found) -> Option<u32> {
        let visit = next(rota, now, most)?;
        rota.ended(visit, found, now, NAPTIME);
        Some(visit.database)
    }

    #[test]
    fn each_database_gets_a_look_every_naptime() {
        let mut rota = rota(&[1, 2]);
        let visits = [next(&mut rota, 0, 2), next(&mut rota, 0, 2)].map(Option::unwrap);
        assert_eq!(visits.map(|visit| visit.database), [1, 2]);
        assert_eq!(next(&mut rota, 0, 2), None);
        for visit in visits {
            rota.ended(visit, Found::Idle, 10, NAPTIME);
        }
        assert_eq!(next(&mut rota, 59_999, 2), None);
        let again = [visit(&mut rota, 60_000, 2, Found::Idle), visit(&mut rota, 60_000, 2, Found::Idle)];
        assert_eq!(again.map(Option::unwrap), [2, 1], "who had the light worker comes first now");
    }

    #[test]
    fn without_the_extension_ten_minutes_pass_unless_it_asks() {
        let mut rota = rota(&[1]);
        visit(&mut rota, 10, 1, Found::NoExtension);
        assert_eq!(next(&mut rota, 500_000, 1), None);
        rota.ask(1, 500_000);
        assert_eq!(visit(&mut rota, 500_000, 1, Found::Idle), Some(1));
    }

    #[test]
    fn a_request_during_a_look_is_not_lost() {
        let mut rota = rota(&[1]);
        let first = next(&mut rota, 0, 2).unwrap();
        rota.ask(1, 5);
        assert_eq!(next(&mut rota, 100, 2), None, "not that often");
        let second = next(&mut rota, 205, 2).unwrap();
        rota.ended(first, Found::NoExtension, 210, NAPTIME);
        rota.ask(1, 215);
        rota.ended(second, Found::NoExtension, 420, NAPTIME);
        assert_eq!(visit(&mut rota, 420, 1, Found::Idle), Some(1));
    }

    #[test]
    fn those_that_are_behind_take_turns() {
        let mut rota = rota(&[1, 2, 3]);
        let order: Vec<u32> = (0..6).filter_map(|now| visit(&mut rota, now, 1, Found::More)).collect();
        assert_eq!(order, [1, 2, 3, 1, 2, 3]);
    }

    #[test]
    fn the_last_of_several_workers_is_a_light_one() {
        let mut rota = rota(&[1, 2, 3, 4]);
        let loads = |rota: &mut Rota, most| next(rota, 0, most).map(|visit| visit.load);
        assert_eq!((loads(&mut rota, 1), loads(&mut rota, 1)), (Some(Load::Any), None));
        assert_eq!((loads(&mut rota, 2), loads(&mut rota, 2)), (Some(Load::Light), None));
        assert_eq!((loads(&mut rota, 4), loads(&mut rota, 4)), (Some(Load::Any), Some(Load::Any)));
        let orphaned = Room { most: 2, orphans: 1 };
        assert_eq!(Rota::default().next_load(orphaned), Some(Load::Light), "who knows what the orphan is at");
    }

    #[test]
    fn what_is_too_much_for_a_light_worker_waits_for_another_one() {
        let mut rota = rota(&[1, 2]);
        let busy = next(&mut rota, 0, 2).unwrap();
        assert_eq!(visit(&mut rota, 0, 2, Found::Heavy), Some(2));
        assert_eq!(next(&mut rota, 100, 2), None, "a light worker would find nothing");
        assert_eq!(rota.to_leave(SLICE - 1, room(2)), []);
        assert_eq!(rota.to_leave(SLICE, room(2)), [busy]);
        rota.ended(busy, Found::More, SLICE, NAPTIME);
        let heavy = next(&mut rota, SLICE, 2).unwrap();
        assert_eq!((heavy.database, heavy.load), (2, Load::Any));
    }

    #[test]
    fn workers_that_fail_come_back_ever_later() {
        let mut rota = rota(&[1]);
        let mut now = 0;
        let mut waits = Vec::new();
        for _ in 0..10 {
            while visit(&mut rota, now, 1, Found::Nothing).is_none() {
                now += 1_000;
            }
            waits.push(rota.idle_time(now, room(1)).unwrap() / NAPTIME);
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60, 60]);
    }

    #[test]
    fn databases_that_are_gone_are_forgotten() {
        let mut rota = rota(&[1, 2]);
        rota.refresh(&[2], 5);
        assert_eq!(visit(&mut rota, 5, 2, Found::Idle), Some(2));
        assert_eq!(next(&mut rota, 5, 2), None);
    }

    /// A server whose databases, but for the last one, have work without end in batches of so many milliseconds; the
    /// longest time between looks at the last one, once each database is known.
    fn longest_wait(most: usize, batches: &[i64]) -> i64 {
        const NAPTIME: i64 = 1_000;
        const STEP: i64 = 100;
        const LIGHT_LIMIT: i64 = 5_000;
        let quick = batches.len() as u32;
        let mut rota = rota(&(0..=quick).collect::<Vec<_>>());
        let mut known_slow = vec![false; batches.len()];
        // Until when each worker is at its batch.
        let mut running: Vec<(Visit, i64)> = Vec::new();
        let mut looks = Vec::new();
        for now in (0..600_000).step_by(STEP as usize) {
            let told = rota.to_leave(now, room(most));
            for (visit, until) in std::mem::take(&mut running) {
                let batch = batches.get(visit.database as usize).copied();
                let is_slow = batch.is_some_and(|batch| batch > LIGHT_LIMIT) && visit.load == Load::Light;
                match batch {
                    _ if until > now => running.push((visit, until)),
                    None => rota.ended(visit, Found::Idle, now, NAPTIME),
                    Some(_) if is_slow => {
                        known_slow[visit.database as usize] = true;
                        rota.ended(visit, Found::Heavy, now, NAPTIME);
                    }
                    Some(_) if told.contains(&visit) => rota.ended(visit, Found::More, now, NAPTIME),
                    Some(batch) => running.push((visit, now + batch)),
                }
            }
            while let Some(visit) = rota.next(now, room(most), NAPTIME) {
                let number = visit.database as usize;
                let light = visit.load == Load::Light;
                let takes = match batches.get(number) {
                    Some(_) if light && known_slow[number] => STEP,
                    Some(batch) if light => LIGHT_LIMIT.min(*batch),
                    Some(batch) => *batch,
                    None => STEP,
                };
                if visit.database == quick {
                    looks.push(now);
                }
                running.push((visit, now + takes));
            }
            assert!(running.len() <= most);
        }
        let known_at = (2 * LIGHT_LIMIT * batches.len() as i64).min(500_000);
        looks.windows(2).filter(|pair| pair[0] >= known_at).map(|pair| pair[1] - pair[0]).max().unwrap_or(i64::MAX)
    }

    #[test]
    fn a_database_with_little_to_do_waits_for_seconds_whatever_the_others_do() {
        const HOURS: i64 = 10_000_000;
        for (most, batches, bound) in [
            (1, vec![2_000], 4_500),
            (1, vec![2_000; 10], 4_500),
            (2, vec![2_000; 10], 4_500),
            (2, vec![HOURS], 1_500),
            (2, vec![HOURS, HOURS], 1_500),
            (2, vec![HOURS; 10], 2_500),
            (2, vec![HOURS, 2_000, 2_000, HOURS, 2_000], 4_500),
            (4, vec![HOURS; 10], 2_500),
            (64, vec![HOURS; 100], 2_500),
        ] {
            let wait = longest_wait(most, &batches);
            assert!(wait <= bound, "{most} workers, {} others: {wait} ms", batches.len());
        }
    }
}
