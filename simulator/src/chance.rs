//! The simulator's dice: ids, nonces and tokens that are the same again for the same seed.

const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const HEX: &[u8] = b"0123456789abcdef";
const DIGITS: &[u8] = b"0123456789";

/// SplitMix64. Nothing that a simulator makes up has to be hard to guess.
#[derive(Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn of(&mut self, alphabet: &[u8], length: usize) -> String {
        let size = alphabet.len() as u64;
        (0..length).map(|_| char::from(alphabet[usize::try_from(self.next() % size).unwrap_or(0)])).collect()
    }

    pub(crate) fn letters(&mut self, length: usize) -> String {
        self.of(LETTERS, length)
    }

    pub(crate) fn hex(&mut self, length: usize) -> String {
        self.of(HEX, length)
    }

    pub(crate) fn digits(&mut self, length: usize) -> String {
        self.of(DIGITS, length)
    }

    pub(crate) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.next().to_le_bytes()[0])
    }

    /// The end of every error message of the MP: ` rid: 8hex-8hex-8hex`.
    pub(crate) fn rid(&mut self) -> String {
        format!("rid: {}-{}-{}", self.hex(8), self.hex(8), self.hex(8))
    }
}
