//! A directory over a seeded store, with a clock that the test moves.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actors::{
    AskError, Availability, Booker, Channels, Clock, DayBook, DirectoryConfig, ManualClock, Request,
    ScheduleDirectory, Target, Terms, TextMessages,
};
use domain::{BookingId, Policy, Reply, Timestamp};
use storage::{Sequences, Storage, Vault};

use super::{Size, member_id, morning, policy, schedule_id, seed, serial, tenant, user_id, vault, zone};

/// Everything a test of the actors needs.
pub struct Crew {
    pub storage: Storage,
    pub vault: Arc<Vault>,
    pub directory: ScheduleDirectory,
    pub availability: Arc<Availability>,
    pub day_book: Arc<DayBook>,
    /// Nothing is connected at first.
    pub channels: Arc<Channels>,
    pub clock: Arc<FallibleClock>,
    pub folder: Arc<tempfile::TempDir>,
}

/// A manual clock that can be told to panic: whoever asks it next dies in the middle of its work.
pub struct FallibleClock {
    clock: ManualClock,
    panics_left: AtomicUsize,
}

impl FallibleClock {
    pub fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// Sets the clock, forward or back.
    pub fn set(&self, now: Timestamp) {
        self.clock.set(now);
    }

    /// The next `n` who ask what time it is panic, if they run on an actor's thread.
    pub fn panic_next(&self, n: usize) {
        self.panics_left.store(n, Ordering::SeqCst);
    }
}

impl Clock for FallibleClock {
    fn now(&self) -> Timestamp {
        let on_arbiter = std::thread::current().name().is_some_and(|name| name.contains("arbiter"));
        let planned = |left: usize| left.checked_sub(1);
        if on_arbiter && self.panics_left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, planned).is_ok() {
            panic!("planned by the test");
        }
        self.clock.now()
    }
}

impl Crew {
    /// Seeds a store of its own and starts a directory over it; call it inside an actix system.
    pub fn start(size: Size) -> Self {
        Self::start_with(size, policy())
    }

    pub fn start_with(size: Size, policy: Policy) -> Self {
        let folder = super::folder();
        let storage = super::open(folder.path());
        // Seeding blocks, which a thread that drives futures must not.
        std::thread::scope(|scope| {
            scope.spawn(|| seed(&storage, &vault(&storage, folder.path()), size));
        });
        let clock =
            Arc::new(FallibleClock { clock: ManualClock::at(morning()), panics_left: AtomicUsize::new(0) });
        Self::over(storage, clock, policy, Arc::new(folder))
    }

    /// Another directory over the same store, as if another process ran beside this one.
    pub fn second_directory(&self) -> Self {
        let policy = self.directory.policy().clone();
        Self::over(self.storage.clone(), Arc::clone(&self.clock), policy, Arc::clone(&self.folder))
    }

    fn over(
        storage: Storage,
        clock: Arc<FallibleClock>,
        policy: Policy,
        folder: Arc<tempfile::TempDir>,
    ) -> Self {
        let vault = std::thread::scope(|scope| {
            scope.spawn(|| vault(&storage, folder.path())).join().expect("the vault opens")
        });
        let availability = Arc::new(Availability::new(zone()));
        actors::hydrate(&storage, &availability, morning()).expect("hydrated");
        let day_book = Arc::new(DayBook::new());
        day_book.fill(&storage).expect("filled");
        let channels = Arc::new(Channels::new(TextMessages::CodesOnly));
        let directory = ScheduleDirectory::start(DirectoryConfig {
            storage: storage.clone(),
            vault: Arc::clone(&vault),
            sequences: Arc::new(Sequences::new()),
            clock: Arc::<FallibleClock>::clone(&clock),
            policy,
            availability: Arc::clone(&availability),
            day_book: Arc::clone(&day_book),
            channels: Arc::clone(&channels),
            max_waiting: 4096,
            arbiters: 2,
            idle_after: Duration::from_secs(60),
            on_answer: Arc::new(|_, _| {}),
            on_broken: Box::new(|error| panic!("broken: {error}")),
        });
        Self { storage, vault, directory, availability, day_book, channels, clock, folder }
    }

    pub fn terms(&self) -> Terms {
        Terms {
            deadline: self.clock.clock.now().plus(Duration::from_secs(5)),
            repeat: None,
            audit: None,
            also: None,
        }
    }

    pub async fn ask(&self, schedule: u64, request: Request) -> Result<Reply, AskError> {
        let target = Target { tenant: tenant(), schedule: schedule_id(schedule) };
        self.directory.ask(target, request, self.terms()).await
    }

    /// The first member of the `n`th user books a slot.
    pub async fn submit(&self, schedule: u64, slot: u16, n: u64) -> Result<BookingId, AskError> {
        let booker = Booker::Account { user: user_id(n), member: member_id(n, 0) };
        match self.ask(schedule, Request::Submit { booker, serial: serial(slot) }).await? {
            Reply::Booked(booking) => Ok(booking),
            other => panic!("a submit was answered with {other:?}"),
        }
    }
}
