//! Passwords, and their argon2id hashes.
//!
//! A hash takes 19 MiB and some 20 ms on purpose, so how many run at once and how many wait is bounded: a flood of
//! logins must cost neither the memory of the machine nor the time of those who book.
//!
//! A password is kept in Unicode's form NFC, as RFC 8265 (OpaqueString) has it: the same key of two phones may send an
//! accent, or a syllable of Hangul, in one piece or in several, and the patient sees no difference. Nothing else is
//! changed: case and width tell passwords apart.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, LazyLock};

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use unicode_normalization::UnicodeNormalization;

/// OWASP Password Storage Cheat Sheet, second of its equal choices for argon2id: 19 MiB, 2 passes, 1 lane.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// The hash of a password that nobody knows, made with the parameters above: what is compared when there is no
/// account, so that the answer takes as long as when there is one.
const NOBODYS_HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$Cl1HiwckfGSO0rnKVFP2bQ$cJBERxjTV69xBRUsNYKUGx4jk+t2Ey2rcaKvGI9cWwo";

/// The shortest and the longest password, in characters (Unicode scalar values).
const MIN_CHARACTERS: usize = 8;
const MAX_CHARACTERS: usize = 64;

/// No character has more than four when it is taken apart (UAX 15, maximum expansion of NFD).
const MAX_PIECES_OF_A_CHARACTER: usize = 4;

/// The passwords that are tried first, in lower case: the most common of at least 8 characters, worldwide and in China.
static COMMON: LazyLock<HashSet<&str>> =
    LazyLock::new(|| include_str!("passwords/common.txt").lines().collect());

/// A password as a patient chose it: 8 to 64 characters of any script.
#[derive(Clone)]
pub struct Password(Box<str>);

/// The password has fewer than 8 or more than 64 characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a password has 8 to 64 characters")]
pub struct PasswordLength;

/// The password is one of those that are tried first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the password is too easy to guess")]
pub struct WeakPassword;

impl Password {
    /// Takes 8 to 64 characters, counted after they are composed (NFC).
    ///
    /// # Errors
    /// When there are fewer or more.
    pub fn parse(text: &str) -> Result<Self, PasswordLength> {
        // What is far too long is not worth composing.
        const MAX_PIECES: usize = MAX_CHARACTERS * MAX_PIECES_OF_A_CHARACTER;
        if text.chars().take(MAX_PIECES + 1).count() > MAX_PIECES {
            return Err(PasswordLength);
        }
        let composed: String = text.nfc().collect();
        match composed.chars().count() {
            MIN_CHARACTERS..=MAX_CHARACTERS => Ok(Self(composed.into())),
            _ => Err(PasswordLength),
        }
    }

    /// Refuses what is tried first: the common passwords in whatever case, and what the account logs in with.
    ///
    /// # Errors
    /// [`WeakPassword`]
    pub fn refuse_weak(&self, login: &str) -> Result<(), WeakPassword> {
        let lower_case = self.0.to_lowercase();
        let is_common = COMMON.contains(lower_case.as_str());
        if is_common || lower_case == login { Err(WeakPassword) } else { Ok(()) }
    }
}

/// The password does not show.
impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password")
    }
}

/// Why there is no hash and no answer.
#[derive(Debug, Error)]
pub enum PasswordError {
    /// As many wait as may wait; try again in a second.
    #[error("too many passwords wait to be hashed")]
    Busy,
    /// Our fault: a stored hash is not one, the memory is short, or the task died.
    #[error("cannot hash or compare a password: {0}")]
    Failed(String),
}

/// Hashes and compares passwords off the threads that serve requests.
#[derive(Clone, Debug)]
pub struct PasswordHasher {
    /// One permit for each that is admitted, hashing or waiting.
    admitted: Arc<Semaphore>,
    /// One permit for each that hashes.
    hashing: Arc<Semaphore>,
}

impl PasswordHasher {
    /// At most `parallel` hashes at once (at least one), and at most `waiting` that wait for their turn.
    pub fn new(parallel: usize, waiting: usize) -> Self {
        let parallel = parallel.clamp(1, Semaphore::MAX_PERMITS / 2);
        let waiting = waiting.min(Semaphore::MAX_PERMITS / 2);
        Self {
            admitted: Arc::new(Semaphore::new(parallel + waiting)),
            hashing: Arc::new(Semaphore::new(parallel)),
        }
    }

