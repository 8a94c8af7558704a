//! Random choices that follow from a seed.

use std::ops::RangeInclusive;

/// A stream of random choices: the same seed gives the same choices, on every machine. SplitMix64, which is small and good
/// enough for choices, but not for secrets.
///
/// Every purpose has a [stream of its own](Random::stream), so that choices added or removed for one purpose change none
/// of another's.
#[derive(Clone, Debug)]
pub struct Random(u64);

/// The increment of SplitMix64: 2⁶⁴ divided by the golden ratio.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

impl Random {
    /// The choices of `seed`.
    pub fn new(seed: u64) -> Self {
        Random(seed)
    }

    /// The choices of `seed` for one purpose: the `index`th of its `kind`. Streams that differ in any of the three are
    /// independent of each other.
    pub fn stream(seed: u64, kind: &str, index: u64) -> Self {
        let kind = kind.bytes().fold(STEP, |hash, byte| mix(hash ^ u64::from(byte)));
        Random(mix(mix(seed.wrapping_add(kind)).wrapping_add(index)))
    }

    /// Any number.
    #[expect(clippy::should_implement_trait, reason = "choices are of many kinds, not items of a sequence")]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        mix(self.0)
    }

    /// A number below `len`.
    ///
    /// # Panics
    /// If `len` is zero.
    pub fn below(&mut self, len: usize) -> usize {
        assert!(len > 0, "nothing to choose from");
        self.scaled(len as u64) as usize
    }

    /// A number in `range`.
    ///
    /// # Panics
    /// If `range` is empty.
    pub fn within(&mut self, range: RangeInclusive<u64>) -> u64 {
        let (first, last) = range.into_inner();
        assert!(first <= last, "an empty range");
        match (last - first).checked_add(1) {
            Some(len) => first + self.scaled(len),
            None => self.next(),
        }
    }

    /// A number below `len`: the high half of a product, since a division takes several times as long.
    fn scaled(&mut self, len: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(len)) >> 64) as u64
    }

    /// Whether something happens that does so once in `times` times.
    ///
    /// # Panics
    /// If `times` is zero.
    pub fn once_in(&mut self, times: u64) -> bool {
        self.next().is_multiple_of(times)
    }

    /// One of `choices`.
    ///
    /// # Panics
    /// If there are none.
    pub fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }
}

/// Spreads a number over all bits: the finalizer of SplitMix64.
fn mix(bits: u64) -> u64 {
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_choices_everywhere() {
        // The reference values of SplitMix64 for seed 0.
        let mut random = Random::new(0);
        assert_eq!(
            [random.next(), random.next(), random.next()],
            [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4, 0x06c4_5d18_8009_454f]
        );
    }

    #[test]
    fn streams_differ_by_seed_kind_and_index() {
        let first = |seed, kind, index| Random::stream(seed, kind, index).next();
        let streams =
            [first(1, "peer", 0), first(2, "peer", 0), first(1, "fault", 0), first(1, "peer", 1), first(0, "peer", 1)];
        for (n, stream) in streams.iter().enumerate() {
            assert!(!streams[..n].contains(stream), "stream {n}");
            assert_ne!(*stream, Random::new(1).next());
        }
        assert_eq!(first(1, "peer", 0), streams[0]);
    }

    #[test]
    fn choices_stay_within_their_range() {
        let mut random = Random::new(7);
        for _ in 0..1000 {
            assert!(random.below(3) < 3);
            assert!((5..=6).contains(&random.within(5..=6)));
            assert!([1, 2].contains(random.pick(&[1, 2])));
        }
        assert_eq!(random.within(9..=9), 9);
        random.within(0..=u64::MAX);
        assert!(random.once_in(1));
    }
}
