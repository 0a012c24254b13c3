//! Ending the logins of an account.

use domain::{SessionId, TenantId, UserId};
use storage::{Commit, Scan, keys};

use super::super::error::ApiError;
use crate::app::App;

/// Adds to `commit` the end of every session of the account but `spared`; tells how many there are.
pub(super) fn end(
    app: &App,
    (tenant, user): (TenantId, UserId),
    spared: Option<SessionId>,
    commit: &mut Commit,
) -> Result<usize, ApiError> {
    let known =
        app.storage.scan_keys(&keys::sessions_of(tenant, user), Scan::ALL).map_err(ApiError::internal)?;
    let others = known.iter().filter_map(keys::session_parts).map(|(_, session)| session);
    let mut ended = 0;
    for session in others.filter(|session| Some(*session) != spared) {
        commit.delete(&keys::session(tenant, user, session));
        ended += 1;
    }
    Ok(ended)
}

/// Ends the sessions that began while [`end`] looked. Call it when the commit is made that changed the account's
/// record: a login requires the record as it was, so that none can begin any more that rests on it.
pub(super) async fn end_stragglers(
    app: &App,
    account: (TenantId, UserId),
    spared: Option<SessionId>,
) -> Result<(), ApiError> {
    loop {
        let mut commit = Commit::new();
        if end(app, account, spared, &mut commit)? == 0 {
            return Ok(());
        }
        app.storage.commit(commit).await?;
    }
}
