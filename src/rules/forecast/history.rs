//! The days of a table as they are read: what is needed of each key to forecast it.

use super::Days;
use super::fit::Fitted;
use super::learned::Learned;
use super::measure::Measure;
use super::panel::Panel;
use super::plan::{Plan, Replay};
use super::season::{Season, Seasons};

/// Between keys: lets a caller be interrupted.
pub type Tick<'a> = &'a mut dyn FnMut();

pub struct History {
    measure: Measure,
    plan: Plan,
    panel: Panel<Learned>,
    total: Learned,
    seasons: Seasons,
    /// A value has been negative.
    negative: bool,
}

impl History {
    pub fn new(measure: Measure, plan: Plan) -> Self {
        let panel = Panel::new(measure, plan.window());
        let total = Learned::new(measure.kind);
        History { measure, plan, panel, total, seasons: Seasons::default(), negative: false }
    }

    pub fn measure(&self) -> &Measure {
        &self.measure
    }

    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Whether no value of any key has been negative.
    pub fn never_negative(&self) -> bool {
        !self.negative
    }

    /// How many keys there are.
    pub fn keys(&self) -> usize {
        self.panel.keys()
    }

    fn learn(&mut self, tick: Tick) {
        let mut stretch = self.panel.stretch();
        let first_day = stretch.first_day;
        let seasons = learn_seasons(&mut self.seasons, first_day, stretch.totals);
        let learn = |learned: &mut Learned, values: &[f64]| {
            for ((day, value), season) in (first_day..).zip(values).zip(&seasons) {
                learned.learn(day, *value, season);
            }
        };
        learn(&mut self.total, stretch.totals);
        stretch.each(|_, learned, values| {
            tick();
            learn(learned, values);
        });
        self.panel.next_stretch();
    }

    /// Calls `visit` with each key, and with all keys together last, seen again from the days of the plan.
    pub fn each(&mut self, tick: Tick, mut visit: impl FnMut(Subject, &Replay)) {
        let mut stretch = self.panel.stretch();
        let seasons = learn_seasons(&mut self.seasons.clone(), stretch.first_day, stretch.totals);
        let totals = stretch.totals;
        stretch.each(|key, learned, values| {
            tick();
            visit(Subject::Key(key), &Replay::of(&self.plan, learned, values, &seasons));
        });
        if totals.iter().any(|total| !total.is_nan()) {
            visit(Subject::Total, &Replay::of(&self.plan, &self.total, totals, &seasons));
        }
    }
}

impl Days for History {
    fn add_key(&mut self) -> usize {
        self.panel.add_key(Learned::new(self.measure.kind))
    }

    fn put(&mut self, key: usize, value: f64) {
        self.negative |= value < 0.0;
        self.panel.put(key, value);
    }

    fn end_day(&mut self, tick: Tick) {
        let full = self.panel.end_day();
        let next = self.panel.day();
        // What comes before the window is learned as soon as it fills the room that the window will need.
        let before_window = next <= self.plan.window_start();
        if before_window && (next == self.plan.window_start() || full == self.plan.window()) {
            self.learn(tick);
        }
    }

    fn bytes_per_key(&self) -> usize {
        Panel::<Learned>::bytes_per_key(self.plan.window()) + size_of::<Option<Fitted>>()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    Key(usize),
    /// All keys together.
    Total,
}

/// The season at the end of each day.
fn learn_seasons(seasons: &mut Seasons, first_day: usize, totals: &[f64]) -> Vec<Season> {
    let learn = |(day, total): (usize, &f64)| {
        seasons.learn(day, *total);
        seasons.season()
    };
    (first_day..).zip(totals).map(learn).collect()
}
