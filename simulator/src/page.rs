//! The demo's page, which stands for a patient's phone: the orders with their buttons, what was sent to patients, the menu
//! of the account, and who holds the phone. Plain forms, nothing from outside, no scripts.

use std::fmt::Write as _;

use crate::clock::beijing;
use crate::http::{Call, Reply, escape};
use crate::orders::{Order, TradeState};
use crate::world::World;

const HEAD: &str = "<!doctype html><html lang=\"zh\"><head><meta charset=\"utf-8\">\
<meta name=\"viewport\" content=\"width=device-width\"><title>Simulated WeChat 微信（模拟）</title><style>\
body{font-family:sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}\
table{border-collapse:collapse;width:100%}td,th{border:1px solid #ccc;padding:.4rem;text-align:left;vertical-align:top}\
form{display:inline}pre{margin:0;white-space:pre-wrap}</style></head><body>\
<h1>Simulated WeChat 微信（模拟）</h1>\
<p>A patient's phone. No money moves and no message leaves this machine.</p>";

/// Makes the phone look for news by itself, seconds apart.
const LOOK_AGAIN: &str = "<meta http-equiv=\"refresh\" content=\"5\">";

/// Shows the page, or does what a button of it says and shows it again.
pub(crate) fn answer(call: &Call, world: &mut World) -> Reply {
    let key = call.form("order").unwrap_or_default();
    let whose = || (call.form("app").unwrap_or_default(), call.form("person").unwrap_or_default());
    match (call.method.as_str(), call.path.as_str()) {
        ("GET", "/") => with_policy(Reply::html(200, whole(world))),
        ("POST", "/pay") => {
            let paid = world.pay_order(&key, call.now).map(|_| ()).map_err(|error| error.to_string());
            done(world, paid)
        }
        ("POST", "/refuse") => match world.find_order(&key) {
            Some(order) => {
                order.declined = true;
                done(world, Ok(()))
            }
            None => done(world, Err("no such order".to_owned())),
        },
        ("POST", "/follow") => {
            let (app_id, person) = whose();
            let follows = call.form("follows").as_deref() == Some("1");
            let known = world.follow(&app_id, &person, follows, call.now);
            done(world, if known { Ok(()) } else { Err("no such person".to_owned()) })
        }
        ("POST", "/visit") => {
            let (app_id, person) = whose();
            let known = world.visit(&app_id, &person);
            done(world, if known { Ok(()) } else { Err("no such person".to_owned()) })
        }
        ("GET", path) if path.starts_with("/h5/") => with_policy(Reply::html(200, clinic_page(call))),
        _ => Reply::empty(405),
    }
}

/// Stands where a page of the clinic's app would be, and shows what it was opened with: the code and state of an
/// authorisation, which the page would hand to the server.
fn clinic_page(call: &Call) -> String {
    let mut page = format!(
        "{HEAD}<h2>{}</h2><p>Here a page of the clinic's H5 app would be. It was opened with:</p><table>",
        escape(&call.path)
    );
    for (name, value) in url::form_urlencoded::parse(call.query.as_bytes()) {
        add(&mut page, format_args!("<tr><th>{}</th><td>{}</td></tr>", escape(&name), escape(&value)));
    }
    page.push_str(
        "</table><p>A page that was opened with <b>code</b> and <b>state</b> hands both to \
         <b>POST /pati_service/wechat/oauth/login</b>, once.</p>\
         <p><a href=\"/\">Back to the phone</a></p></body></html>",
    );
    page
}

fn done(world: &mut World, result: Result<(), String>) -> Reply {
    world.keep();
    match result {
        Ok(()) => Reply::redirect(303, "/"),
        Err(error) => with_policy(Reply::html(
            409,
            format!("{HEAD}<p>{}</p><p><a href=\"/\">Back</a></p></body></html>", escape(&error)),
        )),
    }
}

fn with_policy(mut reply: Reply) -> Reply {
    let policy = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'";
    reply.headers.push(("Content-Security-Policy", policy.to_owned()));
    reply.headers.push(("Cache-Control", "no-store".to_owned()));
    reply
}

fn whole(world: &World) -> String {
    let mut page = HEAD.replacen("</head>", &format!("{LOOK_AGAIN}</head>"), 1);
    orders(&mut page, world);
    messages(&mut page, world);
    menu(&mut page, world);
    people(&mut page, world);
    page.push_str("</body></html>");
    page
}

/// Writing to a `String` does not fail.
fn add(page: &mut String, part: std::fmt::Arguments<'_>) {
    let _ = page.write_fmt(part);
}