    /// The hash of `password` with a random salt, as a PHC string.
    ///
    /// # Errors
    /// [`PasswordError::Busy`] at once when too many wait.
    pub async fn hash(&self, password: Password) -> Result<String, PasswordError> {
        self.run(move || hash_now(&password)).await
    }

    /// Whether `phc` is a hash of `password`.
    ///
    /// # Errors
    /// [`PasswordError::Busy`] at once when too many wait.
    pub async fn verify(&self, password: Password, phc: String) -> Result<bool, PasswordError> {
        self.run(move || verify_now(&password, &phc)).await
    }

    /// Takes as long as [`PasswordHasher::verify`] and says nothing: for phones without an account.
    ///
    /// # Errors
    /// [`PasswordError::Busy`] at once when too many wait.
    pub async fn verify_dummy(&self, password: Password) -> Result<(), PasswordError> {
        self.verify(password, NOBODYS_HASH.to_owned()).await?;
        Ok(())
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, PasswordError> + Send + 'static,
    ) -> Result<T, PasswordError> {
        let admission = Arc::clone(&self.admitted).try_acquire_owned().map_err(|_| PasswordError::Busy)?;
        let turn = Arc::clone(&self.hashing).acquire_owned().await.map_err(failed)?;
        let permits = Permits { _admission: admission, _turn: turn };
        let task = tokio::task::spawn_blocking(move || {
            let result = work();
            drop(permits);
            result
        });
        task.await.map_err(failed)?
    }
}

/// Travels with the work: a caller who goes away does not make room while the hash still runs.
struct Permits {
    _admission: OwnedSemaphorePermit,
    _turn: OwnedSemaphorePermit,
}

fn argon2id() -> Result<Argon2<'static>, PasswordError> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(failed)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

pub(crate) fn hash_now(password: &Password) -> Result<String, PasswordError> {
    let hash: PasswordHash = argon2id()?.hash_password(password.0.as_bytes()).map_err(failed)?;
    Ok(hash.to_string())
}

fn verify_now(password: &Password, phc: &str) -> Result<bool, PasswordError> {
    let hash = PasswordHash::new(phc).map_err(failed)?;
    match argon2id()?.verify_password(password.0.as_bytes(), &hash) {
        Ok(()) => Ok(true),
        Err(argon2::password_hash::Error::PasswordInvalid) => Ok(false),
        Err(other) => Err(failed(other)),
    }
}

