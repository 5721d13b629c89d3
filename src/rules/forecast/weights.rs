//! How much each candidate counts in a forecast: non-negative least squares on back-tests.

use super::learned::{CANDIDATES, Candidates};
use super::measure::Class;

/// One weight for each candidate.
pub type Weights = [f64; CANDIDATES];

/// What back-tests of other tables have shown: the weights to begin with.
const FIRST: [Weights; 4] = [
    [0.10, 0.10, 0.16, 0.13, 0.19, 0.23, 0.09],
    [0.10, 0.05, 0.05, 0.20, 0.22, 0.30, 0.08],
    [0.02, 0.02, 0.12, 0.04, 0.15, 0.64, 0.01],
    // A level is like a busy key: each of its values says something.
    [0.10, 0.10, 0.16, 0.13, 0.19, 0.23, 0.09],
];

/// Rows that stand for the first weights beside those of the whole class.
const FIRST_ROWS: f64 = 3.0;

/// Rows that stand for the weights of its class beside a key's own.
const CLASS_ROWS: [f64; 4] = [300.0, 600.0, 1_000.0, 300.0];

/// Coordinate descent ends here, or when nothing moves any more.
const MOST_SWEEPS: usize = 50;
const STILL: f64 = 1e-6;

/// The normal equations of least squares: the upper half of a symmetric matrix, the right-hand side, and from how many
/// rows they are.
#[derive(Clone, Copy, Debug)]
pub struct Equations {
    products: [[f64; CANDIDATES]; CANDIDATES],
    targets: [f64; CANDIDATES],
    rows: f64,
}

impl Equations {
    pub const NONE: Equations =
        Equations { products: [[0.0; CANDIDATES]; CANDIDATES], targets: [0.0; CANDIDATES], rows: 0.0 };

    /// Rows that have the same candidates: the sum of their weights and of their weighted values.
    pub fn add_rows(&mut self, candidates: &Candidates, weight: f64, weighted_value: f64, rows: f64) {
        for (row, first) in candidates.iter().enumerate() {
            let weighted = weight * first;
            for (product, second) in self.products[row][row..].iter_mut().zip(&candidates[row..]) {
                *product += weighted * second;
            }
            self.targets[row] += weighted_value * first;
        }
        self.rows += rows;
    }

    pub fn add(&mut self, other: &Equations) {
        self.add_scaled(other, 1.0);
    }

    fn add_scaled(&mut self, other: &Equations, factor: f64) {
        for row in 0..CANDIDATES {
            for column in row..CANDIDATES {
                self.products[row][column] += factor * other.products[row][column];
            }
            self.targets[row] += factor * other.targets[row];
        }
        self.rows += factor * other.rows;
    }

    fn product(&self, row: usize, column: usize) -> f64 {
        self.products[row.min(column)][row.max(column)]
    }

    /// The weights that are nowhere negative and fit best, by coordinate descent from `start` on.
    fn solve(&self, start: &Weights) -> Weights {
        let mut weights = *start;
        for _ in 0..MOST_SWEEPS {
            let mut moved = 0.0f64;
            for row in 0..CANDIDATES {
                let own = self.products[row][row];
                if !(own > 0.0 && own.is_finite()) {
                    continue;
                }
                let mut rest = self.targets[row];
                for (column, weight) in weights.iter().enumerate() {
                    if column != row {
                        rest -= self.product(row, column) * weight;
                    }
                }
                let weight = (rest / own).max(0.0);
                moved = moved.max((weight - weights[row]).abs());
                weights[row] = weight;
            }
            if moved < STILL {
                break;
            }
        }
        weights
    }
}

/// What the keys of one class have in common.
#[derive(Clone, Debug)]
pub struct ClassWeights {
    class: Class,
    equations: Equations,
    weights: Weights,
}

impl ClassWeights {
    /// The weights of a class from the rows of all its keys.
    pub fn of(class: Class, rows: &Equations) -> Self {
        let first = first_weights(class);
        if rows.rows == 0.0 {
            return ClassWeights { class, equations: Equations::NONE, weights: *first };
        }
        let mut equations = *rows;
        let trace: f64 = (0..CANDIDATES).map(|row| rows.products[row][row]).sum();
        let ridge = FIRST_ROWS * trace / CANDIDATES as f64 / rows.rows;
        for (row, weight) in first.iter().enumerate() {
            equations.products[row][row] += ridge;
            equations.targets[row] += ridge * weight;
        }
        let weights = equations.solve(first);
        ClassWeights { class, equations, weights }
    }

    /// The weights of one key from its own rows beside those of its class.
    pub fn of_key(&self, own: &Equations) -> Weights {
        if self.equations.rows == 0.0 {
            return self.weights;
        }
        let mut equations = *own;
        equations.add_scaled(&self.equations, CLASS_ROWS[self.class as usize] / self.equations.rows);
        equations.solve(&self.weights)
    }
}

pub fn first_weights(class: Class) -> &'static Weights {
    &FIRST[class as usize]
}

pub fn weighted(candidates: &Candidates, weights: &Weights) -> f64 {
    candidates.iter().zip(weights).map(|(candidate, weight)| candidate * weight).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_that_made_the_values_are_found_again() {
        let truth: Weights = [0.0, 0.5, 0.0, 0.2, 0.0, 0.3, 0.0];
        let mut rows = Equations::NONE;
        let mut state = 7u64;
        for _ in 0..500 {
            let candidates: Candidates = std::array::from_fn(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 40) as f64 / 1e5
            });
            rows.add_rows(&candidates, 1.0, weighted(&candidates, &truth), 1.0);
        }
        let found = rows.solve(first_weights(Class::Busy));
        for (found, truth) in found.iter().zip(truth) {
            assert!((found - truth).abs() < 1e-3, "{found} is not {truth}");
        }
    }

    #[test]
    fn without_rows_the_first_weights_stand() {
        for class in Class::ALL {
            let of_class = ClassWeights::of(class, &Equations::NONE);
            assert_eq!(of_class.of_key(&Equations::NONE), *first_weights(class));
        }
    }

    #[test]
    fn a_key_without_rows_has_the_weights_of_its_class() {
        let mut rows = Equations::NONE;
        rows.add_rows(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], 1.0, 5.0, 1.0);
        let of_class = ClassWeights::of(Class::Mid, &rows);
        let of_key = of_class.of_key(&Equations::NONE);
        for (key, class) in of_key.iter().zip(of_class.weights) {
            assert!((key - class).abs() < 1e-3);
        }
    }
}
