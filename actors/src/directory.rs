//! Finds or starts the one live actor of a schedule, and bounds how much may wait.
//!
//! An actix mailbox neither bounds `send` nor outlives a panic, so the directory does both: a caller
//! needs a permit to wait at all, and an address that has closed is replaced by a fresh actor that
//! starts from storage.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use actix::prelude::*;
use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use domain::{Policy, Rejection, Reply, ScheduleId, TenantId, Timestamp};
use storage::sabotage::{self, Bug};
use storage::{Commit, Sequence, Sequences, Storage, Vault, keys};
use tokio::sync::{Semaphore, oneshot};

use crate::audit::AuditRow;
use crate::availability::Availability;
use crate::channels::Channels;
use crate::clock::Clock;
use crate::day_book::DayBook;
use crate::holds::HoldLedger;
use crate::loading::LoadError;
use crate::openings::Openings;
use crate::requests::{Ask, AskError, Repeat, Request};
use crate::schedule_actor::{Incoming, Reload, ScheduleActor, StopIfIdle};

/// How often a request is sent before its caller is told that it failed: again when the actor died
/// with it, or when a burst has used up the numbers that were reserved for new bookings.
const MAX_SENDS: u8 = 4;

/// Is told the name of a request and how it was answered.
pub type OnAnswer = Arc<dyn Fn(&'static str, &Result<Reply, AskError>) + Send + Sync>;

/// What a directory is made of.
pub struct DirectoryConfig {
    /// Where everything is kept.
    pub storage: Storage,
    /// The keys of what is sealed: the reasons that the staff give.
    pub vault: Arc<Vault>,
    /// Numbers for new bookings.
    pub sequences: Arc<Sequences>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// The booking rules; a clinic or department may differ in when its schedules are released.
    pub policy: Policy,
    /// The counts that the lists show; kept up to date by the actors.
    pub availability: Arc<Availability>,
    /// Which bookings there are of a day; added to by the actors.
    pub day_book: Arc<DayBook>,
    /// Which clinics have a way to tell their patients of their bookings.
    pub channels: Arc<Channels>,
    /// Requests that may wait at once, over all schedules; more are refused with [`AskError::Busy`].
    pub max_waiting: usize,
    /// Threads that run actors.
    pub arbiters: usize,
    /// An actor without requests or live holds for this long stops.
    pub idle_after: std::time::Duration,
    /// Is told the name of every request and how it was answered.
    pub on_answer: OnAnswer,
    /// Called when stored data breaks an invariant: nobody may be served from it.
    pub on_broken: Box<dyn Fn(&LoadError) + Send + Sync>,
}

/// What all actors of a directory share.
pub(crate) struct Shared {
    pub(crate) storage: Storage,
    pub(crate) vault: Arc<Vault>,
    pub(crate) sequences: Arc<Sequences>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) openings: Openings,
    pub(crate) availability: Arc<Availability>,
    pub(crate) day_book: Arc<DayBook>,
    pub(crate) channels: Arc<Channels>,
    pub(crate) holds: HoldLedger,
    pub(crate) idle_after: std::time::Duration,
    on_broken: Box<dyn Fn(&LoadError) + Send + Sync>,
    actors: DashMap<(TenantId, ScheduleId), LiveActor>,
    generations: AtomicU64,
}

struct LiveActor {
    address: Addr<ScheduleActor>,
    generation: u64,
}

/// Which schedule is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Target {
    /// The clinic.
    pub tenant: TenantId,
    /// Its schedule.
    pub schedule: ScheduleId,
}

/// On which terms a caller waits.
#[derive(Debug, Clone)]
pub struct Terms {
    /// The moment after which the request need not be looked at any more. Once its commit has begun
    /// the caller waits however long it takes.
    pub deadline: Timestamp,
    /// The caller's `Idempotency-Key`, if it sent one.
    pub repeat: Option<Repeat>,
    /// Who asks, where it is the staff: written if something changes.
    pub audit: Option<AuditRow>,
    /// What is to be written together with what is decided, or not at all: an order and its money. It requires the
    /// booking as it was read, so that what was decided elsewhere and what is decided here agree. When nothing is to be
    /// decided any more, or what it requires has changed, the answer is [`AskError::Contended`].
    pub also: Option<Commit>,
}

