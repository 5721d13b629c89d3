//! Returns and reorders: what a sell leads to on a later day.

use super::EventType;
use super::draw::{Generator, below};

/// Of 100 sells, so many are returned and so many others reordered.
const RETURNED: u64 = 8;
const REORDERED: u64 = 19;

/// Longer than the longest lag, so that a slot is empty again before it is used for a later day.
const SLOTS: u32 = 64;

/// Follow-ups remembered one by one for each day, so that memory does not grow with the number of
/// events. Of more, a fair sample is kept and drawn from as often as needed: shares and products
/// stay right, but a sell may then be followed twice.
const REMEMBERED: usize = 1 << 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FollowUp {
    pub product_id: u32,
    pub event_type: EventType,
}

/// Decides what follows a sell and after how many days: mostly nothing.
pub fn draw_follow_up(random: &mut Generator) -> Option<(EventType, u32)> {
    let sell = below(random, 100);
    if sell < RETURNED {
        // The lower of two draws: soon rather than late, nine of ten within 14 days.
        let days = below(random, 21).min(below(random, 21));
        Some((EventType::Return, 1 + days as u32))
    } else if sell < RETURNED + REORDERED {
        // The sum of two draws: around a month.
        let days = below(random, 28) + below(random, 28);
        Some((EventType::Reorder, 7 + days as u32))
    } else {
        None
    }
}

/// The follow-ups of today and the days ahead.
pub struct Backlog {
    slots: Vec<Slot>,
    today: u32,
}

#[derive(Default)]
struct Slot {
    due: u64,
    remembered: Vec<FollowUp>,
}

impl Backlog {
    pub fn new() -> Backlog {
        Backlog { slots: (0..SLOTS).map(|_| Slot::default()).collect(), today: 0 }
    }

    /// Goes on to the next day; what was not taken on the day before is due today.
    pub fn begin_day(&mut self, day: u32) {
        let overdue = std::mem::take(self.slot(self.today));
        self.today = day;
        self.slot(day).add(overdue);
    }

    pub fn due_today(&self) -> u64 {
        self.slots[(self.today % SLOTS) as usize].due
    }

    /// The lag is less than the number of slots.
    pub fn remember(&mut self, follow_up: FollowUp, lag: u32, random: &mut Generator) {
        let day = self.today.wrapping_add(lag);
        self.slot(day).remember(follow_up, random);
    }

    /// One of those that are due today.
    pub fn take(&mut self, random: &mut Generator) -> Option<FollowUp> {
        self.slot(self.today).take(random)
    }

    fn slot(&mut self, day: u32) -> &mut Slot {
        &mut self.slots[(day % SLOTS) as usize]
    }
}

impl Slot {
    fn add(&mut self, overdue: Slot) {
        self.due += overdue.due;
        let room = REMEMBERED - self.remembered.len();
        self.remembered.extend(overdue.remembered.into_iter().take(room));
    }

    fn remember(&mut self, follow_up: FollowUp, random: &mut Generator) {
        self.due += 1;
        if self.remembered.len() < REMEMBERED {
            self.remembered.push(follow_up);
            return;
        }
        // Replacing one with this chance keeps a sample in which all that came are equally likely.
        let index = below(random, self.due);
        if index < REMEMBERED as u64 {
            self.remembered[index as usize] = follow_up;
        }
    }

    fn take(&mut self, random: &mut Generator) -> Option<FollowUp> {
        let remembered = self.remembered.len() as u64;
        if remembered == 0 {
            return None;
        }
        // Any of them, so that a day with room for a few takes old and new, returns and reorders.
        let index = below(random, remembered) as usize;
        let all_are_remembered = self.due == remembered;
        self.due -= 1;
        Some(if all_are_remembered { self.remembered.swap_remove(index) } else { self.remembered[index] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    fn returned(product_id: u32) -> FollowUp {
        FollowUp { product_id, event_type: EventType::Return }
    }

    #[test]
    fn lags_are_a_day_to_two_months_and_fit_the_slots() {
        let mut random = Generator::seed_from_u64(1);
        let (mut returns, mut soon, mut reorders) = (0, 0, 0);
        for _ in 0..100_000 {
            match draw_follow_up(&mut random) {
                Some((EventType::Return, lag)) => {
                    assert!((1..=21).contains(&lag));
                    returns += 1;
                    soon += u32::from(lag <= 14);
                }
                Some((event_type, lag)) => {
                    assert_eq!(event_type, EventType::Reorder);
                    assert!((7..=61).contains(&lag) && lag < SLOTS);
                    reorders += 1;
                }
                None => {}
            }
        }
        assert!((7_500..8_500).contains(&returns) && (18_500..19_500).contains(&reorders));
        assert!(soon * 100 > returns * 85 && soon < returns);
    }

    #[test]
    fn a_follow_up_comes_on_its_day_and_an_untaken_one_on_the_next() {
        let mut random = Generator::seed_from_u64(1);
        let mut backlog = Backlog::new();
        backlog.begin_day(0);
        backlog.remember(returned(5), 2, &mut random);
        backlog.begin_day(1);
        assert_eq!(backlog.due_today(), 0);
        backlog.begin_day(2);
        assert_eq!(backlog.due_today(), 1);
        backlog.remember(returned(6), 1, &mut random);
        backlog.begin_day(3);
        assert_eq!(backlog.due_today(), 2);
        let mut taken: Vec<u32> =
            (0..2).filter_map(|_| backlog.take(&mut random)).map(|follow_up| follow_up.product_id).collect();
        taken.sort_unstable();
        assert_eq!(taken, [5, 6]);
        assert_eq!((backlog.due_today(), backlog.take(&mut random)), (0, None));
    }

    #[test]
    fn more_follow_ups_than_are_remembered_are_all_due_and_take_no_more_memory() {
        let mut random = Generator::seed_from_u64(1);
        let mut backlog = Backlog::new();
        let many = 5 * REMEMBERED as u32;
        for product in 1..=many {
            backlog.remember(returned(product), 1, &mut random);
        }
        backlog.begin_day(1);
        assert_eq!(backlog.due_today(), u64::from(many));
        let kept = &backlog.slot(1).remembered;
        assert_eq!(kept.len(), REMEMBERED);
        let late_half = kept.iter().filter(|follow_up| follow_up.product_id > many / 2).count();
        assert!(late_half.abs_diff(REMEMBERED / 2) < REMEMBERED / 50, "{late_half}");
        assert_eq!((0..many).filter_map(|_| backlog.take(&mut random)).count(), many as usize);
        assert_eq!(backlog.due_today(), 0);
        assert_eq!(backlog.take(&mut random), None);
    }
}
