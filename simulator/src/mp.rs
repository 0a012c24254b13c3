//! Tokens and tickets of a service account.
//!
//! Sources: `getAccessToken`, `getStableAccessToken` and the JS-SDK appendix at
//! <https://developers.weixin.qq.com/doc/service/>; messages as recorded in live probes of 2026-09.

use std::borrow::Cow;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::accounts::App;
use crate::http::{Call, Reply};
use crate::signatures;
use crate::world::World;

/// errmsg of 40001 outside the token calls.
pub(crate) const INVALID_CREDENTIAL: &str = "invalid credential, access_token is invalid or not latest, could get \
     access_token by getStableAccessToken, more details at https://mmbizurl.cn/s/JtxxFh33r";

const LIFE: SignedDuration = SignedDuration::from_secs(7200);
const OVERLAP: SignedDuration = SignedDuration::from_secs(300);
const FORCED_APART: SignedDuration = SignedDuration::from_secs(30);
const DAY: SignedDuration = SignedDuration::from_hours(24);
const FORCED_A_DAY: usize = 20;
/// `/cgi-bin/token`; `stable_token` has 500 000.
const PLAIN_A_DAY: usize = 2000;
const TOKEN_LENGTH: usize = 136;

/// One access token and what becomes of it.
#[derive(Debug)]
struct Issued {
    token: String,
    expires: Timestamp,
    /// From when on it answers 40001, because another has taken its place.
    replaced: Option<Timestamp>,
}

/// What a service account has handed out.
#[derive(Debug, Default)]
pub(crate) struct Credentials {
    issued: Vec<Issued>,
    /// Places in `issued` of the newest of each kind, which know nothing of each other.
    plain: Option<usize>,
    stable: Option<usize>,
    plain_calls: Vec<Timestamp>,
    forced: Vec<Timestamp>,
    ticket: Option<(String, Timestamp)>,
}

impl Credentials {
    fn issue(&mut self, token: String, now: Timestamp) -> usize {
        self.issued.push(Issued { token, expires: now + LIFE, replaced: None });
        self.issued.len() - 1
    }

    fn replace(&mut self, former: Option<usize>, from: Timestamp) {
        if let Some(former) = former.and_then(|place| self.issued.get_mut(place)) {
            former.replaced = Some(former.replaced.map_or(from, |earlier| earlier.min(from)));
        }
    }
}

/// A failure of the service account's API: errcode and errmsg, without the `rid` at its end.
#[derive(Debug)]
pub(crate) struct Errcode(pub(crate) i64, pub(crate) Cow<'static, str>);

impl Errcode {
    pub(crate) fn new(code: i64, message: impl Into<Cow<'static, str>>) -> Self {
        Self(code, message.into())
    }
}

impl World {
    /// `GET /cgi-bin/token`: a new token each time; the one before works five minutes longer.
    pub(crate) fn token(&mut self, call: &Call) -> Result<Reply, Errcode> {
        let (app_id, secret) = (call.param("appid"), call.param("secret"));
        let token = self.new_token();
        let app = self.app_with_secret(app_id.as_deref(), secret.as_deref())?;
        is_client_credential(call.param("grant_type").as_deref())?;
        let (now, credentials) = (call.now, &mut app.credentials);
        credentials.plain_calls.retain(|at| now.duration_since(*at) < DAY);
        if credentials.plain_calls.len() >= PLAIN_A_DAY {
            return Err(Errcode::new(45009, "reach max api daily quota limit"));
        }
        credentials.plain_calls.push(now);
        credentials.replace(credentials.plain, now + OVERLAP);
        credentials.plain = Some(credentials.issue(token.clone(), now));
        Ok(Reply::json(200, &json!({ "access_token": token, "expires_in": LIFE.as_secs() })))
    }

    /// `POST /cgi-bin/stable_token`: the same token while it is valid; a new one beside it within its last five minutes.
    pub(crate) fn stable_token(&mut self, call: &Call) -> Result<Reply, Errcode> {
        is_post(call)?;
        let body = call.json().ok_or(Errcode::new(47001, "data format error"))?;
        let text = |name: &str| body[name].as_str().filter(|text| !text.is_empty());
        let fresh = self.new_token();
        let app = self.app_with_secret(text("appid"), text("secret"))?;
        is_client_credential(text("grant_type"))?;
        let force = body["force_refresh"].as_bool().unwrap_or(false);
        let (token, seconds) = app.credentials.stable_now(fresh, call.now, force);
        Ok(Reply::json(200, &json!({ "access_token": token, "expires_in": seconds })))
    }

    /// `GET /cgi-bin/ticket/getticket`: one ticket for the account, whichever token asks.
    pub(crate) fn ticket(&mut self, call: &Call) -> Result<Reply, Errcode> {
        let fresh = self.chance.letters(86);
        let app = self.app_of_token(call)?;
        if call.param("type").as_deref() != Some("jsapi") {
            // The real answer to other types is not recorded; card tickets are not simulated.
            return Err(Errcode::new(-1, "system error"));
        }
        let ticket = &mut app.credentials.ticket;
        let (text, until) = match ticket.take() {
            Some((text, until)) if until > call.now => (text, until),
            Some(_) | None => (fresh, call.now + LIFE),
        };
        *ticket = Some((text.clone(), until));
        let seconds = until.duration_since(call.now).as_secs();
        Ok(Reply::json(200, &json!({ "errcode": 0, "errmsg": "ok", "ticket": text, "expires_in": seconds })))
    }

    /// The account whose token the call carries.
    pub(crate) fn app_of_token(&mut self, call: &Call) -> Result<&mut AppState, Errcode> {
        let token = call.param("access_token").ok_or(Errcode::new(41001, "access_token missing"))?;
        if token.len() < 20
            || !token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        {
            return Err(Errcode::new(40014, "invalid access_token"));
        }
        for app in self.apps.values_mut() {
            if let Some(issued) = app.credentials.issued.iter().find(|issued| issued.token == token) {
                if issued.expires <= call.now {
                    return Err(Errcode::new(42001, "access_token expired"));
                }
                if issued.replaced.is_some_and(|from| from <= call.now) {
                    break;
                }
                return Ok(app);
            }
        }
        Err(Errcode::new(40001, INVALID_CREDENTIAL))
    }

    /// What `/cgi-bin` answers: failures are HTTP 200, and their message ends with ` rid: …`.
    pub(crate) fn mp_reply(&mut self, result: Result<Reply, Errcode>) -> Reply {
        result.unwrap_or_else(|Errcode(code, message)| {
            Reply::errcode(code, &format!("{message} {}", self.chance.rid()))
        })
    }

    /// The appid is judged before everything else.
    fn app_with_secret(
        &mut self,
        app_id: Option<&str>,
        secret: Option<&str>,
    ) -> Result<&mut AppState, Errcode> {
        let app_id = app_id.ok_or(Errcode::new(41002, "appid missing"))?;
        let app = self.apps.get_mut(app_id).ok_or(Errcode::new(40013, "invalid appid"))?;
        match secret {
            None => Err(Errcode::new(41004, "appsecret missing")),
            Some(secret) if secret != app.app.secret => Err(Errcode::new(40125, "invalid appsecret")),
            Some(_) => Ok(app),
        }
    }

    fn new_token(&mut self) -> String {
        format!("99_{}", self.chance.letters(TOKEN_LENGTH))
    }

    /// Whether `signature` is what `wx.config` takes on the page `url`: its host, the account's ticket, the hash.
    pub(crate) fn page_signature_is_right(
        &self,
        app_id: &str,
        page: &PageSignature<'_>,
    ) -> Result<(), &'static str> {
        let app = self.apps.get(app_id).ok_or("config:fail,invalid appid")?;
        let host = url::Url::parse(page.url).ok().and_then(|url| url.host_str().map(str::to_owned));
        if !host.is_some_and(|host| app.app.domains.contains(&host)) {
            return Err("config:fail,invalid url domain");
        }
        let (ticket, _) = app.credentials.ticket.as_ref().ok_or("config:fail,invalid signature")?;
        let shown = page.url.split('#').next().unwrap_or_default();
        let expected = signatures::of_page(ticket, page.nonce, page.timestamp, shown);
        if expected == page.signature { Ok(()) } else { Err("config:fail,invalid signature") }
    }
}

