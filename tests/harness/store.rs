//! The store of a server at rest: what cannot be brought about over HTTP is written straight into it.

use std::thread;

use domain::{TenantId, Timestamp};
use storage::{Commit, Storage, StorageOptions};

use super::folder::Folder;

/// The clinic that imports make.
pub fn tenant() -> TenantId {
    TenantId::new(1).expect("an id")
}

/// The moment at which this is asked.
pub fn now() -> Timestamp {
    Timestamp::from_millis(jiff::Timestamp::now().as_millisecond())
}

/// Opens the store of a data folder that no server uses, looks at it, and commits what is to be changed.
pub fn edit<T: Send>(folder: &Folder, change: impl FnOnce(&Storage, &mut Commit) -> T + Send) -> T {
    // It blocks, which a thread that drives futures must not.
    let work = || {
        let storage = Storage::open(StorageOptions::new(folder.store(), now())).expect("the store opens");
        let mut commit = Commit::new();
        let seen = change(&storage, &mut commit);
        storage.commit(commit).wait().expect("written");
        storage.close().expect("closed");
        seen
    };
    thread::scope(|scope| scope.spawn(work).join()).expect("no panic")
}
