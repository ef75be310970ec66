//! Hearing: sessions hear of their fresh connections, which records left behind (`design` §2, §7).
//!
//! Mostly nothing more follows than that a connection is the session's, or is not any more: that is written for many accounts
//! in a few statements. Where something follows, a question, a cut, a rule on a router, the account is heard alone.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use tokio::time::Instant;

use super::Gate;
use super::door::door;
use super::lifecycle::missed;
use super::patience::written;
use super::policies::Policies;
use super::session::{Case, Ended};
use super::wanted::hangs_on_routers;
use crate::clock::Timestamp;
use crate::domain::audit::Actor;
use crate::domain::connection::{Authentic, Presence, Via};
use crate::domain::id::{AccountId, ConnectionId, UserId};
use crate::domain::policy::OverLimit;
use crate::domain::reason::Reason;
use crate::domain::session::{Applied, Event, Held, Passed, Session};
use crate::store::alarm::Raised;
use crate::store::connection::{ClassSeen, Connection, Kept, LOST};
use crate::store::entry::Entry;
use crate::store::hearing::Seen;
use crate::store::{Noun, StoreError, Tx};
use crate::text::{Arg, one_line};

/// Accounts that are heard in one transaction: some milliseconds, in which nobody else writes to SQLite.
const AT_ONCE: usize = 128;
/// Pages of fresh connections that are heard in one round: other due times wait for it.
const PAGES: usize = 10;
/// While records wait they have so many times as long to themselves as the last accounts took to hear, and no less than
/// [`RECORDS_FIRST`]: routers wait for them, and send them again.
const RECORDS_SHARE: u32 = 3;
/// Some commits of records.
const RECORDS_FIRST: Duration = Duration::from_millis(20);
/// No accounts wait longer than this, however long the last ones took.
const RECORDS_LAST: Duration = Duration::from_millis(200);
/// Other due times wait no longer than this for a round.
const ROUND: Duration = Duration::from_secs(5);

/// What a round of hearing came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Round {
    /// Accounts that could not hear.
    pub(super) failed: usize,
    /// Whether there may be more to hear of.
    pub(super) more: bool,
}

/// What hearing makes of an account of which nothing else follows.
struct One {
    session: Option<Session>,
    is_changed: bool,
    seen: Vec<Seen>,
    heard: Vec<ConnectionId>,
}

/// What it makes of many.
#[derive(Default)]
struct Usual {
    /// Sessions of which something is written, with when each next has something due.
    sessions: Vec<(Session, Timestamp)>,
    /// Accounts whose connections are others than before.
    changed: Vec<AccountId>,
    /// Connections that are confirmed without being asked about.
    seen: Vec<Seen>,
    /// Connections that were heard of.
    heard: Vec<ConnectionId>,
    /// The accounts as they are afterwards.
    left: Vec<Entry>,
}

impl Usual {
    fn add(&mut self, one: One, case: Case) {
        let Case { mut entry, policy } = case;
        let before = entry.session.take();
        entry.session = one.session.map(|mut session| {
            // As they are read: the oldest first.
            let place = |held: &Held| entry.open.iter().position(|open| open.id == held.id);
            session.connections.sort_by_key(place);
            session
        });
        if one.is_changed {
            self.changed.push(entry.account.id);
        }
        let written = |session: &Session| (session.state, session.ends_at, session.next_due(&policy));
        if before.as_ref().map(written) != entry.session.as_ref().map(written) {
            self.sessions.extend(entry.session.clone().map(|session| {
                let due = session.next_due(&policy);
                (session, due)
            }));
        }
        self.seen.extend(one.seen);
        self.heard.extend(one.heard);
        self.left.push(entry);
    }
}

