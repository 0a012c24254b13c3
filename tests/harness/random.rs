//! Random numbers that can be had again: a test prints its seed, and `PATI_TEST_SEED` sets it.

/// SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The seed of the environment, or this one; printed, so that a failed run can be repeated.
    pub fn seeded(seed: u64) -> Self {
        let given = std::env::var("PATI_TEST_SEED").ok();
        let seed = given.map_or(seed, |text| text.parse().expect("PATI_TEST_SEED is a number"));
        println!("seed: PATI_TEST_SEED={seed}");
        Self(seed)
    }

    /// Another stream of numbers, for another worker.
    pub fn branch(&mut self) -> Self {
        Self(self.next())
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}
