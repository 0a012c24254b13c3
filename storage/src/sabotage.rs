//! Bugs and panics that can be planted, so that tests can show that they would be noticed. Feature `sabotage`: without it
//! every question here is a constant `false`, and nothing of what it guards is compiled in.
//!
//! The environment variable `SABOTAGE` chooses: names of [`Bug`]s, and of [`Place`]s with the number of the pass that
//! panics, separated by commas: `SABOTAGE=lose_cancel,actor@3`.

#[cfg(all(feature = "sabotage", not(debug_assertions)))]
compile_error!("the feature `sabotage` plants bugs: no release build has it");

macro_rules! named {
    ($(#[$meta:meta])* $kind:ident { $($(#[$doc:meta])* $name:ident = $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $kind { $($(#[$doc])* $name,)+ }

        impl $kind {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// As it stands in the environment variable.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }
        }
    };
}

named! {
    /// A bug that can be planted.
    Bug {
        /// Success is answered, and then synced.
        AckBeforeSync = "ack_before_sync",
        /// Success is answered without a sync.
        SkipSync = "skip_sync",
        /// A booking does not require its slot to be absent.
        SkipSlotPrecondition = "skip_slot_precondition",
        /// Every request for a schedule gets an actor of its own.
        TwoActors = "two_actors",
        /// Now and then a group of commits is not written to the journal.
        DropJournalAppend = "drop_journal_append",
        /// A payment that is booked already is news when it is told again.
        ApplyNoticeTwice = "apply_notice_twice",
        /// A cancellation is answered and not made.
        LoseCancel = "lose_cancel",
        /// A token is good for any clinic.
        IgnoreTenant = "ignore_tenant",
        /// A code stays good after it was used.
        KeepCode = "keep_code",
        /// A sync that failed is tried again.
        RetryFailedSync = "retry_failed_sync",
        /// What the index could not take is left out.
        SwallowIndexError = "swallow_index_error",
        /// Every order gets the same number.
        ReuseOutTradeNo = "reuse_out_trade_no",
        /// The phone that a text goes to is logged.
        LogPhone = "log_phone",
    }
}

named! {
    /// A place that can be made to panic.
    Place {
        /// The handler of a submit.
        Handler = "handler",
        /// A schedule's actor, after storage has made a batch of commits and before anyone is answered.
        Actor = "actor",
        /// The committer, after a group is in the journal and before it is applied.
        Committer = "committer",
        /// Within sled.
        Index = "index",
    }
}

/// Whether this bug is planted.
#[cfg(not(feature = "sabotage"))]
#[must_use]
pub const fn is_planted(_: Bug) -> bool {
    false
}

/// Panics if this is the pass that was chosen.
#[cfg(not(feature = "sabotage"))]
pub const fn pass(_: Place) {}

#[cfg(feature = "sabotage")]
pub use planted::{is_planted, pass};

#[cfg(feature = "sabotage")]
mod planted {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::{Bug, Place};

    static CHOSEN: LazyLock<String> = LazyLock::new(|| std::env::var("SABOTAGE").unwrap_or_default());

    /// How often each place was passed, in the order of [`Place::ALL`].
    static PASSES: [AtomicU64; Place::ALL.len()] = [const { AtomicU64::new(0) }; Place::ALL.len()];

    /// Whether this bug is planted.
    #[must_use]
    pub fn is_planted(bug: Bug) -> bool {
        CHOSEN.split(',').any(|chosen| chosen == bug.name())
    }

    /// Panics if this is the pass that was chosen.
    ///
    /// # Panics
    /// That is what it is for.
    pub fn pass(place: Place) {
        let number = PASSES[place as usize].fetch_add(1, Ordering::SeqCst) + 1;
        let chosen = CHOSEN.split(',').filter_map(|chosen| chosen.split_once('@'));
        let panics = chosen.filter(|(name, _)| *name == place.name()).any(|(_, at)| at.parse() == Ok(number));
        assert!(!panics, "planted");
    }
}