fn failed(cause: impl fmt::Display) -> PasswordError {
    PasswordError::Failed(cause.to_string())
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::Pin;
    use std::sync::mpsc;
    use std::task::Poll;

    use super::*;

    fn password(text: &str) -> Password {
        Password::parse(text).expect("of the right length")
    }

    #[test]
    fn a_password_has_8_to_64_characters() {
        for accepted in ["12345678", &"字".repeat(8), &"字".repeat(64)] {
            assert!(Password::parse(accepted).is_ok(), "{accepted}");
        }
        for refused in ["", "1234567", &"字".repeat(7), &"字".repeat(65), &"x".repeat(100_000)] {
            assert_eq!(Password::parse(refused).map(|_| ()), Err(PasswordLength));
        }
    }

    /// Seen to fail when the length was that of the text before it was composed, and when nothing was composed.
    #[test]
    fn a_password_is_the_same_however_its_characters_are_put_together() {
        // Hangul in syllables and in their letters, and an accent in one piece and in two.
        for (composed, apart) in
            [("\u{d55c}\u{ae00}\u{be44}\u{bc00}\u{bc88}\u{d638}\u{c785}\u{b2c8}", 8), ("caf\u{e9} 1234", 9)]
        {
            let pieces: String = composed.nfd().collect();
            assert_ne!(pieces, composed);
            let password = password(&pieces);
            assert_eq!(&*password.0, composed);
            assert_eq!(password.0.chars().count(), apart);
        }
        assert!(Password::parse(&"\u{d55c}".nfd().collect::<String>().repeat(64)).is_ok());
        assert!(Password::parse(&"e\u{301}".repeat(7)).is_err(), "seven characters in fourteen pieces");
        assert!(Password::parse(&"\u{301}".repeat(100_000)).is_err());
        assert_ne!(&*password("ＡＢＣＤ1234").0, "ABCD1234", "width tells passwords apart");
    }

    /// Seen to fail when the list was compared in the case that the patient typed.
    #[test]
    fn what_is_tried_first_is_weak() {
        let phone = "13800000001";
        for weak in
            ["12345678", "88888888", "Password", "QWERTYUIOP", "woaini1314", "5201314520", "13800000001"]
        {
            assert_eq!(password(weak).refuse_weak(phone), Err(WeakPassword), "{weak}");
        }
        for strong in ["correct horse 9", "13800000002", "密码密码密码密码"] {
            assert_eq!(password(strong).refuse_weak(phone), Ok(()), "{strong}");
        }
    }

    /// A line that no password can be equal to would protect nobody.
    #[test]
    fn every_line_of_the_common_passwords_is_one_that_could_be_chosen() {
        assert!(COMMON.len() >= 300, "{}", COMMON.len());
        assert_eq!(include_str!("passwords/common.txt").lines().count(), COMMON.len(), "a line stands twice");
        for line in COMMON.iter() {
            let parsed = Password::parse(line).map(|password| password.0);
            assert_eq!(parsed.as_deref(), Ok(*line));
            assert_eq!(line.to_lowercase(), *line);
            assert_eq!(line.trim(), *line, "parameters are trimmed");
        }
    }

    #[test]
    fn a_password_does_not_show() {
        assert_eq!(format!("{:?}", password("hunter42")), "Password");
    }

    #[tokio::test]
    async fn only_the_right_password_fits_its_hash() {
        let hasher = PasswordHasher::new(2, 8);
        let phc = hasher.hash(password("correct horse")).await.expect("hashed");
        assert!(phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{phc}");
        assert!(hasher.verify(password("correct horse"), phc.clone()).await.expect("compared"));
        assert!(!hasher.verify(password("wrong horse"), phc.clone()).await.expect("compared"));
        let again = hasher.hash(password("correct horse")).await.expect("hashed");
        assert_ne!(phc, again, "a salt of its own");
    }

    #[tokio::test]
    async fn what_is_no_hash_is_our_fault() {
        let hasher = PasswordHasher::new(1, 1);
        let result = hasher.verify(password("12345678"), "plain text".into()).await;
        assert!(matches!(result, Err(PasswordError::Failed(_))), "{result:?}");
    }

    /// The dummy costs what a real comparison costs only while their parameters are the same.
    #[tokio::test]
    async fn nobodys_hash_is_a_real_one_with_the_same_parameters() {
        let hasher = PasswordHasher::new(1, 1);
        hasher.verify_dummy(password("12345678")).await.expect("compared");
        let real = hasher.hash(password("12345678")).await.expect("hashed");
        let shape = |phc: &str| {
            let fields: Vec<_> = phc.split('$').collect();
            (fields[..4].join("$"), fields[4].len(), fields[5].len())
        };
        assert_eq!(shape(NOBODYS_HASH), shape(&real));
    }

    /// What one poll gives.
    async fn poll_once<T>(work: &mut Pin<Box<impl Future<Output = T>>>) -> Poll<T> {
        poll_fn(|context| Poll::Ready(work.as_mut().poll(context))).await
    }

    /// One hashes, one waits, the third is refused at once; when the first is done there is room again. The planted
    /// bug: `acquire_owned().await` in place of `try_acquire_owned` for the admission.
    #[tokio::test]
    async fn more_than_may_wait_are_refused_at_once() {
        let hasher = PasswordHasher::new(1, 1);
        let (finish, finished) = mpsc::channel::<()>();
        let mut first = Box::pin(hasher.run(move || finished.recv().map_err(failed)));
        let mut second = Box::pin(hasher.run(|| Ok(())));
        let mut third = Box::pin(hasher.run(|| Ok(())));
        assert!(poll_once(&mut first).await.is_pending());
        assert!(poll_once(&mut second).await.is_pending());
        let refused = poll_once(&mut third).await;
        finish.send(()).expect("the first listens");
        assert!(matches!(refused, Poll::Ready(Err(PasswordError::Busy))), "{refused:?}");

        first.await.expect("finished");
        second.await.expect("its turn came");
        hasher.run(|| Ok(())).await.expect("room again");
    }

    #[tokio::test]
    async fn a_caller_who_goes_away_makes_no_room_while_the_hash_runs() {
        let hasher = PasswordHasher::new(1, 0);
        let (finish, finished) = mpsc::channel::<()>();
        let mut gone = Box::pin(hasher.run(move || finished.recv().map_err(failed)));
        assert!(poll_once(&mut gone).await.is_pending());
        drop(gone);
        let refused = poll_once(&mut Box::pin(hasher.run(|| Ok(())))).await;
        finish.send(()).expect("the work still runs");
        assert!(matches!(refused, Poll::Ready(Err(PasswordError::Busy))), "{refused:?}");
    }
}
