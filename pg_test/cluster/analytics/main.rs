//! What the arrays are for: activity, growth, cohorts, series and rankings, held against plain SQL over the source.

mod anomalies;
mod forecasts;
mod identities;
mod late;
mod models;
mod names;
mod ranges;
mod rights;
mod scene;
