//! Sealing of personal fields, blinding of phones and ID numbers, and the keys for both.
//!
//! A sealed field can be read only with the key files of `<data>/keys/`, and only under the record
//! key it was sealed for: copied into another patient's record it does not open. A blind stands in
//! a record's key for a value that must be found by equality without being stored.

mod errors;
mod key_files;
#[cfg(test)]
pub(crate) mod tests;
mod unlock;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use bincode::{Decode, Encode};
use domain::{AccountName, IdNumber, OpenId, Phone, TenantId};

use crate::keys::RawKey;
use crate::record::{Unreadable, encode_v1, read_v1};

pub use errors::{SealError, VaultError};
pub use unlock::UnlockError;

/// How many bytes each secret has.
pub const SECRET_LEN: usize = 32;

/// The id of the only sealing key so far. It leads every sealed field, so that a second key can be
/// brought in later while the fields of the first still open.
const SEAL_KEY_ID: u8 = 1;
const SEAL_FILE: &str = "seal-1.key";
const BLIND_FILE: &str = "blind.key";

/// Authentication tag of AES-GCM, in bytes.
const TAG_LEN: usize = 16;
/// Key id and nonce stand before the ciphertext.
const SEALED_HEAD: usize = 1 + NONCE_LEN;

/// Where unpredictable bytes come from.
pub trait Random: Send + Sync {
    /// Fills `bytes`.
    ///
    /// # Errors
    /// The source had nothing to give; `bytes` must not be used.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), NoRandomness>;
}

/// The source of randomness failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gave no random bytes")]
pub struct NoRandomness;

/// The operating system's generator: the one for production.
#[derive(Debug, Default)]
pub struct OsRandom(SystemRandom);

impl Random for OsRandom {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), NoRandomness> {
        self.0.fill(bytes).map_err(|_| NoRandomness)
    }
}

/// Whether missing key files may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// The data folder holds records, which only the keys they were sealed with can open.
    MustExist,
    /// The data folder is new.
    CreateIfMissing,
}

/// A secret of 32 bytes. Debug does not show it.
#[derive(Clone, Copy)]
pub struct SecretKey([u8; SECRET_LEN]);

impl SecretKey {
    /// The secret itself.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; SECRET_LEN] {
        &self.0
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

/// A field that only the vault can read: key id, nonce, ciphertext and tag.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct Sealed(Vec<u8>);

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes)", self.0.len())
    }
}

/// Stands for a phone or ID number in a key: equal values of one tenant have equal blinds, and
/// without the blinding key nobody can tell the value, not even by trying all phones.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Blind([u8; 32]);

impl Blind {
    /// The blind as stored.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The blind that was stored.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for Blind {
    /// A blind in a log would let log lines be joined to records.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Blind(..)")
    }
}

/// Tells the keys of one data folder from those of another, without telling the keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The fingerprint as stored.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The fingerprint that was stored.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Depends on both keys, because either one alone being wrong loses data.
    fn of(sealing: &SecretKey, blinding: &SecretKey) -> Self {
        let inner = hmac::sign(
            &hmac::Key::new(hmac::HMAC_SHA256, sealing.as_bytes()),
            b"pati-service: fingerprint of the sealing key",
        );
        let outer = hmac::Key::new(hmac::HMAC_SHA256, blinding.as_bytes());
        Self(tag_bytes(&hmac::sign(&outer, inner.as_ref())))
    }
}

