//! Days that are not as they were expected, by key and for all keys together.

use super::Subject;
use super::forecast::{Keys, days};
use super::numbered::{KeyWriter, Numbered};
use super::range::Needs;
use crate::error::Error;
use crate::fold::Ticker;
use crate::pg::rows::Rows;
use crate::pg::value::{Datum, Image};
use crate::rules::calendar::Day;
use crate::rules::forecast::{self, Anomaly, Direction, Subject as Who, Together, Watch};

/// What is asked for.
pub struct Question {
    pub from: Option<Day>,
    pub to: Option<Day>,
    pub threshold: f64,
    pub direction: Direction,
    pub min_expected: f64,
}

/// Puts key, day, value, expected, lower, upper and score of each anomaly into `rows`: day by day, all keys together
/// first, then what is most surprising.
pub fn answer(subject: &Subject, question: &Question, key: Option<Datum>, rows: &mut Rows) -> Result<(), Error> {
    let asked = subject.keys(key)?;
    let start = subject.start()?;
    let range = subject.range(question.from, question.to, Needs::AllSinceTheStart)?;
    let measure = subject.measure()?;
    let mut watch = Watch::new(
        measure,
        forecast::Question {
            from: days(start, range.from).saturating_sub(1),
            threshold: question.threshold,
            direction: question.direction,
            min_expected: question.min_expected,
        },
    );
    let mut keys = subject.read_days(range.to, &mut watch)?;
    let mut ticker = Ticker::default();
    let mut found = watch.finish(&mut || ticker.tick());
    let only = match &asked {
        Keys::All => None,
        Keys::Total => Some(Some(Who::Total)),
        Keys::One(columns) => Some(keys.number(columns).map(Who::Key)),
    };
    found.retain(|anomaly| match only {
        None => anomaly.subject != Who::Total || measure.total != Together::Unknown,
        Some(who) => Some(anomaly.subject) == who,
    });
    sort(&mut found, &keys);
    let writer = KeyWriter::of(subject);
    for anomaly in found {
        ticker.tick();
        let key = match anomaly.subject {
            Who::Key(number) => Some(writer.write(keys.columns(number))?),
            Who::Total => None,
        };
        rows.put(&[
            key.as_ref().map(Image::datum),
            Some(Datum::from(start.plus(anomaly.day as i32).number())),
            Some(Datum::from(anomaly.value)),
            Some(Datum::from(anomaly.expected)),
            Some(Datum::from(anomaly.lower)),
            Some(Datum::from(anomaly.upper)),
            Some(Datum::from(anomaly.score)),
        ]);
    }
    Ok(())
}

fn sort(found: &mut [Anomaly], keys: &Numbered) {
    let mut ranks = vec![0u32; keys.len()];
    (1..).zip(keys.in_order()).for_each(|(rank, number)| ranks[*number as usize] = rank);
    let rank = |anomaly: &Anomaly| match anomaly.subject {
        Who::Total => 0,
        Who::Key(number) => ranks[number],
    };
    found.sort_by(|one, other| {
        let (first, second) = (rank(one), rank(other));
        let by_surprise = other.score.abs().total_cmp(&one.score.abs());
        let by_kind = (first != 0).cmp(&(second != 0));
        one.day.cmp(&other.day).then(by_kind).then(by_surprise).then(first.cmp(&second))
    });
}
