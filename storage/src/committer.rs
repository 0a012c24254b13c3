//! The one thread that writes. It takes all waiting commits as a group, checks them in their order,
//! appends the accepted ones to the journal, makes them durable with one sync, applies them to the
//! index and to memory, and only then answers.

use std::collections::VecDeque;
use std::panic::{self, AssertUnwindSafe};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use crate::commit::{Commit, CommitError, CommitTicket, NotCommitted, Seq};
use crate::files::Files;
use crate::group::Group;
use crate::journal::acknowledged::AcknowledgedMark;
use crate::journal::segment::{Position, SegmentWriter};
use crate::priority;
use crate::sabotage::{self, Bug, Place};
use crate::shared::Shared;
use crate::space::SpaceProbe;
use crate::status::{ANY_ORDER, Fatal, Observer};

/// So many commits are written with one sync at most, so that the first does not wait for long.
const MAX_GROUP: usize = 512;
/// So many commits may wait; more are refused at once.
const MAX_WAITING: usize = 8192;

/// Whom to tell what became of a commit.
pub(crate) type Answer = oneshot::Sender<Result<Seq, CommitError>>;

/// Something for the committer to do.
#[derive(Debug)]
enum Request {
    Commit(Commit, Answer),
    /// Close the active segment, so that it can be folded.
    Roll(oneshot::Sender<()>),
}

/// Whether requests are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    Closing,
    Failed,
}

#[derive(Debug)]
struct Waiting {
    requests: VecDeque<Request>,
    phase: Phase,
}

/// The commits that wait for the committer.
#[derive(Debug)]
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
}

impl Queue {
    pub(crate) fn new() -> Self {
        let waiting = Waiting { requests: VecDeque::new(), phase: Phase::Open };
        Self { waiting: Mutex::new(waiting), arrived: Condvar::new() }
    }

    /// Lines a commit up, or answers at once why not.
    pub(crate) fn submit(&self, commit: Commit) -> CommitTicket {
        let (answer, ticket) = oneshot::channel();
        match self.push(Request::Commit(commit, answer)) {
            Ok(()) => CommitTicket::waiting(ticket),
            Err(why) => CommitTicket::answered(Err(CommitError::NotCommitted(why))),
        }
    }

    /// Closes the active segment, and returns when that is done. `false` when it will not be.
    pub(crate) fn roll(&self) -> bool {
        let (done, wait) = oneshot::channel();
        self.push(Request::Roll(done)).is_ok() && wait.blocking_recv().is_ok()
    }

    /// Takes no more requests; the committer ends after those that wait.
    pub(crate) fn close(&self) {
        let mut waiting = self.waiting.lock();
        if waiting.phase == Phase::Open {
            waiting.phase = Phase::Closing;
        }
        self.arrived.notify_all();
    }

    /// Refuses what waits and whatever comes.
    pub(crate) fn fail(&self) {
        let mut waiting = self.waiting.lock();
        waiting.phase = Phase::Failed;
        let requests = std::mem::take(&mut waiting.requests);
        self.arrived.notify_all();
        drop(waiting);
        for request in requests {
            if let Request::Commit(_, answer) = request {
                // Nobody waits any more where this fails.
                let _ = answer.send(Err(CommitError::NotCommitted(NotCommitted::Failed)));
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.lock().requests.len()
    }

    fn push(&self, request: Request) -> Result<(), NotCommitted> {
        let mut waiting = self.waiting.lock();
        match waiting.phase {
            Phase::Open if waiting.requests.len() >= MAX_WAITING => Err(NotCommitted::Busy),
            Phase::Open => {
                waiting.requests.push_back(request);
                // The committer looks again before it sleeps, so that one wake-up is enough.
                if waiting.requests.len() == 1 {
                    self.arrived.notify_one();
                }
                Ok(())
            }
            Phase::Closing => Err(NotCommitted::ShuttingDown),
            Phase::Failed => Err(NotCommitted::Failed),
        }
    }

    /// Waits for requests; `None` when there will be none.
    fn take(&self) -> Option<Vec<Request>> {
        let mut waiting = self.waiting.lock();
        while waiting.requests.is_empty() {
            if waiting.phase != Phase::Open {
                return None;
            }
            self.arrived.wait(&mut waiting);
        }
        let count = waiting.requests.len().min(MAX_GROUP);
        Some(waiting.requests.drain(..count).collect())
    }
}

/// What only the committer touches.
#[derive(Debug)]
pub(crate) struct Journal {
    pub(crate) files: Arc<dyn Files>,
    pub(crate) folder: PathBuf,
    pub(crate) segment: SegmentWriter,
    pub(crate) mark: AcknowledgedMark,
    pub(crate) position: Position,
    pub(crate) segment_bytes: u64,
    pub(crate) space: Arc<dyn SpaceProbe>,
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) min_free_bytes: u64,
}

/// Starts the thread.
///
/// # Errors
/// Whatever the operating system reports.
pub(crate) fn start(shared: Arc<Shared>, journal: Journal) -> std::io::Result<JoinHandle<Option<Journal>>> {
    thread::Builder::new().name("committer".to_owned()).spawn(move || {
        yield_to_readers();
        let mut committer = Committer { shared: &shared, journal, scratch: Vec::new() };
        // A panic here is a fault of the program, and what it has written is unknown.
        let ended = panic::catch_unwind(AssertUnwindSafe(|| committer.run()));
        match ended {
            Ok(Ok(())) => return Some(committer.journal),
            Ok(Err(fatal)) => shared.fail(fatal),
            Err(_) => shared.fail(Fatal { what: "the committer panicked".to_owned() }),
        }
        None
    })
}

/// Lets the threads that answer requests go first where both want the processor. A reader waits for its turn at the
/// scheduler once for each request, the committer once for each group, and the longer it waits the larger its next
/// group is: it loses little, and a list beside full submit load is answered in half the time.
fn yield_to_readers() {
    /// About a tenth of the weight of a thread of usual priority.
    const NICE: i32 = 10;
    priority::lower(NICE);
}

struct Committer<'a> {
    shared: &'a Shared,
    journal: Journal,
    /// The frames of a group; kept for its memory.
    scratch: Vec<u8>,
}

