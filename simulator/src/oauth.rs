//! Web authorisation: the page that sends the browser back with a code, and the exchange of the code.
//!
//! Source: web authorisation at <https://developers.weixin.qq.com/doc/service/>; messages as recorded in live probes
//! (here a comma stands before `rid`, unlike in `/cgi-bin`).

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use url::Url;

use crate::http::{Call, Reply, escape};
use crate::mp::Errcode;
use crate::world::World;

const CODE_LIFE: SignedDuration = SignedDuration::from_secs(300);
const STATE_MOST: usize = 128;

/// A code that was given to a browser.
#[derive(Debug)]
pub(crate) struct Code {
    code: String,
    open_id: String,
    scope: String,
    issued: Timestamp,
    used: bool,
}

impl World {
    /// `GET /connect/oauth2/authorize`: back to the page with code and state, at once for `snsapi_base`, after a
    /// question for `snsapi_userinfo`. `as` is the simulator's own: who answers the question.
    pub(crate) fn authorize(&mut self, call: &Call) -> Reply {
        let app_id = call.param("appid").unwrap_or_default();
        let Some(app) = self.apps.get(&app_id) else { return refused(10012, "appid 参数错误") };
        let Some(back) = call.param("redirect_uri").and_then(|text| Url::parse(&text).ok()) else {
            return refused(10011, "redirect_uri 参数错误");
        };
        if !back.host_str().is_some_and(|host| app.app.domains.iter().any(|domain| domain == host)) {
            return refused(10003, "redirect_uri域名与后台配置不一致");
        }
        let state = call.param("state").unwrap_or_default();
        if state.len() > STATE_MOST || !state.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return refused(10013, "state 参数错误");
        }
        let scope = call.param("scope").unwrap_or_default();
        let visitor = match (scope.as_str(), call.param("response_type").as_deref()) {
            ("snsapi_base", Some("code")) => app.visitor.clone(),
            ("snsapi_userinfo", Some("code")) => match call.param("as") {
                Some(chosen) => Some(chosen),
                None => return question(call, app.app.people.iter().map(|person| person.open_id.as_str())),
            },
            _ => return refused(10005, "Scope 参数错误或没有 Scope 权限"),
        };
        let code = visitor.and_then(|open_id| self.new_code(&app_id, &open_id, &scope, call.now));
        let Some(code) = code else { return refused(10012, "没有这个用户") };
        Reply::redirect(302, &return_address(back, &code, &state))
    }

    /// From now on this person holds the phone. False when there is no such person.
    pub(crate) fn visit(&mut self, app_id: &str, open_id: &str) -> bool {
        let Some(app) = self.apps.get_mut(app_id) else { return false };
        let known = app.app.people.iter().any(|person| person.open_id == open_id);
        if known {
            app.visitor = Some(open_id.to_owned());
        }
        known
    }

    /// A code for this person, as the browser brings it to the server.
    pub(crate) fn new_code(
        &mut self,
        app_id: &str,
        open_id: &str,
        scope: &str,
        now: Timestamp,
    ) -> Option<String> {
        let code = format!("0{}", self.chance.letters(31));
        let app = self.apps.get_mut(app_id)?;
        app.app.people.iter().find(|person| person.open_id == open_id)?;
        let (open_id, scope) = (open_id.to_owned(), scope.to_owned());
        app.codes.push(Code { code: code.clone(), open_id, scope, issued: now, used: false });
        Some(code)
    }

    /// `GET /sns/oauth2/access_token`: a code works once and for five minutes.
    pub(crate) fn oauth_token(&mut self, call: &Call) -> Reply {
        self.exchange(call).unwrap_or_else(|Errcode(code, message)| {
            Reply::errcode(code, &format!("{message}, {}", self.chance.rid()))
        })
    }

    fn exchange(&mut self, call: &Call) -> Result<Reply, Errcode> {
        let (token, refresh) = (self.chance.letters(86), self.chance.letters(86));
        let app_id = call.param("appid").unwrap_or_default();
        let app = self.apps.get_mut(&app_id).ok_or(Errcode::new(40013, "invalid appid"))?;
        let secret = call.param("secret").ok_or(Errcode::new(41004, "appsecret missing"))?;
        if secret != app.app.secret {
            return Err(Errcode::new(40125, "invalid appsecret"));
        }
        let code = call.param("code").ok_or(Errcode::new(41008, "missing code"))?;
        if call.param("grant_type").as_deref() != Some("authorization_code") {
            return Err(Errcode::new(40002, "invalid grant_type"));
        }
        let known = app.codes.iter_mut().find(|known| known.code == code);
        let known = known.ok_or(Errcode::new(40029, "invalid code"))?;
        if known.used {
            return Err(Errcode::new(40163, "code been used"));
        }
        if call.now.duration_since(known.issued) > CODE_LIFE {
            return Err(Errcode::new(42003, "code expired"));
        }
        known.used = true;
        let mut body = json!({
            "access_token": token,
            "expires_in": 7200,
            "refresh_token": refresh,
            "openid": known.open_id,
            "scope": known.scope,
        });
        if app.app.people.iter().any(|person| person.open_id == known.open_id && person.snapshot) {
            body["is_snapshotuser"] = Value::from(1);
        }
        Ok(Reply::json(200, &body))
    }
}

/// `redirect_uri` with code and state behind its own query.
fn return_address(mut back: Url, code: &str, state: &str) -> String {
    back.query_pairs_mut().append_pair("code", code).append_pair("state", state);
    back.to_string()
}

/// WeChat shows a page in the browser; the server never learns of it.
fn refused(code: u32, message: &str) -> Reply {
    Reply::html(
        200,
        format!("<!doctype html><meta charset=utf-8><title>微信</title><p>{message}</p><p>错误码:{code}</p>"),
    )
}

fn question<'a>(call: &Call, people: impl Iterator<Item = &'a str>) -> Reply {
    let mut page =
        "<!doctype html><meta charset=utf-8><title>微信授权 (simulated)</title><h1>微信授权</h1>".to_owned();
    for open_id in people {
        let target = format!("{}&as={}", call.target(), encode(open_id));
        page.push_str(&format!("<p><a href=\"{}\">允许 {}</a></p>", escape(&target), escape(open_id)));
    }
    Reply::html(200, page)
}

fn encode(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
