//! The recipe once more, written anew from its formulas: slow, without states, everything summed up again each day.
//! Only histograms are shared, which have tests of their own.

use super::super::measure::{Class, Kind};
use super::super::quantiles::Histogram;

/// The series of all keys: a value for each day, None before the first or where it is not known.
pub struct Table {
    pub kind: Kind,
    pub keys: Vec<Vec<Option<f64>>>,
    pub totals: Vec<Option<f64>>,
}

pub struct Model<'a> {
    table: &'a Table,
    seasons: Vec<[f64; 7]>,
    /// Of the keys, and of all together last.
    series: Vec<&'a [Option<f64>]>,
    seen: Vec<Seen>,
}

const HALF_LIVES: [f64; 3] = [3.0, 10.0, 80.0];
const PRIORS: [f64; 2] = [2.0, 40.0];
const FIRST: [[f64; 7]; 4] = [
    [0.10, 0.10, 0.16, 0.13, 0.19, 0.23, 0.09],
    [0.10, 0.05, 0.05, 0.20, 0.22, 0.30, 0.08],
    [0.02, 0.02, 0.12, 0.04, 0.15, 0.64, 0.01],
    [0.10, 0.10, 0.16, 0.13, 0.19, 0.23, 0.09],
];

/// What one key's past looks like at the end of a day.
#[derive(Clone, Copy)]
pub struct Past<'a> {
    kind: Kind,
    values: &'a [Option<f64>],
    seasons: &'a [[f64; 7]],
    seen: &'a Seen,
}

/// The profiles of one key at the end of each of its days.
#[derive(Default)]
pub struct Seen {
    profiles: Vec<[[f64; 7]; 2]>,
    /// The first negative value of a key that was thought to have none, and the profiles that it found.
    turned: Option<(usize, [[f64; 7]; 2])>,
}

impl Seen {
    /// One more day, the last of `values`.
    pub fn push(&mut self, kind: Kind, values: &[Option<f64>], seasons: &[[f64; 7]]) {
        let day = values.len() - 1;
        let none = Seen::default();
        let past = Past { kind, values, seasons, seen: &none };
        if kind != Kind::Level && self.turned.is_none() && values[day].is_some_and(|value| value < 0.0) {
            let before = Past { kind: Kind::Level, ..past.until(day) };
            self.turned = Some((day, PRIORS.map(|prior| before.profile(prior, &[1.0; 7]))));
        }
        self.profiles.push(PRIORS.map(|prior| past.profile(prior, &seasons[day])));
    }

    pub fn of(kind: Kind, values: &[Option<f64>], seasons: &[[f64; 7]]) -> Self {
        let mut seen = Seen::default();
        (1..=values.len()).for_each(|days| seen.push(kind, &values[..days], seasons));
        seen
    }
}

impl<'a> Past<'a> {
    pub fn new(kind: Kind, values: &'a [Option<f64>], seasons: &'a [[f64; 7]], seen: &'a Seen) -> Self {
        Past { kind, values, seasons, seen }
    }