/// The way to every schedule's actor. Cheap to clone.
#[derive(Clone)]
pub struct ScheduleDirectory {
    shared: Arc<Shared>,
    permits: Arc<Semaphore>,
    max_waiting: usize,
    arbiters: Arc<Vec<ArbiterHandle>>,
    on_answer: OnAnswer,
}

impl ScheduleDirectory {
    /// Starts the threads that run the actors. Must be called once, outside the HTTP workers, inside a
    /// running actix system.
    #[must_use]
    pub fn start(config: DirectoryConfig) -> Self {
        let arbiters = (0..config.arbiters.max(1)).map(|_| Arbiter::new().handle()).collect();
        Self {
            shared: Arc::new(Shared {
                openings: Openings::new(config.storage.clone(), config.policy),
                storage: config.storage,
                vault: config.vault,
                sequences: config.sequences,
                clock: config.clock,
                availability: config.availability,
                day_book: config.day_book,
                channels: config.channels,
                holds: HoldLedger::default(),
                idle_after: config.idle_after,
                on_broken: config.on_broken,
                actors: DashMap::new(),
                generations: AtomicU64::new(0),
            }),
            permits: Arc::new(Semaphore::new(config.max_waiting)),
            max_waiting: config.max_waiting,
            arbiters: Arc::new(arbiters),
            on_answer: config.on_answer,
        }
    }

    /// Asks one schedule for something and waits for the answer.
    ///
    /// # Errors
    /// [`AskError`]; all but [`AskError::Unknown`] mean that nothing changed.
    pub async fn ask(&self, target: Target, request: Request, terms: Terms) -> Result<Reply, AskError> {
        let name = request.name();
        let answer = self.answer(target, request, terms).await;
        (self.on_answer)(name, &answer);
        answer
    }

    async fn answer(&self, target: Target, request: Request, terms: Terms) -> Result<Reply, AskError> {
        if matches!(request, Request::Submit { .. }) {
            self.ensure_booking_ids(target.tenant).await?;
        }
        let mut outcome = AskError::Unknown;
        for _ in 0..MAX_SENDS {
            let answer = self.send(target, request.clone(), terms.clone())?;
            match answer.await {
                Ok(Err(AskError::Unnumbered)) => {
                    outcome = AskError::Busy;
                    self.ensure_booking_ids(target.tenant).await?;
                }
                Ok(answer) => return answer,
                // The actor died with the request. Every request may be repeated, so it goes to a fresh
                // actor, which finds in storage whatever the dead one committed.
                Err(_) => outcome = AskError::Unknown,
            }
        }
        Err(outcome)
    }

    /// Has a schedule read from storage again, after its record was changed by somebody else than its actor. Once this
    /// returns, lists and requests see it as it is; holds of it have ended.
    pub async fn reload(&self, target: Target) {
        for _ in 0..MAX_SENDS {
            let address = match self.address_of(target) {
                Ok(address) => address,
                // There is no such schedule, or the process is about to stop.
                Err(_) => return,
            };
            // An actor that died with the message is followed by one that reads storage.
            if address.send(Reload).await.is_ok() {
                return;
            }
        }
    }

    /// How many actors are alive. For metrics and tests.
    #[must_use]
    pub fn live_actors(&self) -> usize {
        self.shared.actors.iter().filter(|entry| entry.address.connected()).count()
    }