impl Gate {
    /// Every session hears of its fresh connections.
    pub(super) async fn hear_everything(&self) -> Result<Round, StoreError> {
        let (mut failed, mut after) = (0, ConnectionId(0));
        let round = Instant::now();
        for _ in 0..PAGES {
            let fresh = self.reader().fresh_after(after).await?;
            let Some((last, _)) = fresh.last() else { return Ok(Round { failed, more: false }) };
            after = *last;
            let mut known = HashSet::new();
            let accounts: Vec<Option<AccountId>> =
                fresh.iter().map(|(_, account)| *account).filter(|account| known.insert(*account)).collect();
            for some in accounts.chunks(AT_ONCE) {
                if round.elapsed() > ROUND {
                    return Ok(Round { failed, more: true });
                }
                let began = Instant::now();
                failed += self.hear_some(some).await;
                if self.has_records_waiting() {
                    tokio::time::sleep((began.elapsed() * RECORDS_SHARE).clamp(RECORDS_FIRST, RECORDS_LAST)).await;
                }
            }
        }
        Ok(Round { failed, more: true })
    }

    /// Gives how many could not hear.
    async fn hear_some(&self, accounts: &[Option<AccountId>]) -> usize {
        let named: Vec<AccountId> = accounts.iter().copied().flatten().collect();
        let done = match self.hear_usual(&named).await {
            Ok(done) => done,
            // Each alone: what cannot be heard of one keeps no other back.
            Err(error) => {
                tracing::debug!(%error, "accounts are heard one by one");
                HashSet::new()
            }
        };
        let mut failed = 0;
        for account in accounts.iter().filter(|account| account.is_none_or(|account| !done.contains(&account))) {
            let done = written(|| self.hear_alone(*account)).await;
            failed += missed("an account cannot hear of its connections", *account, done);
        }
        failed
    }

    /// Those of the accounts hear of which nothing else follows; gives them.
    async fn hear_usual(&self, accounts: &[AccountId]) -> Result<HashSet<AccountId>, StoreError> {
        if accounts.is_empty() {
            return Ok(HashSet::new());
        }
        let mut tx = self.store.begin().await?;
        let usual = self.what_is_usual(&mut tx, accounts).await?;
        if usual.left.is_empty() {
            return Ok(HashSet::new());
        }
        let now = self.now();
        tx.save_heard(&usual.sessions, now).await?;
        tx.confirm_seen(&usual.seen).await?;
        tx.mark_heard(&usual.heard).await?;
        usual.changed.iter().for_each(|account| tx.touch(Noun::Account, account.0));
        let committed = tx.commit(now).await?;
        self.after(&committed);
        let done = usual.left.iter().map(|entry| entry.account.id).collect();
        // Their next log-ins find them in memory.
        if let Err(error) = self.directory.keep_all(usual.left, &committed).await {
            tracing::debug!(%error, "accounts that heard are not in memory before they are asked for");
        }
        Ok(done)
    }

    async fn what_is_usual(&self, tx: &mut Tx, accounts: &[AccountId]) -> Result<Usual, StoreError> {
        // The accounts first: what is read after them is held by this transaction. Then the connections, so that those which
        // they are counted with are in the entries.
        tx.hold_accounts(accounts).await?;
        let mut fresh: HashMap<Option<AccountId>, Vec<Connection>> = HashMap::new();
        for connection in tx.fresh_connections_of(accounts).await? {
            fresh.entry(connection.account).or_default().push(connection);
        }
        let entries = tx.entries(accounts).await?;
        let users: Vec<UserId> = entries.iter().filter_map(|entry| entry.account.user).collect();
        let policies = Policies::of(tx.settings_of(&users, accounts).await?)?;
        let routers = tx.reached_routers().await?;
        let wanting = tx.wanting(accounts).await?;
        let mut usual = Usual::default();
        for entry in entries {
            let account = entry.account.id;
            let fresh = fresh.remove(&Some(account)).unwrap_or_default();
            // Why it cannot be read is told when it is heard alone.
            let Ok(policy) = policies.of_entry(&entry) else { continue };
            let case = Case { entry, policy };
            let hangs = wanting.contains(&account) || hangs_on_routers(&case, &routers);
            if !hangs && let Some(one) = self.usual(&case, &fresh) {
                usual.add(one, case);
            }
        }
        Ok(usual)
    }