    fn until(&self, days: usize) -> Past<'a> {
        Past { values: &self.values[..days], ..*self }
    }

    fn known(&self) -> Vec<(usize, f64)> {
        self.values.iter().enumerate().filter_map(|(day, value)| value.map(|value| (day, value))).collect()
    }

    pub fn days(&self) -> usize {
        self.known().len()
    }

    fn plus(&self) -> bool {
        self.kind == Kind::Level || self.known().iter().any(|(_, value)| *value < 0.0)
    }

    /// By weekday: a mean that keeps `kept` a time, and its weight.
    fn weekday(&self, weekday: usize, kept: f64) -> (f64, f64) {
        let (mut sum, mut weight) = (0.0, 0.0);
        for (_, value) in self.known().iter().filter(|(day, _)| day % 7 == weekday) {
            sum = sum * kept + value;
            weight = weight * kept + 1.0;
        }
        (if weight > 0.0 { sum / weight } else { 0.0 }, weight)
    }

    fn usual(&self) -> f64 {
        let means: Vec<f64> =
            (0..7).map(|weekday| self.weekday(weekday, 0.95)).filter(|mean| mean.1 > 0.0).map(|mean| mean.0).collect();
        if means.is_empty() { 0.0 } else { means.iter().sum::<f64>() / means.len() as f64 }
    }

    fn mean(&self) -> f64 {
        let known = self.known();
        known.iter().map(|(_, value)| value).sum::<f64>() / (known.len() as f64).max(1.0)
    }

    fn scatter(&self) -> f64 {
        let mut squares = 0.0;
        for (day, value) in self.known() {
            let (recent, weight) = self.until(day).weekday(day % 7, 0.5f64.sqrt());
            if weight > 0.0 {
                squares += (value - recent) * (value - recent);
            }
        }
        squares
    }

    pub fn unit(&self) -> f64 {
        let (mean, days) = (self.mean(), self.days() as f64);
        let unit = if self.plus() {
            (self.scatter() / days).sqrt().max(mean.abs() / 1000.0)
        } else if self.kind == Kind::Count {
            1.0
        } else if days < 14.0 {
            mean
        } else {
            (self.scatter() / (mean * days)).max(mean / 1000.0)
        };
        if unit > 0.0 && unit.is_finite() { unit } else { 1.0 }
    }

    pub fn class(&self) -> Class {
        let rate = self.mean() / self.unit();
        match () {
            () if self.plus() => Class::Level,
            () if rate >= 5.0 => Class::Busy,
            () if rate >= 1.0 => Class::Mid,
            () => Class::Sparse,
        }
    }

    pub fn naive_error(&self) -> f64 {
        let known = self.known();
        let steps: Vec<f64> = known.windows(2).map(|pair| (pair[1].1 - pair[0].1) * (pair[1].1 - pair[0].1)).collect();
        if steps.is_empty() { 0.0 } else { steps.iter().sum::<f64>() / steps.len() as f64 }
    }

    fn profile(&self, prior: f64, season: &[f64; 7]) -> [f64; 7] {
        let usual = self.usual();
        let weekdays: Vec<(f64, f64)> = (0..7).map(|weekday| self.weekday(weekday, 0.95)).collect();
        if self.plus() {
            let far: Vec<f64> = weekdays.iter().map(|(mean, weeks)| (mean - usual) * weeks / (weeks + prior)).collect();
            let middle = far.iter().sum::<f64>() / 7.0;
            return std::array::from_fn(|weekday| far[weekday] - middle);
        }
        let prior = prior * self.unit();
        let share = |weekday: usize| {
            let (mean, weeks) = weekdays[weekday];
            (mean * weeks + prior * season[weekday]) / (weeks * usual + prior)
        };
        let shares: Vec<f64> = (0..7).map(share).collect();
        let sum: f64 = shares.iter().sum();
        std::array::from_fn(|weekday| shares[weekday] * 7.0 / sum)
    }

    /// The season at the end of the last day.
    fn season(&self) -> [f64; 7] {
        self.seasons[self.values.len() - 1]
    }

    pub fn candidates(&self, weekday: usize, season: &[f64; 7]) -> [f64; 7] {
        let mut candidates = [0.0; 7];
        let turned = self.seen.turned.filter(|(day, _)| *day < self.values.len());
        for (which, prior) in PRIORS.iter().enumerate() {
            let today = self.profile(*prior, season);
            for (place, half_life) in HALF_LIVES.iter().enumerate() {
                let (mut values, mut profiles, mut ones) = (0.0, 0.0, 0.0);
                for (day, value) in self.known() {
                    let weight = 0.5f64.powf((self.values.len() - 1 - day) as f64 / half_life);
                    let seen = match turned {
                        Some((turned, found)) if day < turned => found,
                        _ => self.seen.profiles[day],
                    };
                    values += weight * value;
                    profiles += weight * seen[which][day % 7];
                    ones += weight;
                }
                candidates[3 * which + place] = match self.plus() {
                    true if ones > 0.0 => (values - profiles) / ones + today[weekday],
                    false if profiles > 0.0 => values / profiles * today[weekday],
                    _ => 0.0,
                };
            }
        }
        let (recent, weight) = self.weekday(weekday, 0.5f64.sqrt());
        candidates[6] = if weight > 0.0 { recent } else { self.usual() };
        candidates
    }

    pub fn size(&self, forecast: f64) -> f64 {
        if self.class() == Class::Level { 1.0 } else { (forecast / self.unit()).max(0.0) }
    }
}

pub fn dot(left: &[f64; 7], right: &[f64; 7]) -> f64 {
    left.iter().zip(right).map(|(left, right)| left * right).sum()
}

pub fn first(class: Class) -> &'static [f64; 7] {
    &FIRST[class as usize]
}