    /// How many requests wait for their answer. For metrics.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.max_waiting - self.permits.available_permits()
    }

    /// The booking rules of the settings. When schedules are released is asked of [`ScheduleDirectory::openings`].
    #[must_use]
    pub fn policy(&self) -> &Policy {
        self.shared.openings.standard()
    }

    /// The booking rules for each clinic and department.
    #[must_use]
    pub fn openings(&self) -> &Openings {
        &self.shared.openings
    }

    /// How many actors were started so far. For metrics and tests.
    #[must_use]
    pub fn started_actors(&self) -> u64 {
        self.shared.generations.load(Ordering::Relaxed)
    }

    /// Forgets holds that ran out and lets idle actors stop. A timer's work: holds are compared with
    /// the clock when they are used, and an actor that was stopped is started again on demand.
    pub fn tidy(&self) {
        self.shared.holds.tidy(self.shared.clock.now());
        for live in &self.shared.actors {
            live.address.do_send(StopIfIdle);
        }
    }

    async fn ensure_booking_ids(&self, tenant: TenantId) -> Result<(), AskError> {
        let Shared { storage, sequences, .. } = &*self.shared;
        sequences.ensure(storage, tenant, Sequence::Booking).await?;
        sequences.ensure(storage, tenant, Sequence::BookingCode).await?;
        Ok(())
    }

    /// Puts the request into the mailbox of the schedule's actor, starting one where none lives.
    fn send(
        &self,
        target: Target,
        request: Request,
        terms: Terms,
    ) -> Result<oneshot::Receiver<Result<Reply, AskError>>, AskError> {
        let permit = Arc::clone(&self.permits).try_acquire_owned().map_err(|_| AskError::Busy)?;
        let (reply, answer) = oneshot::channel();
        self.with_actor(target, |address| {
            address.do_send(Incoming(Box::new(Ask {
                request,
                repeat: terms.repeat,
                audit: terms.audit,
                also: terms.also,
                deadline: terms.deadline,
                tries: 0,
                reply,
                permit,
            })))
        })?;
        Ok(answer)
    }

    fn address_of(&self, target: Target) -> Result<Addr<ScheduleActor>, AskError> {
        self.with_actor(target, Addr::clone)
    }

    /// Hands over the address of the schedule's actor, starting one where none lives. The directory's entry is locked
    /// meanwhile, so that of many callers one starts the actor. Nothing in here waits.
    fn with_actor<T>(
        &self,
        target: Target,
        work: impl FnOnce(&Addr<ScheduleActor>) -> T,
    ) -> Result<T, AskError> {
        let mut entry = match self.shared.actors.entry((target.tenant, target.schedule)) {
            Entry::Occupied(entry) => entry.into_ref(),
            Entry::Vacant(entry) => {
                self.require_known(target)?;
                entry.insert(self.start_actor(target))
            }
        };
        if sabotage::is_planted(Bug::TwoActors) {
            return Ok(work(&self.start_actor(target).address));
        }
        if !entry.address.connected() {
            *entry = self.start_actor(target);
        }
        Ok(work(&entry.address))
    }

    /// An invented schedule id must not start an actor.
    fn require_known(&self, target: Target) -> Result<(), AskError> {
        match self.shared.storage.get(&keys::schedule(target.tenant, target.schedule)) {
            Ok(Some(_)) => Ok(()),
            Ok(None) => Err(AskError::Rejected(Rejection::ScheduleUnknown)),
            Err(_) => Err(AskError::Unknown),
        }
    }

    fn start_actor(&self, target: Target) -> LiveActor {
        let generation = self.shared.generations.fetch_add(1, Ordering::Relaxed);
        let arbiter = &self.arbiters[usize::try_from(generation).unwrap_or(0) % self.arbiters.len()];
        let shared = Arc::clone(&self.shared);
        let address =
            ScheduleActor::start_in_arbiter(arbiter, move |_| ScheduleActor::new(shared, target, generation));
        LiveActor { address, generation }
    }
}

impl Shared {
    /// Takes an actor out of the directory before it stops. A request that is on its way to it all the
    /// same dies with its mailbox, and [`ScheduleDirectory::ask`] sends it to a fresh actor.
    pub(crate) fn retire(&self, target: Target, generation: u64) {
        self.actors.remove_if(&(target.tenant, target.schedule), |_, live| live.generation == generation);
    }

    pub(crate) fn report_broken(&self, target: Target, error: &LoadError) {
        tracing::error!(
            tenant = target.tenant.get(),
            schedule = target.schedule.get(),
            error = %error,
            "a stored schedule breaks an invariant"
        );
        (self.on_broken)(error);
    }
}
