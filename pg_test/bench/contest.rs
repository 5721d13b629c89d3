//! Contestants that do the same work, in turns.

use crate::report::Report;
use crate::scale::Scale;
use crate::statistics::Spread;
use crate::stopwatch::{self, Sample};
use pg_cumulate_tests::{Ask, Cluster, Database};
use std::collections::BTreeMap;

/// What a user of a server of this size would have; everything else is PostgreSQL's default, fsync among it.
const SETTINGS: [&str; 6] = [
    "fsync = on",
    "shared_buffers = '1GB'",
    "max_wal_size = '16GB'",
    "checkpoint_timeout = '1h'",
    "cumulate.enabled = off",
    "cumulate.create_sales = off",
];

pub struct Bench {
    pub cluster: Cluster,
    pub scale: Scale,
}

impl Bench {
    pub fn start(scale: Scale) -> Bench {
        let builder = SETTINGS.iter().fold(Cluster::builder(), |builder, line| builder.conf(line));
        Bench { cluster: builder.start(), scale }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    Ours,
    /// The published pattern, with indexes.
    Published,
    /// SQL by somebody who knows better.
    Sensible,
    /// No more than copying finished rows.
    Limit,
    /// Reading the same rows, where that is to be left out.
    Reading,
}

impl Role {
    pub fn name(self) -> &'static str {
        match self {
            Role::Ours => "ours",
            Role::Published => "published",
            Role::Sensible => "sensible",
            Role::Limit => "limit",
            Role::Reading => "reading",
        }
    }
}

pub struct Contestant {
    pub role: Role,
    /// Brings its tables to where the work begins; one command a line, each in a transaction of its own.
    pub reset: Vec<String>,
    /// Settings of the session, not timed.
    pub session: String,
    pub work: String,
    /// What must be true of the result.
    pub digest: String,
    /// It does one of so many parts of the work.
    pub parts: f64,
}

impl Contestant {
    pub fn new(role: Role, reset: &[&str], work: &str, digest: &str) -> Contestant {
        let reset = reset.iter().map(|command| (*command).to_owned()).collect();
        Contestant { role, reset, session: String::new(), work: work.to_owned(), digest: digest.to_owned(), parts: 1.0 }
    }

    pub fn with_session(mut self, settings: &str) -> Contestant {
        self.session = settings.to_owned();
        self
    }

    pub fn one_part_of(mut self, parts: f64) -> Contestant {
        self.parts = parts;
        self
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    Wall,
    Cpu,
}

#[derive(Clone, Copy)]
pub enum Bound {
    /// Ours takes at most so many times as long.
    AtMost(f64),
    /// The other takes at least so many times as long.
    AtLeast(f64),
}

/// How ours must stand to another.
#[derive(Clone, Copy)]
pub struct Bar {
    pub against: Role,
    pub bound: Bound,
    pub measure: Measure,
}

impl Bar {
    pub const fn at_most(times: f64, against: Role) -> Bar {
        Bar { against, bound: Bound::AtMost(times), measure: Measure::Wall }
    }

    pub const fn at_least(times: f64, against: Role) -> Bar {
        Bar { against, bound: Bound::AtLeast(times), measure: Measure::Wall }
    }

    pub const fn by_cpu(self) -> Bar {
        Bar { measure: Measure::Cpu, ..self }
    }
}

pub struct Contest<'d> {
    pub row: String,
    pub database: &'d Database<'d>,
    pub rounds: usize,
    pub contestants: Vec<Contestant>,
    pub bars: Vec<Bar>,
}

/// All samples of a contest, by role, and the plans of what has one.
pub struct Measured {
    pub row: String,
    pub samples: BTreeMap<Role, Vec<Sample>>,
    pub plans: BTreeMap<Role, Vec<String>>,
    pub bars: Vec<Bar>,
}

impl Contest<'_> {
    /// Runs all rounds; each begins with another contestant. `expected` is what every digest must give.
    pub fn run(self, expected: &str, report: &mut Report) {
        self.rounds(Some(expected), report);
    }

    /// As `run`, for work whose result is another one in each round: all contestants must come to the same.
    pub fn run_until_all_agree(self, report: &mut Report) {
        self.rounds(None, report);
    }

    fn rounds(self, expected: Option<&str>, report: &mut Report) {
        let mut samples: BTreeMap<Role, Vec<Sample>> = BTreeMap::new();
        let mut plans = BTreeMap::new();
        for round in 0..self.rounds {
            let mut agreed = expected.map(str::to_owned);
            for turn in 0..self.contestants.len() {
                let contestant = &self.contestants[(round + turn) % self.contestants.len()];
                let sample = self.once(contestant, &mut agreed, round, &mut plans);
                samples.entry(contestant.role).or_default().push(sample);
            }
        }
        report.add(Measured { row: self.row, samples, plans, bars: self.bars });
    }

    fn once(
        &self,
        contestant: &Contestant,
        agreed: &mut Option<String>,
        round: usize,
        plans: &mut BTreeMap<Role, Vec<String>>,
    ) -> Sample {
        let of_round = |text: &str| text.replace("{round}", &round.to_string());
        let mut session = self.database.connect();
        contestant.reset.iter().for_each(|command| session.run(&of_round(command)));
        let work = of_round(&contestant.work);
        if round == 0 {
            session.run(&contestant.session);
            let plan = session.query(&format!("EXPLAIN {work}"), &[]).unwrap_or_default();
            plans.insert(contestant.role, plan.iter().map(|row| row.get(0)).collect());
        }
        let sample = stopwatch::time(self.database, &contestant.session, &work);
        if !contestant.digest.is_empty() {
            let found = session.lines(&of_round(&contestant.digest)).concat();
            let agreed = agreed.get_or_insert_with(|| found.clone());
            let (row, role) = (&self.row, contestant.role.name());
            assert_eq!(found, *agreed, "{row}: the result of {role} is wrong, so its time says nothing");
        }
        let parts = contestant.parts;
        Sample { wall: sample.wall * parts, cpu: sample.cpu * parts, ..sample }
    }
}

impl Measured {
    pub fn spread(&self, role: Role, of: impl Fn(&Sample) -> f64) -> Option<Spread> {
        self.samples.get(&role).map(|samples| Spread::of(samples.iter().map(of)))
    }

    /// Round by round, how many times as long ours or the other took.
    pub fn ratio(&self, bar: &Bar) -> Spread {
        let cost = |sample: &Sample| if bar.measure == Measure::Wall { sample.wall } else { sample.cpu };
        let reading = self.samples.get(&Role::Reading);
        let net = |role: Role, round: usize| {
            cost(&self.samples[&role][round]) - reading.map_or(0.0, |samples| cost(&samples[round]))
        };
        let rounds = self.samples[&Role::Ours].len();
        let ratio = |round| {
            let (ours, other) = (net(Role::Ours, round), net(bar.against, round));
            if matches!(bar.bound, Bound::AtMost(_)) { ours / other } else { other / ours }
        };
        Spread::of((0..rounds).map(ratio))
    }
}

impl Bound {
    pub fn holds(self, ratio: f64) -> bool {
        match self {
            Bound::AtMost(most) => ratio <= most,
            Bound::AtLeast(least) => ratio >= least,
        }
    }

    pub fn text(self) -> String {
        match self {
            Bound::AtMost(most) => format!("at most {most}x"),
            Bound::AtLeast(least) => format!("at least {least}x faster"),
        }
    }
}
