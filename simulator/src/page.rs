//! The demo's page: the open orders with their buttons, and what was sent to patients. Plain forms, nothing from outside.

use std::fmt::Write as _;

use crate::clock::beijing;
use crate::http::{Call, Reply, escape};
use crate::orders::{Order, TradeState};
use crate::world::World;

const HEAD: &str = "<!doctype html><html lang=\"zh\"><head><meta charset=\"utf-8\">\
<meta name=\"viewport\" content=\"width=device-width\"><title>Simulated WeChat</title><style>\
body{font-family:sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}\
table{border-collapse:collapse;width:100%}td,th{border:1px solid #ccc;padding:.4rem;text-align:left;vertical-align:top}\
form{display:inline}pre{margin:0;white-space:pre-wrap}</style></head><body>\
<h1>Simulated WeChat</h1><p>No money moves and no message leaves this machine.</p>";

/// Shows the page, or does what a button of it says and shows it again.
pub(crate) fn answer(call: &Call, world: &mut World) -> Reply {
    let key = call.form("order").unwrap_or_default();
    match (call.method.as_str(), call.path.as_str()) {
        ("GET", "/") => with_policy(Reply::html(200, whole(world))),
        ("POST", "/pay") => {
            done(world.pay_order(&key, call.now).map(|_| ()).map_err(|error| error.to_string()))
        }
        ("POST", "/refuse") => match world.find_order(&key) {
            Some(order) => {
                order.declined = true;
                done(Ok(()))
            }
            None => done(Err("no such order".to_owned())),
        },
        ("POST", "/follow") => {
            let (app_id, person) =
                (call.form("app").unwrap_or_default(), call.form("person").unwrap_or_default());
            let follows = call.form("follows").as_deref() == Some("1");
            let known = world.follow(&app_id, &person, follows, call.now);
            done(if known { Ok(()) } else { Err("no such person".to_owned()) })
        }
        _ => Reply::empty(405),
    }
}

fn done(result: Result<(), String>) -> Reply {
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
    let mut page = HEAD.to_owned();
    orders(&mut page, world);
    messages(&mut page, world);
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
        "<h2>Orders</h2><table><tr><th>Order</th><th>For</th><th>Amount</th><th>State</th><th></th></tr>",
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
            for (action, label) in [("pay", "Pay"), ("refuse", "Refuse")] {
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
    page.push_str("<h2>Messages to patients</h2><table><tr><th>When</th><th>To</th><th>Message</th></tr>");
    let templates = world
        .apps
        .values()
        .flat_map(|app| &app.sent)
        .map(|sent| (sent.at, sent.open_id.clone(), sent.text.clone()));
    let short = world.sms.iter().map(|sms| {
        let code = sms.code.as_ref().map(|code| format!(": {code}")).unwrap_or_default();
        (sms.at, sms.phone.clone(), format!("SMS {}{code}", sms.template))
    });
    let mut messages: Vec<_> = templates.chain(short).collect();
    messages.sort_by_key(|(at, ..)| std::cmp::Reverse(*at));
    for (at, to, text) in messages {
        let (to, text) = (escape(&to), escape(&text));
        add(page, format_args!("<tr><td>{}</td><td>{to}</td><td><pre>{text}</pre></td></tr>", beijing(at)));
    }
    page.push_str("</table>");
}

fn people(page: &mut String, world: &World) {
    page.push_str("<h2>People</h2><table><tr><th>Account</th><th>openid</th><th></th></tr>");
    for (app_id, app) in &world.apps {
        for person in &app.app.people {
            let (open_id, app_id) = (escape(&person.open_id), escape(app_id));
            let (value, label) = if person.follows { ("0", "Unfollow") } else { ("1", "Follow") };
            add(
                page,
                format_args!(
                    "<tr><td>{app_id}</td><td>{open_id}</td><td><form method=\"post\" action=\"/follow\">\
                 <input type=\"hidden\" name=\"app\" value=\"{app_id}\">\
                 <input type=\"hidden\" name=\"person\" value=\"{open_id}\">\
                 <input type=\"hidden\" name=\"follows\" value=\"{value}\"><button>{label}</button></form></td></tr>"
                ),
            );
        }
    }
    page.push_str("</table>");
}
