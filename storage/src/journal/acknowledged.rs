//! The mark of the last commit that may have been answered.
//!
//! It is written after each group's sync and before its answers, without a sync of its own. It thus
//! survives the death of the process, though not a power cut, and never runs ahead of the durable
//! journal: a journal that ends before the mark has lost acknowledged commits, even where its end
//! looks like a torn tail.

use std::io;
use std::path::{Path, PathBuf};

use crate::commit::Seq;
use crate::files::{Files, WritableFile};
use crate::journal::Input;

/// The name of the file within the journal's folder.
const NAME: &str = "acknowledged";

/// The file, open for writing.
#[derive(Debug)]
pub(crate) struct AcknowledgedMark {
    file: Box<dyn WritableFile>,
}

impl AcknowledgedMark {
    /// Writes the file anew.
    pub(crate) fn create(files: &dyn Files, folder: &Path, seq: Seq) -> io::Result<Self> {
        let path = folder.join(NAME);
        let new = folder.join("acknowledged.tmp");
        let mut file = files.create(&new)?;
        file.write_all_at(&encode(seq), 0)?;
        file.sync_data()?;
        files.rename(&new, &path)?;
        Ok(Self { file })
    }

    pub(crate) fn set(&mut self, seq: Seq) -> io::Result<()> {
        self.file.write_all_at(&encode(seq), 0)
    }

    /// Makes it durable, which is only worth its time at the end of the process.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }
}

fn encode(seq: Seq) -> [u8; 12] {
    let mut bytes = [0; 12];
    bytes[..8].copy_from_slice(&seq.get().to_le_bytes());
    let checksum = crc32c::crc32c(&bytes[..8]);
    bytes[8..].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

/// Whether a file of the journal's folder is the mark.
pub(crate) fn is_mark(name: &str) -> bool {
    name == NAME
}

/// Reads the mark; `None` where there is no sound one, which proves nothing.
pub(crate) fn read(folder: &Path) -> io::Result<Option<Seq>> {
    let path: PathBuf = folder.join(NAME);
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut input = Input::new(&bytes);
    let seq = input.u64().map(Seq::new).filter(|seq| bytes == encode(*seq));
    if seq.is_none() {
        tracing::warn!(file = %path.display(), "the mark of the last acknowledged commit is damaged");
    }
    Ok(seq)
}
