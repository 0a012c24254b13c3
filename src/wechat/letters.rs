//! Random texts of letters and digits, which is all that WeChat takes.

use aws_lc_rs::rand;
use storage::NoRandomness;

const SYMBOLS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// So many letters and digits from the random source of the operating system, each as likely as any other.
///
/// # Errors
/// When that source fails.
pub fn letters(count: usize) -> Result<String, NoRandomness> {
    // Above the last whole round of symbols, the remainder would favour the first ones.
    const WHOLE_ROUNDS: u8 = u8::MAX - u8::MAX % SYMBOLS.len() as u8;
    let mut text = String::with_capacity(count);
    while text.len() < count {
        let mut bytes = [0; 32];
        rand::fill(&mut bytes).map_err(|_| NoRandomness)?;
        let usable = bytes.iter().filter(|byte| **byte < WHOLE_ROUNDS);
        let symbols = usable.map(|byte| char::from(SYMBOLS[usize::from(*byte) % SYMBOLS.len()]));
        text.extend(symbols.take(count - text.len()));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_have_their_length_and_differ() {
        let texts: Vec<_> = [0, 1, 16, 32, 100].map(|count| (count, letters(count).expect("random"))).into();
        for (count, text) in texts {
            assert_eq!(text.len(), count);
            assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{text}");
        }
        assert_ne!(letters(32).expect("random"), letters(32).expect("random"));
    }
}
