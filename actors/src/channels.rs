//! Which clinics can tell their patients anything without being asked to.
//!
//! A fact of the submit path, so it is in memory: a booking writes a notification only where somebody will get it, and
//! costs a clinic that has nothing connected no key more.

use dashmap::DashMap;
use domain::TenantId;

/// By which ways the clinics reach their patients.
#[derive(Debug)]
pub struct Channels {
    text_messages: TextMessages,
    connected: DashMap<TenantId, ()>,
}

/// Whether the provider of text messages sends notices too, and not only codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextMessages {
    /// It sends both, for every clinic.
    WithNotices,
    /// It sends codes only.
    CodesOnly,
}

impl Channels {
    /// No clinic has a service account yet; see [`Channels::connect`].
    #[must_use]
    pub fn new(text_messages: TextMessages) -> Self {
        Self { text_messages, connected: DashMap::new() }
    }

    /// A clinic has entered its service account. It may enter another one, but never none.
    pub fn connect(&self, tenant: TenantId) {
        self.connected.insert(tenant, ());
    }

    /// Whether patients of this clinic can be told anything.
    #[must_use]
    pub fn reach(&self, tenant: TenantId) -> bool {
        match self.text_messages {
            TextMessages::WithNotices => true,
            TextMessages::CodesOnly => self.connected.contains_key(&tenant),
        }
    }
}
