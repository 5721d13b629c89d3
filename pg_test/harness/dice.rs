//! Chance that a seed repeats.

/// A small generator of its own, so that a seed says everything about a session.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    /// The next 64 bits: <https://prng.di.unimi.it/splitmix64.c>.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number from 0 to `sides` - 1.
    pub fn below(&mut self, sides: u64) -> u64 {
        self.next() % sides
    }

    /// True in so many of 100 cases.
    pub fn percent(&mut self, of_100: u64) -> bool {
        self.below(100) < of_100
    }

    /// The place of one of so many.
    pub fn place(&mut self, of: usize) -> usize {
        self.below(of as u64) as usize
    }

    /// One of several.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.place(from.len())]
    }

    /// One of several that are borrowed already, such as words.
    pub fn one<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.place(from.len())]
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.place(last + 1));
        }
    }
}
