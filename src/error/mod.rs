//! Every refusal of the extension. What each says is in [`report`].

mod report;

use crate::rules::calendar::Day;
use pgrx::PgSqlErrorCode as Code;
pub use report::Report;

/// What can go wrong because of what a user asked. Errors of PostgreSQL itself keep their own form.
#[derive(Debug)]
pub enum Error {
    // Arguments
    NullArgument {
        argument: &'static str,
    },
    InfiniteDay {
        argument: &'static str,
    },
    DayOutOfRange {
        day: String,
    },
    FutureDay {
        day: Day,
        today: Day,
        zone: String,
    },
    DayBeforeStart {
        day: Day,
        start: Day,
        table: String,
    },
    ReversedRange {
        from: Day,
        to: Day,
    },
    UnknownChoice {
        argument: &'static str,
        given: String,
        allowed: Vec<&'static str>,
    },
    NumberOutOfRange {
        argument: &'static str,
        given: i64,
        least: i64,
        most: i64,
    },
    FractionOutOfRange {
        argument: &'static str,
        given: f64,
        wanted: &'static str,
        usual: f64,
    },

    // Arrays
    ArrayDimensions {
        argument: &'static str,
        dimensions: i32,
    },
    TotalOverflow {
        of: String,
        total: &'static str,
    },

    // Definitions
    MetricsForm {
        reason: String,
    },
    NoMetrics,
    DuplicateName {
        name: String,
        kind: &'static str,
    },
    NoKeys,
    UnknownColumn {
        column: String,
        table: String,
        columns: String,
    },
    TimeColumnType {
        column: String,
        type_name: String,
    },
    KeyType {
        column: String,
        type_name: String,
    },
    NotAnAggregate {
        metric: String,
        expression: String,
    },
    NotOneExpression {
        what: String,
        expression: String,
        reason: String,
    },
    MutableExpression {
        what: String,
        expression: String,
    },
    SetReturning {
        what: String,
        expression: String,
    },
    FilterType {
        expression: String,
        type_name: String,
    },
    NotSummable {
        metric: String,
        type_name: String,
    },
    UnknownType {
        metric: String,
        type_name: String,
    },
    ZeroValue {
        metric: String,
        zero: String,
        type_name: String,
    },
    NameTooLong {
        name: String,
        bytes: usize,
    },
    NameTaken {
        name: String,
        kind: String,
    },
    OtherDefinition {
        table: String,
        /// Each a sentence without its full stop.
        differences: Vec<String>,
    },
    Windows {
        reason: String,
    },
    UnknownZone {
        zone: String,
    },
    NotASource {
        source: String,
        kind: String,
    },
    LateOnSource {
        source: String,
        kind: String,
    },
    ExpireRagged,
    RetentionTooShort {
        retention: String,
        least: i64,
    },
    DoesNotFit {
        table: String,
        reason: String,
    },
    OldStart {
        first: Day,
        today: Day,
    },

    /// An error of PostgreSQL about something that a user wrote, which it does not name itself.
    About {
        what: String,
        cause: Report,
    },

    // Tables
    NotACumulativeTable {
        name: String,
    },
    NotOwner {
        table: String,
        owner: String,
    },
    SourceDenied {
        source: String,
        owner: String,
    },
    RowSecurity {
        source: String,
        owner: String,
        /// Whether the source belongs to that role, too.
        owned: bool,
    },
    IsolationLevel,
    InTransactionBlock {
        call: String,
        instead: String,
    },
    NoEvents {
        source: String,
    },
    FrozenDay {
        day: Day,
        through: Day,
        table: String,
    },

    DroppedDay {
        day: Day,
        kept: Day,
        table: String,
    },

    MetricUnderWay {
        metric: String,
        table: String,
    },
    Busy {
        table: String,
        call: String,
    },

    NoRun {
        id: i64,
    },

    Unclosed {
        day: Day,
        through: Day,
        table: String,
    },
    KeyTooLong {
        table: String,
        day: Day,
        column: String,
        bytes: usize,
        /// What leaves such rows out.
        remedy: String,
    },
    FrozenFilter {
        table: String,
        through: Day,
    },
    Broken {
        table: String,
        id: i64,
    },
    Incomplete {
        table: String,
        reason: String,
        remedy: String,
    },
    StillThere {
        table: String,
    },

    // Questions
    UnknownMetric {
        metric: String,
        table: String,
        metrics: Vec<String>,
    },
    NotANumber {
        metric: String,
        type_name: String,
        table: String,
    },
    NoRollup {
        metric: String,
        rollup: &'static str,
        of: &'static str,
    },
    KeyForm {
        table: String,
        columns: Vec<String>,
    },
    ReaderDenied {
        table: String,
        role: String,
        /// What GRANT would give.
        grant: String,
    },
    ReaderRowSecurity {
        table: String,
        role: String,
    },
    NothingClosed {
        table: String,
    },
    DaysNotUsable {
        table: String,
        told: String,
        remedy: String,
    },

    ForecastMemory {
        table: String,
        keys: usize,
        day: Day,
        most: usize,
    },

    // Schedules
    BadSchedule {
        schedule: String,
        reason: String,
    },
    NoScheduler {
        reason: &'static str,
        remedy: String,
    },
    InRecovery,
    ReadOnly,
    Paused {
        table: String,
        reason: String,
    },

    // The generator
    NotAnEventTable {
        table: String,
        reason: String,
    },
}

/// An error as it is kept: of PostgreSQL or of ours.
#[derive(Clone, Debug, Default)]
pub struct Failure {
    pub sqlstate: Option<String>,
    pub message: Option<String>,
    pub detail: Option<String>,
    pub hint: Option<String>,
}

impl From<Report> for Failure {
    fn from(report: Report) -> Self {
        let Report { code, message, detail, hint } = report;
        Failure { sqlstate: Some(sqlstate(code)), message: Some(message), detail, hint }
    }
}

/// The five characters of a code, which PostgreSQL packs six bits each.
fn sqlstate(code: Code) -> String {
    let packed = code as i32 as u32;
    (0..5).map(|place| char::from(((packed >> (6 * place)) & 0x3f) as u8 + b'0')).collect()
}