/// The keys of one data folder, in use.
pub struct Vault {
    folder: PathBuf,
    sealing: LessSafeKey,
    blinding: hmac::Key,
    fingerprint: Fingerprint,
    random: Arc<dyn Random>,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Vault {
    /// Reads the keys from `folder`, or makes them for a new data folder.
    ///
    /// # Errors
    /// A key file is missing with [`Existing::MustExist`], malformed, open to every user of the
    /// machine, or cannot be read or written.
    pub fn open(folder: &Path, existing: Existing, random: Arc<dyn Random>) -> Result<Self, VaultError> {
        if existing == Existing::CreateIfMissing {
            key_files::create_folder(folder)?;
        }
        let sealing = read_or_create(&folder.join(SEAL_FILE), existing, &*random)?;
        let blinding = read_or_create(&folder.join(BLIND_FILE), existing, &*random)?;
        let Ok(unbound) = UnboundKey::new(&AES_256_GCM, sealing.as_bytes()) else {
            unreachable!("AES-256-GCM takes every key of 32 bytes")
        };
        Ok(Self {
            folder: folder.to_owned(),
            sealing: LessSafeKey::new(unbound),
            blinding: hmac::Key::new(hmac::HMAC_SHA256, blinding.as_bytes()),
            fingerprint: Fingerprint::of(&sealing, &blinding),
            random,
        })
    }

    /// Where the key files are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Encrypts `plain` (AES-256-GCM) so that it opens only as part of the record under `key`.
    ///
    /// Nonces are random, which NIST SP 800-38D §8.3 allows for 2^32 fields under one key: more than
    /// a clinic writes.
    ///
    /// # Errors
    /// [`SealError::NoRandomness`].
    pub fn seal(&self, key: &RawKey, plain: &[u8]) -> Result<Sealed, SealError> {
        let mut nonce = [0; NONCE_LEN];
        self.random.fill(&mut nonce).map_err(|_| SealError::NoRandomness)?;

        let mut sealed = Vec::with_capacity(SEALED_HEAD + plain.len() + TAG_LEN);
        sealed.push(SEAL_KEY_ID);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plain);
        let tag = self
            .sealing
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(key.as_bytes()),
                &mut sealed[SEALED_HEAD..],
            )
            .map_err(|_| SealError::Refused)?;
        sealed.extend_from_slice(tag.as_ref());
        Ok(Sealed(sealed))
    }

    /// Decrypts a field of the record under `key`.
    ///
    /// # Errors
    /// [`SealError::UnknownKey`], or [`SealError::Refused`] for a field that is not the one sealed
    /// for this record.
    pub fn unseal(&self, key: &RawKey, sealed: &Sealed) -> Result<Vec<u8>, SealError> {
        let (head, body) = sealed.0.split_at_checked(SEALED_HEAD).ok_or(SealError::Refused)?;
        let (key_id, nonce) = head.split_first().ok_or(SealError::Refused)?;
        if *key_id != SEAL_KEY_ID {
            return Err(SealError::UnknownKey(*key_id));
        }
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError::Refused)?;
        let mut body = body.to_vec();
        let plain_len = self
            .sealing
            .open_in_place(nonce, Aad::from(key.as_bytes()), &mut body)
            .map_err(|_| SealError::Refused)?
            .len();
        body.truncate(plain_len);
        Ok(body)
    }

    /// Seals the first version of a record's personal part.
    pub(crate) fn seal_v1(&self, key: &RawKey, personal: &impl Encode) -> Result<Sealed, SealError> {
        self.seal(key, &encode_v1(personal))
    }

    /// Opens a personal part that [`Vault::seal_v1`] sealed.
    pub(crate) fn unseal_v1<P: Decode<()>>(&self, key: &RawKey, sealed: &Sealed) -> Result<P, SealError> {
        read_v1(&self.unseal(key, sealed)?).map_err(|unreadable| match unreadable {
            Unreadable::NewerVersion => SealError::NewerVersion,
            Unreadable::Malformed => SealError::Malformed("personal part of a record"),
        })
    }

    /// HMAC-SHA256 of a value; `domain` keeps the blinds of different uses apart.
    #[must_use]
    pub fn blind(&self, domain: &str, value: &str) -> Blind {
        let mut context = hmac::Context::with_key(&self.blinding);
        // The length in front keeps ("ab", "c") and ("a", "bc") apart.
        context.update(&(domain.len() as u64).to_be_bytes());
        context.update(domain.as_bytes());
        context.update(value.as_bytes());
        Blind(tag_bytes(&context.sign()))
    }

    /// The blind of a phone. Another tenant's blind of the same phone is another one, so that the
    /// data does not tell who is a patient of two clinics.
    #[must_use]
    pub fn blind_phone(&self, tenant: TenantId, phone: &Phone) -> Blind {
        self.blind(&format!("phone/{tenant}"), phone.as_str())
    }

    /// The blind of an ID number, again a different one in each tenant.
    #[must_use]
    pub fn blind_id_number(&self, tenant: TenantId, number: &IdNumber) -> Blind {
        self.blind(&format!("idno/{tenant}"), number.as_str())
    }

    /// The blind of an account of the staff, which may be somebody's phone or name.
    #[must_use]
    pub fn blind_account(&self, tenant: TenantId, account: &AccountName) -> Blind {
        self.blind(&format!("staff/{tenant}"), account.as_str())
    }

    /// The blind of somebody's open id, which stands for them at one service account only.
    #[must_use]
    pub fn blind_open_id(&self, tenant: TenantId, open_id: &OpenId) -> Blind {
        self.blind(&format!("open_id/{tenant}"), open_id.as_str())
    }

    /// Tells these keys from all others. Stored with the data and compared at start.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Compares the keys with the fingerprint that was stored with the data.
    ///
    /// # Errors
    /// [`VaultError::WrongKeys`], which must stop the start: these keys would open nothing, and what
    /// they seal could not be opened by the right ones.
    pub fn confirm(&self, stored: &Fingerprint) -> Result<(), VaultError> {
        verify_slices_are_equal(&self.fingerprint.0, &stored.0)
            .map_err(|_| VaultError::WrongKeys { folder: self.folder.clone() })
    }

    /// A secret of its own, for instance the key that signs tokens: read from `<name>.key`, made
    /// when it is not there. Losing such a file costs no data, so that it may be made anew.
    ///
    /// # Errors
    /// `name` is not made of lower-case letters, digits and hyphens, or the file cannot be used.
    pub fn secret(&self, name: &str) -> Result<SecretKey, VaultError> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let file = format!("{name}.key");
        let reserved = file == SEAL_FILE || file == BLIND_FILE;
        if name.is_empty() || reserved || !name.bytes().all(plain) {
            return Err(VaultError::BadName { name: name.to_owned() });
        }
        read_or_create(&self.folder.join(file), Existing::CreateIfMissing, &*self.random)
    }
}

impl Vault {
    /// A secret that somebody else gave the clinic, for instance the key of a cloud account: one line of text in the
    /// file `<name>` of the keys folder; `None` when there is no such file.
    ///
    /// # Errors
    /// Everybody on the machine may use the file, or it does not hold one line of visible ASCII characters.
    pub fn given_secret(&self, name: &str) -> Result<Option<String>, VaultError> {
        key_files::read_line(&self.folder.join(name))
    }
}

fn read_or_create(path: &Path, existing: Existing, random: &dyn Random) -> Result<SecretKey, VaultError> {
    match (key_files::read(path)?, existing) {
        (Some(secret), _) => Ok(secret),
        (None, Existing::CreateIfMissing) => key_files::create(path, random),
        (None, Existing::MustExist) => Err(VaultError::Missing { path: path.to_owned() }),
    }
}

fn tag_bytes(tag: &hmac::Tag) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(tag.as_ref());
    bytes
}
