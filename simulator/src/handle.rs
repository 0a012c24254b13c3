//! What a test does with a running simulator.

use std::sync::Arc;

use jiff::Timestamp;

use crate::accounts::{App, Callback, Merchant, MerchantFiles};
use crate::gateway::MerchantState;
use crate::mp::{AppState, PageSignature};
use crate::orders::{NotPaid, Order, PagePayment, TradeState};
use crate::oss::Object;
use crate::outbox::{Delivery, Release, Twist};
use crate::refunds::{Refund, RefundStatus};
use crate::scripts::{Answer, Endpoint};
use crate::simulator::{Simulator, StartError};
use crate::sms::SmsMessage;
use crate::templates::SentMessage;
use crate::world::{Received, World};

/// Scripts and what was received.
impl Simulator {
    /// The next call of this endpoint is answered like this; several queue up.
    pub fn script(&self, endpoint: Endpoint, answer: Answer) {
        self.world(|world| world.scripts.queue(endpoint, answer));
    }

    /// Every call of this endpoint is answered like this, after what is queued.
    pub fn script_always(&self, endpoint: Endpoint, answer: Answer) {
        self.world(|world| world.scripts.always(endpoint, answer));
    }

    /// All endpoints answer as usual again.
    pub fn clear_scripts(&self) {
        self.world(|world| world.scripts.clear());
    }

    /// Lets go of the calls that hang: their connections are reset.
    pub fn release_hanging(&self) {
        self.shared.release.notify_waiters();
    }

    /// How often an endpoint was called.
    #[must_use]
    pub fn calls(&self, endpoint: Endpoint) -> u64 {
        self.world(|world| world.scripts.calls(endpoint))
    }

    /// Sets all counts to 0 and forgets what was received.
    pub fn forget_calls(&self) {
        self.world(|world| {
            world.scripts.forget_calls();
            world.received.clear();
        });
    }

    /// The last 10,000 calls.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.world(|world| world.received.iter().cloned().collect())
    }

    /// The template messages that were accepted.
    #[must_use]
    pub fn sent(&self) -> Vec<SentMessage> {
        self.world(|world| world.apps.values().flat_map(|app| app.sent.iter().cloned()).collect())
    }

    /// The short messages that were accepted.
    #[must_use]
    pub fn sms(&self) -> Vec<SmsMessage> {
        self.world(|world| world.sms.clone())
    }

    /// The objects in the buckets.
    #[must_use]
    pub fn objects(&self) -> Vec<Object> {
        self.world(|world| world.oss.objects.values().cloned().collect())
    }

    fn world<T>(&self, with: impl FnOnce(&mut World) -> T) -> T {
        with(&mut self.shared.world.lock())
    }

    fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }
}

/// Service accounts and their people.
impl Simulator {
    /// Adds an account, or replaces it and forgets its tokens.
    pub fn add_app(&self, app: App) {
        self.world(|world| world.apps.insert(app.app_id.clone(), AppState::new(app)));
    }

    /// Changes an account, for example its templates or people. Nothing happens when there is none.
    pub fn change_app(&self, app_id: &str, change: impl FnOnce(&mut App)) {
        self.world(|world| world.apps.get_mut(app_id).map(|app| change(&mut app.app)));
    }

    /// Sets where the account's events go (服务器配置).
    pub fn set_callback(&self, app_id: &str, callback: Callback) {
        self.change_app(app_id, |app| app.callback = Some(callback));
    }

    /// Checks the account's server as WeChat does when 服务器配置 is saved: signed, and the text must come back.
    ///
    /// # Errors
    /// Tells what came back instead.
    pub async fn verify_callback(&self, app_id: &str) -> Result<(), String> {
        let now = self.now();
        let (address, echo) = self
            .world(|world| world.verification(app_id, now))
            .ok_or("no such account, or it has no server")?;
        let answered = self.get(address).await?;
        if answered == (200, echo) { Ok(()) } else { Err(format!("HTTP {}: {}", answered.0, answered.1)) }
    }

    /// Checks a domain as WeChat does: `MP_verify_….txt` at its root gives the 16 characters of its name, without a redirect.
    ///
    /// # Errors
    /// Tells what came back instead.
    pub async fn verify_domain(&self, origin: &str, file: &str) -> Result<(), String> {
        let inner = file.strip_prefix("MP_verify_").and_then(|rest| rest.strip_suffix(".txt"));
        let inner = inner.ok_or("the file's name is not MP_verify_….txt")?.to_owned();
        let address = self.world(|world| world.outbox.resolved(&format!("{origin}/{file}")));
        let (status, body) = self.get(address).await?;
        if status == 200 && body.trim_end() == inner { Ok(()) } else { Err(format!("HTTP {status}: {body}")) }
    }

    /// Whoever opens the authorisation page from now on is this person.
    pub fn visit_as(&self, app_id: &str, open_id: &str) {
        self.world(|world| world.apps.get_mut(app_id).map(|app| app.visitor = Some(open_id.to_owned())));
    }

    /// A code for this person, as the redirect of the authorisation page brings it; none when the person is not known.
    #[must_use]
    pub fn code_for(&self, app_id: &str, open_id: &str) -> Option<String> {
        let now = self.now();
        self.world(|world| world.new_code(app_id, open_id, "snsapi_base", now))
    }

    /// The person follows the account, or leaves it; the event is queued. False when the person is not known.
    pub fn follow(&self, app_id: &str, open_id: &str, follows: bool) -> bool {
        let now = self.now();
        self.world(|world| world.follow(app_id, open_id, follows, now))
    }

