//! Sizes: those of the contract, and small ones that show in two minutes whether anything has come apart.

pub struct Scale {
    pub name: &'static str,
    pub rounds: usize,
    /// Rounds of what takes minutes each.
    pub long_rounds: usize,
    /// Keys of the day that is closed and filled.
    pub keys: i64,
    /// Events and products of the year.
    pub year_events: i64,
    pub products: i64,
    pub generated: i64,
    /// The published generator is slow: it makes one of so many events.
    pub generated_part: i64,
    pub late_keys: i64,
    pub late_days: i64,
    pub arrays: i64,
    pub ingested: i64,
    /// Where arrays are longer than a year's, the keys are fewer: the elements count.
    pub growth_keys: &'static [i64],
    pub growth_days: &'static [i64],
    pub growth_windows: &'static [i64],
    pub growth_rounds: usize,
    /// Keys of a year that is forecast.
    pub forecast_keys: i64,
}

impl Scale {
    pub const FULL: Scale = Scale {
        name: "full",
        rounds: 7,
        long_rounds: 7,
        keys: 1_000_000,
        year_events: 1_000_000,
        products: 1_000,
        generated: 1_000_000,
        generated_part: 20,
        late_keys: 200_000,
        late_days: 60,
        arrays: 1_000_000,
        ingested: 1_000_000,
        growth_keys: &[10_000, 31_623, 100_000, 316_228, 1_000_000],
        growth_days: &[1, 7, 30, 90, 180, 366],
        growth_windows: &[7, 90, 365, 3660],
        growth_rounds: 3,
        forecast_keys: 70_000,
    };

    pub const QUICK: Scale = Scale {
        name: "quick",
        rounds: 3,
        long_rounds: 2,
        keys: 60_000,
        year_events: 100_000,
        products: 100,
        generated: 100_000,
        generated_part: 50,
        late_keys: 5_000,
        late_days: 20,
        arrays: 100_000,
        ingested: 100_000,
        growth_keys: &[3_000, 30_000],
        growth_days: &[1, 30, 180],
        growth_windows: &[7, 90, 365, 3660],
        growth_rounds: 2,
        forecast_keys: 10_000,
    };
}