    /// What an account's session makes of its fresh connections, if nothing else follows from that.
    fn usual(&self, case: &Case, fresh: &[Connection]) -> Option<One> {
        let mut one =
            One { session: case.entry.session.clone(), is_changed: false, seen: Vec::new(), heard: Vec::new() };
        for connection in fresh {
            one.heard.push(connection.id);
            let its_own = one.session.as_ref().filter(|session| Some(session.id) == connection.session);
            match (its_own, connection.ended_at) {
                // The closing rule: it is looked at alone.
                (None, None) => return None,
                (None, Some(_)) => {}
                (Some(session), _) => {
                    let event = usual_event(case, connection)?;
                    if let Applied::Changed(next, effects) = session.apply(&event, &case.policy, self.now()) {
                        if !effects.is_empty() || !is_by_hearing(session, &next) {
                            return None;
                        }
                        one.seen.extend(self.newly_seen(case, session, &next)?);
                        (one.session, one.is_changed) = (Some(*next), true);
                    }
                }
            }
        }
        // One that waits for its question may be the next to be asked about.
        let is_asked =
            |session: &Session| session.connections.iter().any(|held| matches!(held.presence, Presence::Asked { .. }));
        if one.session.as_ref().is_some_and(is_asked) { None } else { Some(one) }
    }

    /// The connections that an event confirmed; `None` if it did something else to one.
    fn newly_seen(&self, case: &Case, before: &Session, next: &Session) -> Option<Vec<Seen>> {
        let mut seen = Vec::new();
        for held in &next.connections {
            let then = before.connections.iter().find(|other| other.id == held.id).map(|other| other.presence);
            match (then, held.presence) {
                (then, now) if then == Some(now) => {}
                (None | Some(Presence::NotAsked), Presence::Confirmed { at }) => {
                    seen.push(Seen { connection: held.id, at, runs_until: self.first_limit(case, next, held) });
                }
                (_, _) => return None,
            }
        }
        Some(seen)
    }

    /// An account hears, with all that follows.
    async fn hear_alone(&self, account: Option<AccountId>) -> Result<(), StoreError> {
        let mut tx = self.store.begin().await?;
        let mut ended = Ended::default();
        let case = match account {
            Some(account) => self.case(&mut tx, account).await?,
            None => None,
        };
        match case {
            Some(mut case) => {
                self.hear(&mut tx, &mut case, &mut ended).await?;
                // What hangs on its connections on routers is looked at, whatever its session makes of them.
                self.settle_wants(&mut tx, case.entry.account.id).await?;
            }
            None => self.hear_nobodys(&mut tx, account).await?,
        }
        self.commit(tx, ended).await?;
        Ok(())
    }

    /// The session of a case hears of the fresh connections of its account, in the order in which they were reported.
    pub(super) async fn hear(&self, tx: &mut Tx, case: &mut Case, ended: &mut Ended) -> Result<(), StoreError> {
        for connection in tx.fresh_connections(Some(case.entry.account.id)).await? {
            let its_own = case.entry.session.as_ref().is_some_and(|session| Some(session.id) == connection.session);
            if its_own {
                self.hear_of(tx, case, &connection, ended).await?;
            }
            let still_its_own =
                case.entry.session.as_ref().is_some_and(|session| Some(session.id) == connection.session);
            if connection.ended_at.is_none() && !still_its_own {
                self.close_or_alarm(tx, case, &connection).await?;
            }
            tx.mark_heard(&[connection.id]).await?;
        }
        self.ask_next(tx, case).await
    }

    /// The session hears of one connection of its own.
    async fn hear_of(
        &self,
        tx: &mut Tx,
        case: &mut Case,
        connection: &Connection,
        ended: &mut Ended,
    ) -> Result<(), StoreError> {
        let id = connection.id;
        let event = match connection.ended_at {
            Some(_) if connection.cause.as_deref() == Some(LOST) => Event::Lost(id),
            Some(_) => Event::Stopped(id),
            None if self.make_room(tx, case, connection).await? == Room::None => return Ok(()),
            None => match self.let_in_by_router(tx, case, connection, ended).await? {
                Ok(door) => Event::Seen { connection: id, place: connection.place(), door },
                Err(reason) => return self.cut(tx, connection, reason.word()).await,
            },
        };
        self.apply(tx, case, &event, &Actor::System, ended).await?;
        Ok(())
    }

