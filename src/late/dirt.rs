//! What notes add up to: the days and keys that must be aggregated again.

use crate::catalog::Definition;
use crate::catalog::notes::Note;
use crate::pg::encoding::ServerText;
use crate::pg::value::{Image, from_text_softly};
use crate::rules::calendar::{Day, days};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Default)]
pub struct Dirt {
    /// Anything may have changed.
    pub everything: bool,
    /// Days to aggregate as a whole.
    pub days: BTreeSet<Day>,
    /// Keys to aggregate of other days.
    pub keys: BTreeMap<Day, Vec<Vec<Image>>>,
}

impl Dirt {
    /// Adds up notes; days outside `from` to `to` do not count.
    pub fn of(definition: &Definition, from: Day, to: Day, notes: &[Note]) -> Self {
        let mut dirt = Dirt { everything: notes.iter().any(|note| note.day.is_none()), ..Default::default() };
        if dirt.everything {
            dirt.days.extend(days(from, to));
            return dirt;
        }
        for note in notes {
            let Some(day) = note.day.filter(|day| (from..=to).contains(day)) else { continue };
            match note.key.as_ref().and_then(|key| key_values(definition, key)) {
                Some(key) => dirt.keys.entry(day).or_default().push(key),
                None => _ = dirt.days.insert(day),
            }
        }
        dirt
    }

    /// Adds days to aggregate as a whole.
    pub fn add_days(&mut self, days: impl IntoIterator<Item = Day>) {
        self.days.extend(days);
    }

    /// The first day that is dirty.
    pub fn first(&self) -> Option<Day> {
        let keyed = self.keys.keys().next().copied();
        self.days.first().copied().into_iter().chain(keyed).min()
    }
}

/// A noted key in the types of the key columns; None when it does not fit them any more.
fn key_values(definition: &Definition, key: &[Option<ServerText>]) -> Option<Vec<Image>> {
    if key.len() != definition.keys.len() {
        return None;
    }
    let value = |(column, text): (&crate::catalog::Key, &Option<ServerText>)| {
        let text = text.as_ref()?;
        Some(Image::of(column.layout, from_text_softly(column.layout.oid, -1, text)?))
    };
    definition.keys.iter().zip(key).map(value).collect()
}
