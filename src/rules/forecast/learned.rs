//! What is kept of one key's series: some forty numbers, whatever its length.

use super::measure::{Class, Kind};
use super::season::{KEPT_A_WEEK, Season, scale_to_mean_1};

/// Forecasts of one weekday, one from each candidate: levels of three half-lives with the first profile, the same with
/// the second, and the weekday's own mean.
pub type Candidates = [f64; CANDIDATES];
pub const CANDIDATES: usize = 7;

/// What a day keeps of its weight until the next: half-lives of 3, 10 and 80 days. Written out, for pow differs between
/// machines.
const KEPT_A_DAY: [f64; 3] = [0.793_700_525_984_099_8, 0.933_032_991_536_807_4, 0.991_373_087_462_662_1];

/// The same of a weekday's own mean: a half-life of two weeks.
const RECENT_KEPT_A_WEEK: f64 = std::f64::consts::FRAC_1_SQRT_2;

/// Events for which the season of the table counts in a key's profile, or weeks for which an even one does.
const PRIOR: [f64; 2] = [2.0, 40.0];

/// Until then the scatter of values says little of how large one event is.
const DAYS_BEFORE_UNIT: u32 = 14;

/// A unit is never smaller than this part of the mean: values that never change have no scatter.
const FINEST_UNIT: f64 = 1e-3;

/// Half-lives of days after which nothing is left of a sum.
const LONGEST_MEMORY: usize = 4_000;

/// How a profile goes with a level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// A weekday has its share of the level: values are never negative.
    Times,
    /// A weekday lies above or below the level.
    Plus,
}

#[derive(Clone, Debug)]
pub struct Learned {
    /// By weekday: its mean, and the weeks that it stands for, both discounted by week.
    mean: [f64; 7],
    weeks: [f64; 7],
    /// The same, forgotten sooner.
    recent: [f64; 7],
    recent_weeks: [f64; 7],
    /// Discounted sums of which levels are quotients. Times: of values over those of profiles; Plus: of values less
    /// profiles over those of ones.
    by_half_life: [f64; 3],
    by_profile: [[f64; 3]; 2],
    sum: f64,
    /// Squared differences between one day and the next.
    steps: f64,
    /// Squared differences from the weekday's own mean.
    scatter: f64,
    newest: f64,
    days: u32,
    kind: Kind,
    form: Form,
}

impl Learned {
    pub fn new(kind: Kind) -> Self {
        Learned {
            mean: [0.0; 7],
            weeks: [0.0; 7],
            recent: [0.0; 7],
            recent_weeks: [0.0; 7],
            by_half_life: [0.0; 3],
            by_profile: [[0.0; 3]; 2],
            sum: 0.0,
            steps: 0.0,
            scatter: 0.0,
            newest: 0.0,
            days: 0,
            kind,
            form: if kind == Kind::Level { Form::Plus } else { Form::Times },
        }
    }

    /// One more day. `season` is that of the table, with this day; a value that is not known is not a number.
    pub fn learn(&mut self, day: usize, value: f64, season: &Season) {
        if value.is_nan() {
            self.let_a_day_pass();
            return;
        }
        if value < 0.0 && self.form == Form::Times {
            self.turn_to_plus(day, season);
        }
        let weekday = day % 7;
        self.note_scatter(weekday, value);
        self.learn_weekday(weekday, value);
        self.learn_levels(weekday, value, season);
    }

    /// Days with a known value.
    pub fn days(&self) -> u32 {
        self.days
    }

    /// Mean square of the differences between one day and the next: how wrong the simplest forecast was.
    pub fn naive_error(&self) -> f64 {
        if self.days > 1 { self.steps / f64::from(self.days - 1) } else { 0.0 }
    }

    pub fn class(&self) -> Class {
        match self.form {
            Form::Plus => Class::Level,
            Form::Times => Class::of_events(self.mean_of_days() / self.unit()),
        }
    }

    /// How much one event counts for; of a level, how far a value usually lies from it.
    pub fn unit(&self) -> f64 {
        let mean = self.mean_of_days();
        let unit = match (self.form, self.kind) {
            (Form::Times, Kind::Count) => 1.0,
            (Form::Times, _) if self.days < DAYS_BEFORE_UNIT => mean,
            (Form::Times, _) => (self.scatter / self.sum).max(mean * FINEST_UNIT),
            (Form::Plus, _) => (self.scatter / f64::from(self.days)).sqrt().max(mean.abs() * FINEST_UNIT),
        };
        if unit > 0.0 && unit.is_finite() { unit } else { 1.0 }
    }

    /// Candidates by weekday, for the days after those learned.
    pub fn candidates(&self, season: &Season) -> [Candidates; 7] {
        let (profiles, levels, usual) = (self.profiles(season), self.levels(), self.mean_of_weekdays());
        std::array::from_fn(|weekday| self.candidates_of(weekday, &profiles, &levels, usual))
    }

    /// Those of one day after those learned.
    pub fn candidates_on(&self, day: usize, season: &Season) -> Candidates {
        self.candidates_of(day % 7, &self.profiles(season), &self.levels(), self.mean_of_weekdays())
    }

    fn candidates_of(&self, weekday: usize, profiles: &[Season; 2], levels: &[[f64; 3]; 2], usual: f64) -> Candidates {
        let mut candidates = [0.0; CANDIDATES];
        let pairs = profiles.iter().zip(levels).flat_map(|(profile, levels)| levels.map(|level| (level, profile)));
        for (candidate, (level, profile)) in candidates.iter_mut().zip(pairs) {
            *candidate = match self.form {
                Form::Times => level * profile[weekday],
                Form::Plus => level + profile[weekday],
            };
        }
        let is_known = self.recent_weeks[weekday] > 0.0;
        candidates[CANDIDATES - 1] = if is_known { self.recent[weekday] } else { usual };
        candidates
    }

