//! Days that are not as they were expected the evening before.
//!
//! Each day is judged by what was known before it, and learned after it, less by what stands out: a fault does not
//! teach. What is usual among keys is looked up once in seven days, counted from the first day of the table, so that
//! a judgement depends neither on the days that are asked for nor on later ones.

use super::Days;
use super::history::{Subject, Tick};
use super::learned::Learned;
use super::measure::{Class, Measure};
use super::panel::Panel;
use super::quantiles::Histogram;
use super::season::{EVEN, Season, Seasons};
use super::verdict::{Residual, Usual, Verdict};
use std::collections::VecDeque;

/// Days that are judged by the same idea of what is usual.
const STRETCH: usize = 7;

/// Stretches whose scores say how large scores usually are.
const REMEMBERED: usize = 12;

/// Days with a value that a key needs before it is judged.
pub const LEAST_DAYS: u32 = 28;

/// Before that a residual says nothing, not even of how large residuals are.
const LEAST_DAYS_TO_LEARN: u32 = 14;

/// What a day keeps of its weight in a key's dispersion until the next: a half-life of 40 days.
const KEPT_A_DAY: f64 = 0.982_820_598_545_251_1;

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Question {
    pub from: usize,
    pub threshold: f64,
    pub direction: Direction,
    pub min_expected: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Both,
    Up,
    Down,
}

impl Direction {
    pub const NAMES: &'static [&'static str] = &["both", "up", "down"];

    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "both" => Some(Direction::Both),
            "up" => Some(Direction::Up),
            "down" => Some(Direction::Down),
            _ => None,
        }
    }
}

/// A day of a key that stands out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Anomaly {
    pub subject: Subject,
    pub day: usize,
    pub value: f64,
    pub expected: f64,
    pub lower: f64,
    pub upper: f64,
    pub score: f64,
}

/// A table whose days are judged as they are read.
pub struct Watch {
    measure: Measure,
    question: Question,
    panel: Panel<Watched>,
    total: Watched,
    seasons: Seasons,
    /// By class.
    usual: [Usual; 4],
    scores: VecDeque<[Histogram; 4]>,
    found: Vec<Anomaly>,
}

/// One key.
struct Watched {
    learned: Learned,
    class: Class,
    /// Discounted sums: squares of residuals, and the weights that they had.
    squares: f64,
    weights: f64,
}

impl Watch {
    pub fn new(measure: Measure, question: Question) -> Self {
        Watch {
            measure,
            question,
            panel: Panel::new(measure, STRETCH),
            total: Watched::new(&measure),
            seasons: Seasons::default(),
            usual: Class::ALL.map(Usual::of_nothing),
            scores: VecDeque::new(),
            found: Vec::new(),
        }
    }

    /// All anomalies, in no order; there are no more days.
    pub fn finish(mut self, tick: Tick) -> Vec<Anomaly> {
        self.judge(tick);
        self.found
    }

    fn judge(&mut self, tick: Tick) {
        let Watch { measure, question, panel, total, seasons, usual, scores, found } = self;
        let mut stretch = panel.stretch();
        let (first_day, totals) = (stretch.first_day, stretch.totals);
        let mut found_of = |subject: Subject, day: usize, value: f64, verdict: &Verdict| {
            if question.asks_for(day, verdict) {
                let (lower, upper) = verdict.bounds(question.threshold, measure.whole);
                let (expected, score) = (verdict.expected, verdict.score);
                found.push(Anomaly { subject, day, value, expected, lower, upper, score });
            }
        };
        let mut of_days: Vec<Season> = vec![seasons.season()];
        for (day, value) in (first_day..).zip(totals) {
            let before = of_days.last().copied().unwrap_or(EVEN);
            let (verdict, taught) = total.judge(day, *value, &before, &usual.map(Usual::of_total));
            verdict.iter().for_each(|verdict| found_of(Subject::Total, day, *value, verdict));
            seasons.learn(day, taught);
            let after = seasons.season();
            total.learned.learn(day, taught, &after);
            of_days.push(after);
        }
        let mut of_stretch = Class::ALL.map(|_| Histogram::new());
        let mut dispersions = Class::ALL.map(|_| Histogram::new());
        stretch.each(|key, watched, values| {
            tick();
            for ((day, value), seasons) in (first_day..).zip(values).zip(of_days.windows(2)) {
                let (verdict, taught) = watched.judge(day, *value, &seasons[0], usual);
                if let Some(verdict) = verdict {
                    of_stretch[watched.class as usize].add(verdict.surprise.abs());
                    found_of(Subject::Key(key), day, *value, &verdict);
                }
                watched.learned.learn(day, taught, &seasons[1]);
            }
            if watched.weights > 0.0 {
                dispersions[watched.class as usize].add(watched.squares / watched.weights);
            }
        });
        panel.next_stretch();
        scores.push_back(of_stretch);
        if scores.len() > REMEMBERED {
            scores.pop_front();
        }
        *usual = Class::ALL.map(|class| Usual::of(class, &dispersions[class as usize], scores));
    }
}

impl Days for Watch {
    fn add_key(&mut self) -> usize {
        self.panel.add_key(Watched::new(&self.measure))
    }

    fn put(&mut self, key: usize, value: f64) {
        self.panel.put(key, value);
    }

    fn end_day(&mut self, tick: Tick) {
        if self.panel.end_day() == STRETCH {
            self.judge(tick);
        }
    }

    fn bytes_per_key(&self) -> usize {
        Panel::<Watched>::bytes_per_key(STRETCH)
    }

    fn other_bytes(&self) -> usize {
        self.found.capacity() * size_of::<Anomaly>()
    }
}

impl Question {
    fn asks_for(&self, day: usize, verdict: &Verdict) -> bool {
        let far = match self.direction {
            Direction::Both => verdict.score.abs(),
            Direction::Up => verdict.score,
            Direction::Down => -verdict.score,
        };
        day >= self.from && far > self.threshold && verdict.expected >= self.min_expected
    }
}

impl Watched {
    fn new(measure: &Measure) -> Self {
        let learned = Learned::new(measure.kind);
        Watched { class: learned.class(), learned, squares: 0.0, weights: 0.0 }
    }

    /// Judges a day by what has been learned before; also the value that is to be learned of it.
    fn judge(&mut self, day: usize, value: f64, season: &Season, usual: &[Usual; 4]) -> (Option<Verdict>, f64) {
        if value.is_nan() || self.learned.days() < LEAST_DAYS_TO_LEARN {
            return (None, value);
        }
        let class = self.learned.class();
        if (class == Class::Level) != (self.class == Class::Level) {
            // What scattered with its size scatters in another way now.
            (self.squares, self.weights) = (0.0, 0.0);
        }
        self.class = class;
        let usual = &usual[class as usize];
        let residual = Residual::of(class, self.learned.unit(), &self.learned.candidates_on(day, season));
        let verdict = residual.verdict(value, self.squares, self.weights, usual);
        let is_young = self.learned.days() < LEAST_DAYS;
        let (surprise, taught) = if is_young { verdict.untouched(value) } else { verdict.taught(value) };
        let weight = residual.weight();
        self.squares = self.squares * KEPT_A_DAY + weight * surprise * surprise;
        self.weights = self.weights * KEPT_A_DAY + weight;
        (Some(verdict).filter(|_| !is_young), taught)
    }
}
