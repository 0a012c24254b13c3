//! What a stored record is: a type with a table and a versioned encoding.
//!
//! The bytes are those of bincode's standard configuration: a version, then the fields of that
//! version in order, numbers in as few bytes as they need.

use bincode::{Decode, Encode};

use crate::table::Table;

/// A value that is kept in one table.
pub trait Record: Sized {
    /// The table that holds records of this type.
    const TABLE: Table;

    /// The bytes to store.
    fn encode(&self) -> Vec<u8>;

    /// Reads what [`Record::encode`] wrote, in this or an older version.
    ///
    /// # Errors
    /// [`RecordError`] when the bytes are of a newer version or not a record at all.
    fn decode(bytes: &[u8]) -> Result<Self, RecordError>;
}

/// Why stored bytes are not a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// A newer version of the program wrote the record.
    #[error("a record of table {} was written by a newer version of the program", .0.name())]
    NewerVersion(Table),
    /// The bytes do not decode.
    #[error("a record of table {} cannot be decoded", .0.name())]
    Malformed(Table),
    /// The bytes decode, but to a value that the clinic's terms do not allow.
    #[error("a record of table {} holds an impossible {what}", .table.name())]
    Impossible {
        /// The table of the record.
        table: Table,
        /// What is impossible, without its value.
        what: &'static str,
    },
}

/// A stored value that its domain type does not accept, by what it should have been.
#[derive(Debug)]
pub(crate) struct Impossible(pub(crate) &'static str);

/// Why bytes do not hold a value of a version this program knows.
#[derive(Debug)]
pub(crate) enum Unreadable {
    NewerVersion,
    Malformed,
}

/// No record comes near this size; garbage that claims to be longer is refused before memory is
/// set aside for it.
const MAX_DECODED_BYTES: usize = 16 << 20;
const LAYOUT: bincode::config::Configuration = bincode::config::standard();

/// The stored versions of a record that has had only one.
#[derive(Encode, Decode)]
enum Versions<B> {
    V1(B),
}

/// bincode writes the version of `Versions` as one byte, counted from 0.
const NEWEST_VERSION: u8 = 0;

/// The bytes of a body in its first version.
pub(crate) fn encode_v1(body: &impl Encode) -> Vec<u8> {
    let Ok(bytes) = bincode::encode_to_vec(Versions::V1(body), LAYOUT) else {
        unreachable!("bincode fails for full buffers, locks and paths; bodies are numbers and texts")
    };
    bytes
}

/// Reads a body in its first version, the only one so far.
pub(crate) fn read_v1<B: Decode<()>>(bytes: &[u8]) -> Result<B, Unreadable> {
    match bytes.first() {
        None => return Err(Unreadable::Malformed),
        Some(&version) if version > NEWEST_VERSION => return Err(Unreadable::NewerVersion),
        Some(_) => {}
    }
    let layout = LAYOUT.with_limit::<MAX_DECODED_BYTES>();
    match bincode::decode_from_slice::<Versions<B>, _>(bytes, layout) {
        Ok((Versions::V1(body), read)) if read == bytes.len() => Ok(body),
        Ok(_) | Err(_) => Err(Unreadable::Malformed),
    }
}

/// Reads the stored shape of a record that has no domain type behind it.
pub(crate) fn decode_plain<R: Record, S: Decode<()>>(bytes: &[u8]) -> Result<S, RecordError> {
    read_v1(bytes).map_err(|unreadable| match unreadable {
        Unreadable::NewerVersion => RecordError::NewerVersion(R::TABLE),
        Unreadable::Malformed => RecordError::Malformed(R::TABLE),
    })
}

/// Reads the stored shape of a record and parses it.
pub(crate) fn decode_v1<R, S>(bytes: &[u8]) -> Result<R, RecordError>
where
    R: Record + TryFrom<S, Error = Impossible>,
    S: Decode<()>,
{
    let stored = decode_plain::<R, S>(bytes)?;
    R::try_from(stored).map_err(|Impossible(what)| RecordError::Impossible { table: R::TABLE, what })
}