/// The season at the end of each day.
pub fn seasons(totals: &[Option<f64>]) -> Vec<[f64; 7]> {
    let season = |days: usize| {
        let mut means = [0.0f64; 7];
        for (weekday, mean) in means.iter_mut().enumerate() {
            let (mut sum, mut weight) = (0.0, 0.0);
            for total in
                totals[..days].iter().enumerate().filter(|(day, _)| day % 7 == weekday).filter_map(|day| *day.1)
            {
                sum = sum * 0.95 + total;
                weight = weight * 0.95 + 1.0;
            }
            if weight == 0.0 {
                return [1.0; 7];
            }
            *mean = (sum / weight).max(0.0);
        }
        let sum: f64 = means.iter().sum();
        if days < 14 || sum <= 0.0 { [1.0; 7] } else { means.map(|mean| mean * 7.0 / sum) }
    };
    (1..=totals.len()).map(season).collect()
}

/// What is forecast of one key at the end of the table, by weekday, and how it scatters.
pub struct Forecast {
    pub class: Class,
    pub days: usize,
    pub unit: f64,
    pub by_weekday: [f64; 7],
    pub dispersion: f64,
    /// Back-tests: days ahead, what came, forecast.
    pub lessons: Vec<(usize, f64, f64)>,
}

struct Row {
    candidates: [f64; 7],
    value: f64,
    weight: f64,
    squares: f64,
    size: f64,
}

impl<'a> Model<'a> {
    pub fn new(table: &'a Table) -> Self {
        let seasons = seasons(&table.totals);
        let total = Some(table.totals.as_slice()).filter(|total| total.iter().any(Option::is_some));
        let series: Vec<&[Option<f64>]> = table.keys.iter().map(Vec::as_slice).chain(total).collect();
        let seen = series.iter().map(|series| Seen::of(table.kind, series, &seasons)).collect();
        Model { table, seasons, series, seen }
    }

    fn past(&self, key: usize, days: usize) -> Past<'_> {
        Past::new(self.table.kind, &self.series[key][..days], &self.seasons, &self.seen[key])
    }

    /// Days that were known at each origin of back-tests from `end` days on.
    fn origins(end: usize) -> impl Iterator<Item = usize> {
        (0..8).filter_map(move |week| end.checked_sub(14 + 7 * week)).filter(|days| *days > 0)
    }

    fn rows(&self, key: usize, end: usize) -> Vec<Row> {
        let mut rows = Vec::new();
        let mut origins: Vec<usize> = Self::origins(end).collect();
        origins.reverse();
        for origin in origins {
            let past = self.past(key, origin);
            let naive = past.naive_error();
            if past.days() < 21 || naive <= 0.0 {
                continue;
            }
            let (class, unit, season) = (past.class(), past.unit(), past.season());
            let cut = [1.0, 1.4, 6.0, 1.4][class as usize];
            for day in origin..origin + 14 {
                let Some(value) = self.series[key][day] else { continue };
                let candidates = past.candidates(day % 7, &season);
                let forecast = dot(&candidates, first(class));
                let error = (value - forecast).abs() / naive.sqrt();
                let weight = if error > cut { cut / error } else { 1.0 } / naive;
                let squares = ((value - forecast) / unit).powi(2);
                rows.push(Row { candidates, value, weight, squares, size: past.size(forecast) });
            }
        }
        rows
    }

    /// The forecast of each key, and of all together last, from the first `end` days; None before a key's first value.
    pub fn forecasts(&self, end: usize) -> Vec<Option<Forecast>> {
        let keys = 0..self.series.len();
        let rows: Vec<Vec<Row>> = keys.clone().map(|key| self.rows(key, end)).collect();
        let begun = |key: &usize| self.past(*key, end).days() > 0;
        let class_of = |key: usize| self.past(key, end).class();
        let fitted = Class::ALL.map(|class| {
            let members = keys.clone().filter(begun).filter(|key| class_of(*key) == class);
            fit_class(class, &members.map(|key| rows[key].as_slice()).collect::<Vec<_>>())
        });
        keys.clone()
            .map(|key| Some(key).filter(begun).map(|key| self.forecast(key, end, &rows[key], &fitted)))
            .collect()
    }

    fn forecast(&self, key: usize, end: usize, rows: &[Row], fitted: &[FitOfClass; 4]) -> Forecast {
        let past = self.past(key, end);
        let class = past.class();
        let fit = &fitted[class as usize];
        let mut weights = fit.weights;
        if fit.rows > 0.0 {
            let (mut products, mut targets) = normal(rows);
            let share = [300.0, 600.0, 1000.0, 300.0][class as usize] / fit.rows;
            for row in 0..7 {
                for (product, of_class) in products[row].iter_mut().zip(&fit.products[row]) {
                    *product += share * of_class;
                }
                targets[row] += share * fit.targets[row];
            }
            weights = descend(&products, &targets, &fit.weights);
        }
        let season = past.season();
        let by_weekday = std::array::from_fn(|weekday| dot(&past.candidates(weekday, &season), &weights));
        let lessons = self.lessons(key, end, &weights);
        let prior = if class == Class::Busy { 50.0 } else { 10.0 };
        let (mut squares, mut sizes) = (prior * fit.dispersion, prior);
        for (_, value, forecast) in &lessons {
            squares += ((value - forecast) / past.unit()).powi(2);
            sizes += past.size(*forecast);
        }
        Forecast { class, days: past.days(), unit: past.unit(), by_weekday, dispersion: squares / sizes, lessons }
    }

    /// Back-tests with given weights: days ahead, what came, forecast.
    fn lessons(&self, key: usize, end: usize, weights: &[f64; 7]) -> Vec<(usize, f64, f64)> {
        let mut lessons = Vec::new();
        for origin in Self::origins(end) {
            let past = self.past(key, origin);
            if past.days() >= 21 && past.naive_error() > 0.0 {
                for day in origin..origin + 14 {
                    if let Some(value) = self.series[key][day] {
                        let forecast = dot(&past.candidates(day % 7, &past.season()), weights);
                        lessons.push((day + 1 - origin, value, forecast));
                    }
                }
            }
        }
        lessons
    }
}

