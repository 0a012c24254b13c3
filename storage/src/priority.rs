//! Threads that let others go first.

use std::io;
use std::panic;
use std::thread;

use rustix::process::setpriority_process;
use rustix::thread::gettid;

/// The least weight there is, a hundredth of the usual one.
const LEAST: i32 = 19;

/// Lowers the priority of this thread. It cannot be raised again, so the thread should be one's own.
pub(crate) fn lower(nice: i32) {
    if let Err(error) = setpriority_process(Some(gettid()), nice) {
        tracing::debug!(error = %error, "a thread keeps the usual priority");
    }
}

/// Does long work in a thread of the least priority and waits for it.
pub(crate) fn aside<T: Send>(name: &str, work: impl FnOnce() -> T + Send) -> io::Result<T> {
    thread::scope(|scope| {
        let thread = thread::Builder::new().name(name.to_owned()).spawn_scoped(scope, || {
            lower(LEAST);
            work()
        })?;
        match thread.join() {
            Ok(done) => Ok(done),
            Err(panicked) => panic::resume_unwind(panicked),
        }
    })
}
