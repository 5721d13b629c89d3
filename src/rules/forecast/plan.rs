//! From which days back-tests look ahead, and what a key was like on each of them.

use super::learned::Learned;
use super::origin::{Origin, Rows, STEPS};
use super::season::Season;

/// Days between one origin and the next.
const APART: usize = 7;

/// Back-tests of one fit: of origins 14 + 7 x 0 .. 7 days before it.
const ORIGINS: usize = 8;
/// The newest of them, counted from the fit.
const NEWEST: usize = STEPS / APART;

/// Back-tests by which the best method is chosen.
pub const CHOOSING: usize = 4;

/// Days before the oldest origin whose values a forecast from there can need.
const LOOK_BACK: usize = 7;

/// The days of a table, and from which of them forecasts are fitted.
#[derive(Clone, Debug)]
pub struct Plan {
    days: usize,
    /// Ascending, a week apart.
    origins: Vec<usize>,
    /// Places of those that are fitted, from the newest on.
    fits: Vec<usize>,
    /// Days that fits are compared with what came.
    horizon: usize,
}

impl Plan {
    /// To forecast what comes after `days` days; `choosing` a method takes back-tests of whole fits.
    pub fn forecast(days: usize, choosing: bool) -> Self {
        let tests = if choosing { CHOOSING } else { 0 };
        let weeks = std::iter::once(0).chain(NEWEST..NEWEST + tests);
        Plan::new(days, days.checked_sub(1), weeks, STEPS)
    }

    /// To test forecasts of `horizon` days from `origins` days of the past.
    pub fn backtest(days: usize, horizon: usize, origins: usize) -> Self {
        Plan::new(days, days.checked_sub(1 + horizon), 0..origins, horizon)
    }

    /// With fits that many weeks before the `top`.
    fn new(days: usize, top: Option<usize>, weeks: impl Iterator<Item = usize>, horizon: usize) -> Self {
        let weeks: Vec<usize> = weeks.collect();
        let oldest = weeks.iter().max().map_or(0, |weeks| weeks + NEWEST + ORIGINS - 1);
        let back = |week: &usize| top?.checked_sub(week * APART);
        let mut origins: Vec<usize> = (0..=oldest).collect::<Vec<_>>().iter().map_while(back).collect();
        origins.reverse();
        let newest = origins.len().checked_sub(1);
        let fits = weeks.iter().filter_map(|week| newest?.checked_sub(*week)).collect();
        Plan { days, origins, fits, horizon }
    }

    /// The first day whose values are kept; what is before is only learned.
    pub fn window_start(&self) -> usize {
        self.origins.first().map_or(0, |origin| (origin + 1).saturating_sub(LOOK_BACK)).min(self.days)
    }

    /// Days whose values are kept.
    pub fn window(&self) -> usize {
        self.days - self.window_start()
    }

    pub fn days(&self) -> usize {
        self.days
    }

    pub fn fits(&self) -> usize {
        self.fits.len()
    }

    /// Places of the origins that a fit learns from.
    fn lessons(&self, fit: usize) -> std::ops::Range<usize> {
        let place = self.fits[fit];
        (place + 1).saturating_sub(NEWEST + ORIGINS)..(place + 1).saturating_sub(NEWEST)
    }
}

/// One key, seen again from each origin.
pub struct Replay<'a> {
    plan: &'a Plan,
    /// The values of the window.
    values: &'a [f64],
    origins: Vec<Option<Origin>>,
    rows: Vec<Rows>,
}

impl<'a> Replay<'a> {
    /// From what had been learned before the window; `seasons` has the table's season at the end of each of its days.
    pub fn of(plan: &'a Plan, before: &Learned, values: &'a [f64], seasons: &[Season]) -> Self {
        let start = plan.window_start();
        let mut learned = before.clone();
        let mut next = 0;
        let mut origins = Vec::with_capacity(plan.origins.len());
        let mut rows = Vec::with_capacity(plan.origins.len());
        for &day in &plan.origins {
            for day in start + next..=day {
                learned.learn(day, values[day - start], &seasons[day - start]);
            }
            next = day + 1 - start;
            let origin = (learned.days() > 0).then(|| Origin::of(&learned, day, &seasons[day - start]));
            let after = &values[next..values.len().min(next + STEPS)];
            let complete = origin.as_ref().filter(|_| after.len() == STEPS);
            rows.push(complete.map_or(Rows::NONE, |origin| origin.rows(after)));
            origins.push(origin);
        }
        Replay { plan, values, origins, rows }
    }

    /// The key on the day of a fit; None before its first value.
    pub fn at(&self, fit: usize) -> Option<&Origin> {
        self.origins[self.plan.fits[fit]].as_ref()
    }

    /// What a fit learns from.
    pub fn rows(&self, fit: usize) -> Rows {
        let mut rows = Rows::NONE;
        self.rows[self.plan.lessons(fit)].iter().for_each(|more| rows.add(more));
        rows
    }

    /// The origins that a fit learns from, each with the values of the days after.
    pub fn lessons(&self, fit: usize) -> impl Iterator<Item = (&Origin, &'a [f64])> {
        let origins = &self.origins[self.plan.lessons(fit)];
        origins.iter().flatten().filter(|origin| origin.counts()).map(|origin| (origin, self.after(origin.day, STEPS)))
    }

    /// What came after a fit.
    pub fn outcome(&self, fit: usize) -> &'a [f64] {
        self.after(self.plan.origins[self.plan.fits[fit]], self.plan.horizon)
    }

    /// By weekday: the value of its last day up to `day`.
    pub fn last_week(&self, day: usize) -> [f64; 7] {
        let mut week = [f64::NAN; 7];
        let known = day + 1 - self.plan.window_start();
        for before in 0..LOOK_BACK.min(known) {
            week[(day - before) % 7] = self.values[known - 1 - before];
        }
        week
    }

    fn after(&self, day: usize, days: usize) -> &'a [f64] {
        let first = day + 1 - self.plan.window_start();
        &self.values[first..self.values.len().min(first + days)]
    }
}