fn orders(page: &mut String, world: &World) {
    page.push_str(
        "<h2>Orders 订单</h2><table><tr><th>Order</th><th>For</th><th>Amount</th><th>State</th><th></th></tr>",
    );
    let mut orders: Vec<&Order> =
        world.merchants.values().flat_map(|merchant| merchant.orders.values()).collect();
    orders.sort_by_key(|order| std::cmp::Reverse(order.created));
    for order in orders {
        let (name, state) = order.state.names();
        let (number, description) = (escape(&order.out_trade_no), escape(&order.description));
        let yuan = format!("¥{}.{:02}", order.total / 100, order.total % 100);
        let refused = if order.declined && order.state == TradeState::NotPay { ", refused" } else { "" };
        add(
            page,
            format_args!(
                "<tr><td>{number}</td><td>{description}</td><td>{yuan}</td><td>{name} {state}{refused}</td><td>"
            ),
        );
        if order.state == TradeState::NotPay {
            for (action, label) in [("pay", "支付 Pay"), ("refuse", "拒绝 Refuse")] {
                let key = escape(&order.prepay_id);
                add(
                    page,
                    format_args!(
                        "<form method=\"post\" action=\"/{action}\"><input type=\"hidden\" name=\"order\" value=\"{key}\">\
                     <button>{label}</button></form> "
                    ),
                );
            }
        }
        page.push_str("</td></tr>");
    }
    page.push_str("</table>");
}

fn messages(page: &mut String, world: &World) {
    page.push_str(
        "<h2>Messages to patients 消息</h2><table><tr><th>When</th><th>To</th><th>Message</th></tr>",
    );
    let templates = world
        .apps
        .values()
        .flat_map(|app| &app.sent)
        .map(|sent| (sent.at, sent.open_id.clone(), sent.text.clone()));
    let short = world.sms.iter().map(|sms| {
        let code = sms.code.as_ref().map(|code| format!(": {code}")).unwrap_or_default();
        let params: String = sms.params.iter().map(|(name, value)| format!("\n{name}: {value}")).collect();
        (sms.at, sms.phone.clone(), format!("SMS {}{code}{params}", sms.template))
    });
    let mut messages: Vec<_> = templates.chain(short).collect();
    messages.sort_by_key(|(at, ..)| std::cmp::Reverse(*at));
    for (at, to, text) in messages {
        let (to, text) = (escape(&to), escape(&text));
        add(page, format_args!("<tr><td>{}</td><td>{to}</td><td><pre>{text}</pre></td></tr>", beijing(at)));
    }
    page.push_str("</table>");
}

fn menu(page: &mut String, world: &World) {
    let entries: Vec<_> = world.apps.values().flat_map(|app| &app.app.menu).collect();
    if entries.is_empty() {
        return;
    }
    page.push_str("<h2>Menu of the account 公众号菜单</h2><ul>");
    for entry in entries {
        let (label, url) = (escape(&entry.label), escape(&entry.url));
        add(page, format_args!("<li><a href=\"{url}\">{label}</a> {url}</li>"));
    }
    page.push_str("</ul>");
}

fn people(page: &mut String, world: &World) {
    page.push_str(
        "<h2>People 用户</h2><p>Whoever holds the phone is who an authorisation (网页授权) tells of.</p>\
         <table><tr><th>Account</th><th>openid</th><th></th></tr>",
    );
    for (app_id, app) in &world.apps {
        for person in &app.app.people {
            let (open_id, app_id) = (escape(&person.open_id), escape(app_id));
            let (value, label) =
                if person.follows { ("0", "取消关注 Unfollow") } else { ("1", "关注 Follow") };
            let holds = if app.visitor.as_ref() == Some(&person.open_id) {
                "holds the phone".to_owned()
            } else {
                format!(
                    "<form method=\"post\" action=\"/visit\"><input type=\"hidden\" name=\"app\" value=\"{app_id}\">\
                     <input type=\"hidden\" name=\"person\" value=\"{open_id}\"><button>Give them the phone</button></form>"
                )
            };
            add(
                page,
                format_args!(
                    "<tr><td>{app_id}</td><td>{open_id}</td><td><form method=\"post\" action=\"/follow\">\
                 <input type=\"hidden\" name=\"app\" value=\"{app_id}\">\
                 <input type=\"hidden\" name=\"person\" value=\"{open_id}\">\
                 <input type=\"hidden\" name=\"follows\" value=\"{value}\"><button>{label}</button></form> {holds}</td></tr>"
                ),
            );
        }
    }
    page.push_str("</table>");
}
