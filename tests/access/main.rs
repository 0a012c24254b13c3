//! T15: who may call what, walked over every route of the server, with two clinics.
//!
//! A route without a row here fails the test. Each row is asked for by everybody who may not, which changes nothing, and
//! then succeeds for who may: a refusal that comes for another reason would otherwise go unnoticed. What is somebody
//! else's, another account's or another clinic's, is answered exactly as what does not exist.

use std::collections::BTreeSet;
use std::io;

use harness::folder::Folder;
use pati_service::http::routes;
use rows::{Caller, Row, Who};
use world::World;

#[path = "../harness/mod.rs"]
mod harness;
#[expect(unreachable_pub, reason = "a module of a test crate")]
mod rows;
#[expect(unreachable_pub, reason = "a module of a test crate")]
mod world;

/// Seen to fail when a route had no row, when `books` forgot to ask for a token, when a booking was looked up without
/// its owner, when the tenant of the header was not compared with that of the token, and when `Admin` admitted the desk.
#[tokio::test]
async fn every_route_is_for_whom_it_is_for() -> io::Result<()> {
    let table = || [rows::PATIENTS, rows::STAFF, rows::WECHAT].into_iter().flatten();
    let served: BTreeSet<_> =
        routes::contract().iter().map(|route| (route.method.to_string(), route.path.to_owned())).collect();
    let rows: BTreeSet<_> = table().map(|row| (row.method.to_owned(), row.path.to_owned())).collect();
    assert_eq!(served, rows, "routes on the left, rows on the right");

    let folder = Folder::new();
    let mut world = World::new(&folder).await?;
    for row in table() {
        world.prepare(row).await?;
        let ids = world.ids.clone();
        if row.who == Who::Anyone {
            world.ask(row, &ids, &[("tenantId", "77")]).await?.refused(404, "0404");
            world.ask(row, &ids, &[("tenantId", "1")]).await?.data();
            continue;
        }
        world.refuses_others(row).await?;
        if row.owned {
            world.hides_what_is_owned(row).await?;
        }
        let token = world.token_for(row).to_owned();
        world.ask(row, &ids, &[("token", &token)]).await?.data();
    }
    world.clinic.stop();
    Ok(())
}

impl World {
    /// The token of who calls when the row is to succeed.
    fn token_for(&self, row: &Row) -> &str {
        match (row.who, row.caller) {
            (Who::Anyone, _) => "",
            (Who::Patient, Caller::Owner) => &self.owner,
            (Who::Patient, Caller::Leaver) => &self.leaver,
            (Who::Patient, Caller::Guest) => &self.guest,
            (Who::LoggedIn, _) => &self.owner,
            (Who::Staff, Caller::Owner) => &self.doctor,
            (Who::Desk, Caller::Owner) => &self.desk,
            (Who::Admin, Caller::Owner) => &self.admin,
            (Who::Staff | Who::Desk | Who::Admin, Caller::Leaver) => &self.desk_leaver,
            (Who::Staff | Who::Desk | Who::Admin, Caller::Guest) => &self.desk_guest,
        }
    }
}