    fn note_scatter(&mut self, weekday: usize, value: f64) {
        if self.recent_weeks[weekday] > 0.0 {
            let error = value - self.recent[weekday];
            self.scatter += error * error;
        }
        if self.days > 0 {
            let step = value - self.newest;
            self.steps += step * step;
        }
        self.sum += value;
        self.newest = value;
        self.days += 1;
    }

    fn learn_weekday(&mut self, weekday: usize, value: f64) {
        self.weeks[weekday] = self.weeks[weekday] * KEPT_A_WEEK + 1.0;
        self.mean[weekday] += (value - self.mean[weekday]) / self.weeks[weekday];
        self.recent_weeks[weekday] = self.recent_weeks[weekday] * RECENT_KEPT_A_WEEK + 1.0;
        self.recent[weekday] += (value - self.recent[weekday]) / self.recent_weeks[weekday];
    }

    fn learn_levels(&mut self, weekday: usize, value: f64, season: &Season) {
        let profiles = self.profiles(season);
        for half_life in 0..3 {
            let kept = KEPT_A_DAY[half_life];
            let (single, double) = match self.form {
                Form::Times => (value, [profiles[0][weekday], profiles[1][weekday]]),
                Form::Plus => (1.0, [value - profiles[0][weekday], value - profiles[1][weekday]]),
            };
            self.by_half_life[half_life] = self.by_half_life[half_life] * kept + single;
            for (sums, new) in self.by_profile.iter_mut().zip(double) {
                sums[half_life] = sums[half_life] * kept + new;
            }
        }
    }

    fn let_a_day_pass(&mut self) {
        for half_life in 0..3 {
            self.by_half_life[half_life] *= KEPT_A_DAY[half_life];
            self.by_profile.iter_mut().for_each(|sums| sums[half_life] *= KEPT_A_DAY[half_life]);
        }
    }

    /// The first negative value: from now on weekdays lie above and below the level. The sums become what they would be
    /// had that been so from the start, with the profiles of today; `day` is the first that is not in them.
    fn turn_to_plus(&mut self, day: usize, season: &Season) {
        self.form = Form::Plus;
        let profiles = self.profiles(season);
        let days = usize::try_from(self.days).unwrap_or(0).min(LONGEST_MEMORY).min(day);
        for half_life in 0..3 {
            let (mut weight, mut ones, mut less) = (1.0, 0.0, [0.0; 2]);
            for before in 1..=days {
                ones += weight;
                for (less, profile) in less.iter_mut().zip(&profiles) {
                    *less += weight * profile[(day - before) % 7];
                }
                weight *= KEPT_A_DAY[half_life];
            }
            let values = std::mem::replace(&mut self.by_half_life[half_life], ones);
            for (sums, less) in self.by_profile.iter_mut().zip(less) {
                sums[half_life] = values - less;
            }
        }
    }

    /// By profile and half-life.
    fn levels(&self) -> [[f64; 3]; 2] {
        self.by_profile.map(|double| {
            std::array::from_fn(|half_life| {
                let (single, double) = (self.by_half_life[half_life], double[half_life]);
                let (of, over) = if self.form == Form::Times { (single, double) } else { (double, single) };
                if over > 0.0 { of / over } else { 0.0 }
            })
        })
    }

    fn profiles(&self, season: &Season) -> [Season; 2] {
        let usual = self.mean_of_weekdays();
        match self.form {
            Form::Times => {
                let unit = self.unit();
                PRIOR.map(|prior| self.shares(usual, prior * unit, season))
            }
            Form::Plus => PRIOR.map(|prior| self.distances(usual, prior)),
        }
    }

    /// The weekdays' shares: the key's own, and `prior` with the season of the table.
    fn shares(&self, usual: f64, prior: f64, season: &Season) -> Season {
        let mut shares = [0.0; 7];
        // All weekdays have been seen as often, or once more: few quotients are different.
        let (mut weeks, mut quotient) = (self.weeks[0], 1.0 / (self.weeks[0] * usual + prior));
        for (weekday, share) in shares.iter_mut().enumerate() {
            if self.weeks[weekday] != weeks {
                weeks = self.weeks[weekday];
                quotient = 1.0 / (weeks * usual + prior);
            }
            *share = (self.mean[weekday] * weeks + prior * season[weekday]) * quotient;
        }
        if scale_to_mean_1(&mut shares) { shares } else { *season }
    }

    /// How far the weekdays lie from the level, shrunk as if `prior` weeks had had none.
    fn distances(&self, usual: f64, prior: f64) -> Season {
        let mut distances: Season = std::array::from_fn(|weekday| {
            let weeks = self.weeks[weekday];
            (self.mean[weekday] - usual) * weeks / (weeks + prior)
        });
        let mean = distances.iter().sum::<f64>() / 7.0;
        distances.iter_mut().for_each(|distance| *distance -= mean);
        distances
    }

    /// Over the weekdays that have been seen, each as much as another.
    fn mean_of_weekdays(&self) -> f64 {
        let seen = self.weeks.iter().filter(|weeks| **weeks > 0.0).count();
        // What has not been seen has a mean of 0.
        if seen > 0 { self.mean.iter().sum::<f64>() / seen as f64 } else { 0.0 }
    }

    fn mean_of_days(&self) -> f64 {
        if self.days > 0 { self.sum / f64::from(self.days) } else { 0.0 }
    }
}