    /// A connection of a router that decides by itself never stood at our door: it is judged now.
    async fn let_in_by_router(
        &self,
        tx: &mut Tx,
        case: &mut Case,
        connection: &Connection,
        ended: &mut Ended,
    ) -> Result<Result<Passed, Reason>, StoreError> {
        if connection.via == Via::Radius {
            return Ok(Ok(Passed::Admitted));
        }
        let place = connection.place();
        if let (Presence::NotAsked, Err(reason)) =
            (connection.presence, self.standing_now(tx, case, place.as_ref()).await?)
        {
            return Ok(Err(reason));
        }
        self.welcome(tx, case, place.as_ref(), ended).await.map(Ok)
    }

    /// A connection is up: those that it replaces are cut, or it is itself one too many and cut.
    async fn make_room(&self, tx: &mut Tx, case: &Case, connection: &Connection) -> Result<Room, StoreError> {
        let Some(limit) = door(case).most_connections() else { return Ok(Room::Made) };
        if connection.presence != Presence::NotAsked {
            return Ok(Room::Made);
        }
        let place = connection.place();
        let open = tx.open_connections(case.entry.account.id).await?;
        let (own, others): (Vec<&Connection>, Vec<&Connection>) = open
            .iter()
            .filter(|other| other.id != connection.id && other.id < connection.id)
            .partition(|other| place.is_some() && other.place() == place);
        let surplus = (own.len() + others.len() + 1).saturating_sub(limit);
        for replaced in own.iter().take(surplus) {
            self.cut(tx, replaced, "replaced").await?;
        }
        let surplus = surplus.saturating_sub(own.len());
        if surplus == 0 {
            return Ok(Room::Made);
        }
        if case.policy.over_limit == OverLimit::Replace {
            for replaced in others.iter().take(surplus) {
                self.cut(tx, replaced, "replaced").await?;
            }
            return Ok(Room::Made);
        }
        self.cut(tx, connection, "surplus").await?;
        Ok(Room::None)
    }

    /// The closing rule: a running connection whose Class names no open session is cut; one that never was ours raises
    /// an alarm.
    async fn close_or_alarm(&self, tx: &mut Tx, case: &Case, connection: &Connection) -> Result<(), StoreError> {
        if connection.kept == Kept::Yes {
            return Ok(());
        }
        if connection.class == ClassSeen::Ours && connection.session.is_none() && door(case).lets_machine_in() {
            return self.judge_machine(tx, case, connection).await;
        }
        // A router that decides by itself has let somebody in whose account was to be off there.
        let by_router = connection.via == Via::Api && connection.session.is_none();
        if connection.class == ClassSeen::None || by_router {
            self.alarm_no_session(tx, connection, None).await?;
        }
        if connection.class == ClassSeen::None && connection.authentic == Authentic::Local {
            return Ok(());
        }
        self.cut(tx, connection, "no_session").await
    }

    /// A machine's connection may be up without a session. One that a router let in by itself is judged now, and as long
    /// as it is up: its account is enabled there for whoever has its password.
    async fn judge_machine(&self, tx: &mut Tx, case: &Case, connection: &Connection) -> Result<(), StoreError> {
        if connection.via == Via::Radius {
            return Ok(());
        }
        match self.standing_now(tx, case, connection.place().as_ref()).await? {
            Ok(()) => Ok(()),
            Err(reason) => {
                self.alarm_no_session(tx, connection, Some(reason)).await?;
                self.cut(tx, connection, reason.word()).await
            }
        }
    }

    async fn hear_nobodys(&self, tx: &mut Tx, account: Option<AccountId>) -> Result<(), StoreError> {
        for connection in tx.fresh_connections(account).await? {
            if connection.ended_at.is_none() {
                self.void_lease(tx, &connection).await?;
                self.alarm_no_session(tx, &connection, None).await?;
                if connection.class == ClassSeen::Ours {
                    self.cut(tx, &connection, "no_session").await?;
                }
            }
            tx.mark_heard(&[connection.id]).await?;
        }
        Ok(())
    }