    /// Every token and the ticket stop working, as when the secret is reset.
    pub fn void_tokens(&self, app_id: &str) {
        let now = self.now();
        self.world(|world| world.apps.get_mut(app_id).map(|app| app.credentials.void_all(now)));
    }

    /// Whether `wx.config` takes this on the page.
    ///
    /// # Errors
    /// The message that the page shows.
    pub fn check_page_signature(&self, app_id: &str, page: &PageSignature<'_>) -> Result<(), &'static str> {
        self.world(|world| world.page_signature_is_right(app_id, page))
    }
}

/// Payment.
impl Simulator {
    /// Adds a merchant, or replaces it and forgets its orders.
    ///
    /// # Errors
    /// When the machine gives no randomness for its key.
    pub fn add_merchant(&self, merchant: Merchant) -> Result<(), StartError> {
        let state = MerchantState::new(merchant, self.now())?;
        self.world(|world| world.merchants.insert(state.merchant.mch_id.clone(), state));
        Ok(())
    }

    /// What a server enters for this merchant: its key, and what it verifies WeChat with.
    #[must_use]
    pub fn merchant(&self, mch_id: &str) -> Option<MerchantFiles> {
        self.world(|world| world.merchants.get(mch_id).map(MerchantState::files))
    }

    /// WeChat signs with a new platform certificate from now on.
    ///
    /// # Errors
    /// When the machine gives no randomness for its key.
    pub fn rotate_certificate(&self, mch_id: &str) -> Result<(), StartError> {
        let now = self.now();
        self.world(|world| {
            world.merchants.get_mut(mch_id).map_or(Ok(()), |merchant| merchant.add_certificate(now))
        })?;
        Ok(())
    }

    /// The payer pays, without looking at what the page signed. `order` is a prepay_id or out_trade_no. The notice is queued.
    ///
    /// # Errors
    /// As the payer would see it.
    pub fn pay(&self, order: &str) -> Result<Order, NotPaid> {
        let now = self.now();
        self.world(|world| world.pay_order(order, now))
    }

    /// The page calls `wx.chooseWXPay` and the payer pays: paySign must be the merchant's over what the page gives.
    ///
    /// # Errors
    /// As the payer would see it.
    pub fn pay_in_page(&self, page: &PagePayment<'_>) -> Result<Order, NotPaid> {
        let now = self.now();
        self.world(|world| {
            let prepay_id = world.page_payment(page)?;
            world.pay_order(&prepay_id, now)
        })
    }

    /// The payer says no. The order stays open. False when there is no such order.
    pub fn refuse(&self, order: &str) -> bool {
        self.world(|world| world.find_order(order).map(|order| order.declined = true)).is_some()
    }

    /// Puts an order into a state that no call leads to. False when there is no such order.
    pub fn set_trade_state(&self, order: &str, state: TradeState) -> bool {
        self.world(|world| world.find_order(order).map(|order| order.state = state)).is_some()
    }

    /// All orders.
    #[must_use]
    pub fn orders(&self) -> Vec<Order> {
        self.world(|world| {
            world.merchants.values().flat_map(|merchant| merchant.orders.values().cloned()).collect()
        })
    }

    /// All refunds.
    #[must_use]
    pub fn refunds(&self) -> Vec<Refund> {
        self.world(|world| {
            world.merchants.values().flat_map(|merchant| merchant.refunds.values().cloned()).collect()
        })
    }

    /// How the next refund that is asked for will end; several queue up.
    pub fn next_refund_ends(&self, end: RefundStatus) {
        self.world(|world| world.refund_ends.push_back(end));
    }

    /// Ends a refund now, found by refund_id or out_refund_no. False when none is open.
    pub fn finish_refund(&self, refund: &str, end: RefundStatus) -> bool {
        let now = self.now();
        self.world(|world| world.finish_refund(refund, end, now))
    }
}

/// What WeChat sends on its own.
impl Simulator {
    /// Something is wrong with the next notice of a payment or refund that is queued; several queue up.
    pub fn twist_notice(&self, twist: Twist) {
        self.world(|world| world.outbox.twist_notice(twist));
    }

    /// Something is wrong with the next event of an account that is queued; several queue up.
    pub fn twist_event(&self, twist: Twist) {
        self.world(|world| world.outbox.twist_event(twist));
    }

    /// Nothing is sent until [`Simulator::release`].
    pub fn hold(&self) {
        self.world(|world| world.outbox.hold());
    }

    /// What was held goes out, in this order.
    pub fn release(&self, order: Release) {
        self.world(|world| world.outbox.release(order));
    }

    /// URLs of the first origin are reached at the second, as DNS and a proxy would have it:
    /// `resolve("https://clinic.example", "http://127.0.0.1:8080")`.
    pub fn resolve(&self, origin: &str, to: &str) {
        self.world(|world| world.outbox.resolve(origin, to));
    }

    /// Sends everything that is due by the clock and returns what came of it.
    pub async fn deliver_due(&self) -> Vec<Delivery> {
        let shared = Arc::clone(&self.shared);
        let delivered = self.runtime.spawn(async move { shared.deliver_due().await });
        delivered.await.unwrap_or_default()
    }

    /// All tries to deliver so far.
    #[must_use]
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.world(|world| world.outbox.deliveries().to_vec())
    }

    /// How many notices and events wait, the retries included.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.world(|world| world.outbox.waiting())
    }

    async fn get(&self, address: String) -> Result<(u16, String), String> {
        let shared = Arc::clone(&self.shared);
        let answered = self.runtime.spawn(async move {
            let response = shared.client.get(address).send().await.map_err(|error| error.to_string())?;
            let status = response.status().as_u16();
            Ok((status, response.text().await.map_err(|error| error.to_string())?))
        });
        answered.await.map_err(|error| error.to_string())?
    }
}
