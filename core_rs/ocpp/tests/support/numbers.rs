//! A small generator of random numbers (splitmix64), so that one seed names one set of profiles for ever.

pub struct Numbers(u64);

impl Numbers {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From `low` to `high`, both included.
    pub fn within(&mut self, low: i64, high: i64) -> i64 {
        let count = u64::try_from(high - low + 1).expect("a range");
        low + i64::try_from(self.next() % count).expect("inside the range")
    }

    /// True once in so many times.
    pub fn once_in(&mut self, count: i64) -> bool {
        self.within(1, count) == 1
    }

    pub fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        let last = i64::try_from(choices.len()).expect("few choices") - 1;
        choices[usize::try_from(self.within(0, last)).expect("not negative")]
    }

    pub fn maybe(&mut self, low: i64, high: i64) -> Option<i64> {
        self.once_in(2).then(|| self.within(low, high))
    }
}