impl Committer<'_> {
    fn run(&mut self) -> Result<(), Fatal> {
        while let Some(requests) = self.shared.queue.take() {
            let mut commits = Vec::with_capacity(requests.len());
            for request in requests {
                match request {
                    Request::Commit(commit, answer) => commits.push((commit, answer)),
                    Request::Roll(done) => {
                        self.group(std::mem::take(&mut commits))?;
                        self.roll()?;
                        // Nobody waits any more where this fails.
                        let _ = done.send(());
                    }
                }
            }
            self.group(commits)?;
            if self.journal.segment.bytes() >= self.journal.segment_bytes {
                self.roll()?;
            }
            if self.shared.queue.len() == 0 && self.has_room() {
                self.journal.segment.prepare_ahead().map_err(journal_failed)?;
            }
        }
        Ok(())
    }

    /// Takes one group all the way from its check to its answers.
    fn group(&mut self, commits: Vec<(Commit, Answer)>) -> Result<(), Fatal> {
        if commits.is_empty() {
            return Ok(());
        }
        if !self.has_room() {
            for (_, answer) in commits {
                let _ = answer.send(Err(CommitError::NotCommitted(NotCommitted::NoSpace)));
            }
            return Ok(());
        }
        let mut group = Group::new(self.shared, self.journal.position, std::mem::take(&mut self.scratch));
        for (commit, answer) in commits {
            group.consider(commit, answer);
        }
        if let Some(fatal) = group.failure() {
            // Nothing of the group was written.
            group.answer_not_committed();
            return Err(fatal);
        }
        if sabotage::is_planted(Bug::AckBeforeSync) {
            group.answer_early();
        }
        if let Err(error) = self.journal.write(&group) {
            group.answer_maybe_committed();
            return Err(journal_failed(error));
        }
        sabotage::pass(Place::Committer);
        if let Err(error) = group.apply()
            && !sabotage::is_planted(Bug::SwallowIndexError)
        {
            group.answer_maybe_committed();
            return Err(Fatal { what: error.to_string() });
        }
        self.journal.position = group.position();
        self.update_gauges(&group);
        if self.shared.has_failed() {
            // A reader met a broken index meanwhile: nothing is acknowledged any more.
            group.answer_maybe_committed();
            return Ok(());
        }
        self.scratch = group.answer();
        Ok(())
    }

    fn has_room(&self) -> bool {
        let free = self.journal.space.free_bytes();
        // An unknown amount is no reason to refuse; a write that fails is noticed.
        let low = free.is_ok_and(|free| free < self.journal.min_free_bytes);
        self.shared.gauges.no_space.store(low, ANY_ORDER);
        !low
    }

    fn roll(&mut self) -> Result<(), Fatal> {
        let closed = self.journal.roll().map_err(journal_failed)?;
        let gauges = &self.shared.gauges;
        gauges.closed_bytes.fetch_add(closed, ANY_ORDER);
        gauges.active_bytes.store(self.journal.segment.bytes(), ANY_ORDER);
        Ok(())
    }

    fn update_gauges(&self, group: &Group<'_>) {
        let gauges = &self.shared.gauges;
        let position = &self.journal.position;
        gauges.seq.store(position.seq.get(), ANY_ORDER);
        gauges.active_bytes.store(self.journal.segment.bytes(), ANY_ORDER);
        gauges.live_bytes.store(position.digests.bytes(), ANY_ORDER);
        gauges.live_records.store(position.digests.count(), ANY_ORDER);
        gauges.groups.fetch_add(1, ANY_ORDER);
        gauges.commits.fetch_add(group.accepted() as u64, ANY_ORDER);
        gauges.largest_group.fetch_max(group.accepted() as u64, ANY_ORDER);
        gauges.replaced.fetch_add(group.replaced(), ANY_ORDER);
    }
}

impl Journal {
    fn write(&mut self, group: &Group<'_>) -> std::io::Result<()> {
        if group.frames().is_empty() {
            return Ok(());
        }
        if sabotage::is_planted(Bug::DropJournalAppend) && group.position().seq.get().is_multiple_of(7) {
            return Ok(());
        }
        let started = Instant::now();
        self.segment.append(group.frames())?;
        self.observer.group_written(group.accepted(), started.elapsed());
        self.mark.set(group.position().seq)
    }

    /// Returns the length of the segment that was closed.
    fn roll(&mut self) -> std::io::Result<u64> {
        let (position, closed) = self.segment.roll(self.files.as_ref(), &self.folder, &self.position)?;
        self.position = position;
        Ok(closed)
    }

    /// Closes the journal at the end of the process.
    pub(crate) fn close(mut self) -> std::io::Result<()> {
        if self.position.seq >= self.segment.first() {
            self.segment.seal(&self.position)?;
        }
        self.mark.sync()
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it stands in map_err")]
fn journal_failed(error: std::io::Error) -> Fatal {
    Fatal { what: format!("the journal could not be written: {error}") }
}
