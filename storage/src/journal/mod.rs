//! The journal: append-only files of frames, each frame one commit.
//!
//! ```text
//! journal/00000000000000000001.seg      closed: ends in a frame that carries the digests
//! journal/00000000000000048211.seg      the active one, which the committer appends to
//! journal/00000000000000020480.snap     what the folded segments up to this commit left alive
//! journal/acknowledged                  the last commit that may have been answered
//! ```
//!
//! Every number is little endian. A frame names the checksum of the frame before it, so that a
//! missing or exchanged frame is noticed, and its place within the group of frames that were
//! written by one write and made durable by one sync. That place is what tells a torn tail from
//! damage: a group is only written after the group before it is durable, so that a sound frame of a
//! *later* group proves that an unsound one was sound once. Frames of the same group prove nothing,
//! because a disk may write the pages of one group in any order.
//!
//! What looks like a torn tail may still be lost data: the last group has no later one to prove that
//! it was sound. Two other things know of it. `acknowledged` is written before the answers, and the
//! index remembers the last commit that was applied; a journal that ends before either is refused.
//! Neither is synced with every group. So one loss stays unnoticed: a power cut that also takes the
//! last half minute of both with it, on a disk that loses or damages the last group although it had
//! confirmed the sync. The same holds where the end of the journal, the mark and the index are
//! damaged together, and where a whole data folder is exchanged for an older copy of itself.

pub(crate) mod acknowledged;
pub(crate) mod fold;
pub(crate) mod frame;
pub(crate) mod frozen;
pub(crate) mod latest;
pub(crate) mod layout;
pub(crate) mod operation;
pub(crate) mod reader;
pub(crate) mod segment;

use std::path::{Path, PathBuf};

/// The journal's folder within the data folder.
pub(crate) fn folder(data: &Path) -> PathBuf {
    data.join("journal")
}

/// Bytes that are taken apart from the front.
pub(crate) struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.0
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }
}
