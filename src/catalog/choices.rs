//! What a definition chooses from.

/// How late changes are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Late {
    Trigger,
    Scan,
    None,
}

impl Late {
    pub const NAMES: [&str; 3] = ["trigger", "scan", "none"];

    pub fn from_name(name: &str) -> Option<Self> {
        [Late::Trigger, Late::Scan, Late::None].into_iter().find(|late| late.name() == name)
    }

    pub fn name(self) -> &'static str {
        match self {
            Late::Trigger => "trigger",
            Late::Scan => "scan",
            Late::None => "none",
        }
    }
}

/// How the cumulative table is cut into partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartitionBy {
    Month,
    Day,
    None,
}

impl PartitionBy {
    pub const NAMES: [&str; 3] = ["month", "day", "none"];

    pub fn from_name(name: &str) -> Option<Self> {
        [PartitionBy::Month, PartitionBy::Day, PartitionBy::None].into_iter().find(|by| by.name() == name)
    }

    pub fn name(self) -> &'static str {
        match self {
            PartitionBy::Month => "month",
            PartitionBy::Day => "day",
            PartitionBy::None => "none",
        }
    }
}