fn is_client_credential(grant_type: Option<&str>) -> Result<(), Errcode> {
    if grant_type == Some("client_credential") {
        Ok(())
    } else {
        Err(Errcode::new(40002, "invalid grant_type"))
    }
}

pub(crate) fn is_post(call: &Call) -> Result<(), Errcode> {
    if call.method == "POST" { Ok(()) } else { Err(Errcode::new(43002, "require POST method")) }
}

impl Credentials {
    /// The stable token that is given now, and for how many seconds it is valid.
    fn stable_now(&mut self, fresh: String, now: Timestamp, force: bool) -> (&str, i64) {
        let usable = |issued: &Issued| issued.expires > now && issued.replaced.is_none_or(|from| from > now);
        let current = self.stable.filter(|place| usable(&self.issued[*place]));
        self.forced.retain(|at| now.duration_since(*at) < DAY);
        let may_force = self.forced.len() < FORCED_A_DAY
            && self.forced.last().is_none_or(|last| now.duration_since(*last) >= FORCED_APART);
        let place = match current {
            Some(place) if force && may_force => {
                self.replace(Some(place), now);
                self.issue(fresh, now)
            }
            Some(place) if self.issued[place].expires.duration_since(now) > OVERLAP => place,
            Some(_) | None => self.issue(fresh, now),
        };
        if force && may_force {
            self.forced.push(now);
        }
        self.stable = Some(place);
        let issued = &self.issued[place];
        (&issued.token, issued.expires.duration_since(now).as_secs())
    }

    /// Makes every token that was handed out answer 40001, as an administrator's reset of the secret does.
    pub(crate) fn void_all(&mut self, now: Timestamp) {
        for issued in &mut self.issued {
            issued.replaced = Some(now);
        }
        self.ticket = None;
    }
}

/// What a page gives to `wx.config`.
#[derive(Clone, Copy, Debug)]
pub struct PageSignature<'a> {
    /// `nonceStr`.
    pub nonce: &'a str,
    /// Seconds, as text.
    pub timestamp: &'a str,
    /// What the browser shows; a fragment is cut off.
    pub url: &'a str,
    /// Lower-case hex.
    pub signature: &'a str,
}

/// A service account with what it has handed out and taken in.
#[derive(Debug)]
pub(crate) struct AppState {
    pub(crate) app: App,
    pub(crate) credentials: Credentials,
    pub(crate) codes: Vec<crate::oauth::Code>,
    pub(crate) sent: Vec<crate::templates::SentMessage>,
    /// Who opens the authorisation page.
    pub(crate) visitor: Option<String>,
}

impl AppState {
    pub(crate) fn new(app: App) -> Self {
        let visitor = app.people.first().map(|person| person.open_id.clone());
        Self { app, credentials: Credentials::default(), codes: Vec::new(), sent: Vec::new(), visitor }
    }
}