/// The equations of a class, its weights, its rows, and how its keys scatter.
struct FitOfClass {
    products: [[f64; 7]; 7],
    targets: [f64; 7],
    weights: [f64; 7],
    rows: f64,
    dispersion: f64,
}

fn fit_class(class: Class, keys: &[&[Row]]) -> FitOfClass {
    let mut dispersions = Histogram::new();
    let (mut products, mut targets, mut count) = ([[0.0; 7]; 7], [0.0; 7], 0.0);
    for rows in keys {
        let (own, own_targets) = normal(rows);
        for row in 0..7 {
            for column in 0..7 {
                products[row][column] += own[row][column];
            }
            targets[row] += own_targets[row];
        }
        count += rows.len() as f64;
        let sizes: f64 = rows.iter().map(|row| row.size).sum();
        if sizes > 0.0 {
            dispersions.add(rows.iter().map(|row| row.squares).sum::<f64>() / sizes);
        }
    }
    let dispersion = dispersions.quantile(0.5).filter(|median| *median > 0.0).unwrap_or(1.0);
    let mut weights = *first(class);
    if count > 0.0 {
        let ridge = 3.0 * (0..7).map(|row| products[row][row]).sum::<f64>() / 7.0 / count;
        for row in 0..7 {
            products[row][row] += ridge;
            targets[row] += ridge * first(class)[row];
        }
        weights = descend(&products, &targets, first(class));
    }
    FitOfClass { products, targets, weights, rows: count, dispersion }
}

fn normal(rows: &[Row]) -> ([[f64; 7]; 7], [f64; 7]) {
    let (mut products, mut targets) = ([[0.0; 7]; 7], [0.0; 7]);
    for row in rows {
        for (place, candidate) in row.candidates.iter().enumerate() {
            for (other, product) in products[place].iter_mut().enumerate() {
                *product += row.weight * candidate * row.candidates[other];
            }
            targets[place] += row.weight * candidate * row.value;
        }
    }
    (products, targets)
}

/// Fifty sweeps of coordinate descent, or until nothing moves by a millionth.
fn descend(products: &[[f64; 7]; 7], targets: &[f64; 7], start: &[f64; 7]) -> [f64; 7] {
    let mut weights = *start;
    for _ in 0..50 {
        let before = weights;
        for place in 0..7 {
            if products[place][place] > 0.0 {
                let others = dot(&products[place], &weights) - products[place][place] * weights[place];
                weights[place] = ((targets[place] - others) / products[place][place]).max(0.0);
            }
        }
        if weights.iter().zip(before).all(|(weight, before)| (weight - before).abs() < 1e-6) {
            break;
        }
    }
    weights
}