    async fn alarm_no_session(
        &self,
        tx: &mut Tx,
        connection: &Connection,
        refused: Option<Reason>,
    ) -> Result<(), StoreError> {
        let name = one_line(&String::from_utf8_lossy(&connection.user_name));
        let routers = tx.routers().await?;
        let router =
            routers.iter().find(|router| router.id == connection.router).map_or("?", |router| router.name.as_str());
        let how = match (refused, connection.via, connection.authentic) {
            (Some(reason), _, _) => reason.text(),
            (None, Via::Api, _) => "its account is enabled on the router, and was not to be",
            (None, Via::Radius, Authentic::Local) => "a secret on the router itself lets it in",
            (None, Via::Radius, Authentic::Radius) => "it was not accepted here",
        };
        let text = format!("{name} is connected on {router} without a session: {how}.");
        let subject = format!("{}/{name}", connection.router);
        if tx.raise("no_session", &subject, &text, self.now()).await? == Raised::New {
            let args = [("name", Arg::Text(&name)), ("router", Arg::Text(router))];
            self.tell_operators(tx, "operators-no-session", &args).await?;
        }
        Ok(())
    }
}

/// What a session hears of a connection of its own; `None` if more is to be looked at first.
fn usual_event(case: &Case, connection: &Connection) -> Option<Event> {
    let id = connection.id;
    match connection.ended_at {
        Some(_) if connection.cause.as_deref() == Some(LOST) => Some(Event::Lost(id)),
        Some(_) => Some(Event::Stopped(id)),
        None if connection.via != Via::Radius => None,
        None => {
            let older = case.entry.open.iter().filter(|other| other.id < id).count();
            let has_room = door(case).most_connections().is_none_or(|most| older < most);
            let event = Event::Seen { connection: id, place: connection.place(), door: Passed::Admitted };
            has_room.then_some(event)
        }
    }
}

/// Whether no more of a session has changed than what is written of those that heard.
fn is_by_hearing(before: &Session, next: &Session) -> bool {
    let heard =
        Session { state: next.state, ends_at: next.ends_at, connections: next.connections.clone(), ..before.clone() };
    next.is_open() && heard == *next
}

/// Whether a new connection may stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Room {
    /// It may.
    Made,
    /// It is one too many.
    None,
}

#[cfg(test)]
mod tests {
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::clock::Clock;
    use crate::domain::connection::{Record, Report};
    use crate::domain::setting::Level;
    use crate::domain::user::UserState;
    use crate::gate::class::Class;
    use crate::gate::directory::Found;
    use crate::gate::fixture::Site;

    /// Memory has the account as the database has it; nobody asks for it, so nobody else reads it.
    async fn is_remembered_as_it_is(site: &Site, account: AccountId) {
        site.gate.hear_everything().await.unwrap();
        let Some(Found::Account(known)) = site.gate.directory.recall(&["ann".to_owned()]) else {
            panic!("memory does not know it")
        };
        let read = site.gate.reader().entry(account).await.unwrap().unwrap();
        assert_eq!(Entry { as_of: 0, ..known.entry.clone() }, Entry { as_of: 0, ..read });
    }

    #[tokio::test]
    async fn what_was_heard_is_remembered_as_it_was_written() {
        let site = Site::new().await;
        site.start();
        tokio::spawn(site.gate.clone().follow_changes(CancellationToken::clone(&site.cancel)));
        let admin = Actor::CommandLine;
        let user = site.gate.add_user(&admin, 1001, "Ann Lee", UserState::Approved).await.unwrap();
        let account = site.gate.add_account(&admin, "ann", Some(user), None).await.unwrap();
        site.gate.set_setting(&admin, "connections_per_account", Level::System, "0").await.unwrap();
        let session = site.gate.grant_session(&admin, account, Duration::from_secs(3600)).await.unwrap();
        let class = Some(Class::Session(session).write(&site.gate.class_key));
        let told =
            [(Report::Start, 1), (Report::Start, 2), (Report::Interim, 1), (Report::Stop(None), 1), (Report::Start, 3)];
        for (report, number) in told {
            site.clock.advance(Duration::from_secs(1));
            let (arrived, station) = (site.clock.now(), Some(format!("203.0.113.{number}")));
            let record = Record { class: class.clone(), arrived, station, ..site.told(report, number) };
            site.report(record).await.unwrap();
            is_remembered_as_it_is(&site, account).await;
        }
        let held = site.gate.reader().session(session).await.unwrap().unwrap();
        assert_eq!(held.connections.len(), 2, "{held:?}");
    }
}
