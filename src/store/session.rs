//! Sessions and their callers in SQL.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::error::{Result, StoreError};
use super::field::{Fields, each};
use super::rows::{Rows, Written};
use super::{Backend, LIST_ROWS, Noun, Reader, Tx, connection};
use crate::clock::Timestamp;
use crate::domain::connection::Place;
use crate::domain::id::{AccountId, RouterId, SessionId, UserId};
use crate::domain::session::{Caller, EndReason, Held, Origin, Session, Standing, State};

/// A line of the list of sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionLine {
    /// The session, without callers and connections.
    pub session: Session,
    /// Its account's name.
    pub account_name: String,
    /// Its person's name.
    pub user_name: Option<String>,
    /// From where it is used: the callers of its open connections.
    pub stations: Vec<String>,
}

fn read(row: &AnyRow) -> Result<Session> {
    let fields = Fields::of("sessions", row);
    let state = match (fields.maybe_time("ended_at")?, fields.maybe_time("active_since")?) {
        (Some(at), _) => State::Ended { reason: fields.word("reason", EndReason::from_word)?, at },
        (None, Some(_)) => State::Active,
        (None, None) => State::Granted,
    };
    Ok(Session {
        id: SessionId(fields.int("id")?),
        account: AccountId(fields.int("account_id")?),
        user: fields.maybe_int("user_id")?.map(UserId),
        origin: fields.word("origin", Origin::from_word)?,
        state,
        created_at: fields.time("created_at")?,
        until: fields.time("until")?,
        ends_at: fields.maybe_time("ends_at")?,
        extensions: fields.small("extensions")?,
        reminded_for: fields.maybe_time("reminded_for")?,
        callers: Vec::new(),
        connections: Vec::new(),
    })
}

static OPEN_OF_EACH: Written = LazyLock::new(|| {
    Rows::new(
        "select id, account_id, user_id, origin, active_since, created_at, until, ends_at, extensions, reminded_for,
         reason, ended_at
         from sessions where account_id in ({rows}) and ended_at is null",
        "?",
    )
});

static CALLERS: Written = LazyLock::new(|| {
    Rows::new(
        "select session_id, router_id, station, standing from callers where session_id in ({rows}) order by at, station",
        "?",
    )
});

/// Sessions with their callers and connections.
async fn whole(sql: &mut AnyConnection, backend: Backend, rows: &[AnyRow]) -> Result<Vec<Session>> {
    let mut sessions = each(rows, read)?;
    let ids: Vec<i64> = sessions.iter().map(|session| session.id.0).collect();
    let mut callers: HashMap<i64, Vec<Caller>> = HashMap::new();
    for row in CALLERS.fetch(&mut *sql, backend, &ids).await? {
        let fields = Fields::of("callers", &row);
        callers.entry(fields.int("session_id")?).or_default().push(Caller {
            place: Place { router: RouterId(fields.int("router_id")?), station: fields.text("station")? },
            standing: fields.word("standing", Standing::from_word)?,
        });
    }
    let mut connections = connection::held_by_each(sql, backend, &ids).await?;
    for session in &mut sessions {
        session.callers = callers.remove(&session.id.0).unwrap_or_default();
        session.connections = connections.remove(&session.id).unwrap_or_default();
    }
    Ok(sessions)
}

/// The open sessions of accounts, by account.
pub(super) async fn open_of_each(
    sql: &mut AnyConnection,
    backend: Backend,
    accounts: &[i64],
) -> Result<HashMap<AccountId, Session>> {
    let rows = OPEN_OF_EACH.fetch(&mut *sql, backend, accounts).await?;
    let sessions = whole(sql, backend, &rows).await?;
    Ok(sessions.into_iter().map(|session| (session.account, session)).collect())
}

async fn open_of(sql: &mut AnyConnection, backend: Backend, account: AccountId) -> Result<Option<Session>> {
    Ok(open_of_each(sql, backend, &[account.0]).await?.remove(&account))
}

async fn by_id(sql: &mut AnyConnection, backend: Backend, id: SessionId) -> Result<Option<Session>> {
    let rows = sqlx::query(
        "select id, account_id, user_id, origin, active_since, created_at, until, ends_at, extensions, reminded_for,
         reason, ended_at
         from sessions where id = $1",
    )
    .bind(id.0)
    .fetch_all(&mut *sql)
    .await?;
    Ok(whole(sql, backend, &rows).await?.pop())
}

impl Reader {
    /// The session of this id, with its callers and connections.
    ///
    /// # Errors
    /// The database does not answer, or a row is corrupt.
    pub async fn session(&self, id: SessionId) -> Result<Option<Session>> {
        by_id(&mut *self.connection().await?, self.backend, id).await
    }

    /// The open session of an account.
    ///
    /// # Errors
    /// As [`Reader::session`].
    pub async fn open_session(&self, account: AccountId) -> Result<Option<Session>> {
        open_of(&mut *self.connection().await?, self.backend, account).await
    }

    /// The open sessions, the first to end first; at most [`LIST_ROWS`].
    ///
    /// # Errors
    /// As [`Reader::session`].
    pub async fn open_sessions(&self) -> Result<Vec<SessionLine>> {
        let mut sql = self.connection().await?;
        let rows = sqlx::query(
            "select s.id, s.account_id, s.user_id, s.origin, s.active_since, s.created_at, s.until, s.ends_at, s.extensions,
             s.reminded_for, s.reason, s.ended_at, a.name as account_name, u.name as user_name
             from sessions s join accounts a on a.id = s.account_id left join users u on u.id = s.user_id
             where s.ended_at is null order by s.until, s.id limit $1",
        )
        .bind(LIST_ROWS)
        .fetch_all(&mut *sql)
        .await?;
        let mut lines = each(&rows, |row| {
            let fields = Fields::of("sessions", row);
            Ok(SessionLine {
                session: read(row)?,
                account_name: fields.text("account_name")?,
                user_name: fields.maybe_text("user_name")?,
                stations: Vec::new(),
            })
        })?;
        let ids: Vec<i64> = lines.iter().map(|line| line.session.id.0).collect();
        let mut connections = connection::held_by_each(&mut sql, self.backend, &ids).await?;
        for line in &mut lines {
            line.session.connections = connections.remove(&line.session.id).unwrap_or_default();
            let station =
                |held: &Held| held.place.as_ref().map_or_else(|| "?".to_owned(), |place| place.station.clone());
            line.stations = line.session.connections.iter().map(station).collect();
        }
        Ok(lines)
    }

    /// The accounts that have an open session.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn accounts_in_session(&self) -> Result<HashSet<AccountId>> {
        let rows = sqlx::query("select id, account_id from sessions where ended_at is null")
            .fetch_all(&mut *self.connection().await?)
            .await?;
        rows.iter().map(|row| Fields::of("sessions", row).int("account_id").map(AccountId)).collect()
    }

    /// The last sessions of a person, newest first, with their accounts' names; at most `limit`.
    ///
    /// # Errors
    /// As [`Reader::session`].
    pub async fn sessions_of(&self, user: UserId, limit: i64) -> Result<Vec<(Session, String)>> {
        let rows = sqlx::query(
            "select s.id, s.account_id, s.user_id, s.origin, s.active_since, s.created_at, s.until, s.ends_at, s.extensions,
             s.reminded_for, s.reason, s.ended_at, a.name as account_name
             from sessions s join accounts a on a.id = s.account_id
             where s.user_id = $1 order by s.created_at desc, s.id desc limit $2",
        )
        .bind(user.0)
        .bind(limit)
        .fetch_all(&mut *self.connection().await?)
        .await?;
        each(&rows, |row| Ok((read(row)?, Fields::of("sessions", row).text("account_name")?)))
    }
}

/// A session to be added.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// Whose log-in.
    pub account: AccountId,
    /// Whose yes.
    pub user: Option<UserId>,
    /// How it comes to be.
    pub origin: Origin,
    /// Its limit.
    pub until: Timestamp,
    /// The confirmed caller of a knock.
    pub caller: Option<Place>,
    /// When it next has something due.
    pub due: Timestamp,
}

impl Tx {
    /// The session of this id.
    ///
    /// # Errors
    /// As [`Reader::session`].
    pub async fn session(&mut self, id: SessionId) -> Result<Option<Session>> {
        by_id(&mut self.inner, self.backend, id).await
    }

    /// The open session of an account.
    ///
    /// # Errors
    /// As [`Reader::session`].
    pub async fn open_session(&mut self, account: AccountId) -> Result<Option<Session>> {
        open_of(&mut self.inner, self.backend, account).await
    }

    /// Adds a session.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if the account has an open one.
    pub async fn add_session(&mut self, new: &NewSession, now: Timestamp) -> Result<Session> {
        let row = sqlx::query(
            "insert into sessions (account_id, user_id, origin, created_at, until, due_at) values ($1, $2, $3, $4, $5, $6)
             returning id, account_id, user_id, origin, active_since, created_at, until, ends_at, extensions,
             reminded_for, reason, ended_at",
        )
        .bind(new.account.0)
        .bind(new.user.map(|user| user.0))
        .bind(new.origin.word())
        .bind(now.millis())
        .bind(new.until.millis())
        .bind(new.due.millis())
        .fetch_one(self.sql())
        .await?;
        let mut session = read(&row)?;
        if let Some(place) = &new.caller {
            session.callers = vec![Caller { place: place.clone(), standing: Standing::Confirmed }];
            self.save_callers(&session, now).await?;
        }
        self.touch(Noun::Account, new.account.0);
        self.touch(Noun::Work, 0);
        Ok(session)
    }

    /// Writes a changed session with its callers, if it is still open; `due` is when it next has something due.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if it was ended meanwhile.
    pub async fn save_session(&mut self, session: &Session, due: Timestamp, now: Timestamp) -> Result<()> {
        let (reason, ended_at) = match session.state {
            State::Ended { reason, at } => (Some(reason.word()), Some(at.millis())),
            State::Granted | State::Active => (None, None),
        };
        let active = (session.state == State::Active).then_some(now.millis());
        let done = sqlx::query(
            "update sessions set active_since = coalesce(active_since, $1), until = $2, ends_at = $3, extensions = $4,
             reason = $5, ended_at = $6, reminded_for = $7, due_at = $8, created_at = $9, version = version + 1
             where id = $10 and ended_at is null",
        )
        .bind(active)
        .bind(session.until.millis())
        .bind(session.ends_at.map(Timestamp::millis))
        .bind(i64::from(session.extensions))
        .bind(reason)
        .bind(ended_at)
        .bind(session.reminded_for.map(Timestamp::millis))
        .bind(due.millis())
        .bind(session.created_at.millis())
        .bind(session.id.0)
        .execute(self.sql())
        .await?;
        if done.rows_affected() != 1 {
            return Err(StoreError::Conflict);
        }
        self.save_callers(session, now).await?;
        self.touch(Noun::Account, session.account.0);
        self.touch(Noun::Work, 0);
        Ok(())
    }

    /// A session knows a caller no more.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn forget_caller(&mut self, session: SessionId, place: &Place) -> Result<()> {
        sqlx::query("delete from callers where session_id = $1 and router_id = $2 and station = $3")
            .bind(session.0)
            .bind(place.router.0)
            .bind(&place.station)
            .execute(self.sql())
            .await?;
        Ok(())
    }

    async fn save_callers(&mut self, session: &Session, now: Timestamp) -> Result<()> {
        for caller in &session.callers {
            sqlx::query(
                "insert into callers (session_id, router_id, station, standing, at) values ($1, $2, $3, $4, $5)
                 on conflict (session_id, router_id, station) do update set standing = excluded.standing",
            )
            .bind(session.id.0)
            .bind(caller.place.router.0)
            .bind(&caller.place.station)
            .bind(caller.standing.word())
            .bind(now.millis())
            .execute(self.sql())
            .await?;
        }
        Ok(())
    }

    /// Makes the open session of an account due at `now`, so that its next due time is computed anew: its policy is another.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn make_due(&mut self, account: AccountId, now: Timestamp) -> Result<()> {
        sqlx::query("update sessions set due_at = $1 where account_id = $2 and ended_at is null and due_at > $1")
            .bind(now.millis())
            .bind(account.0)
            .execute(self.sql())
            .await?;
        self.touch(Noun::Work, 0);
        Ok(())
    }

    /// Makes every open session due at `now`, so that its next due time is computed anew: the policy changed.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn make_all_due(&mut self, now: Timestamp) -> Result<()> {
        sqlx::query("update sessions set due_at = $1 where ended_at is null and due_at > $1")
            .bind(now.millis())
            .execute(self.sql())
            .await?;
        self.touch(Noun::Work, 0);
        Ok(())
    }

    /// Forgets sessions that ended before `before`; at most [`LIST_ROWS`] at a time.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn prune_sessions(&mut self, before: Timestamp) -> Result<u64> {
        let done = sqlx::query(
            "delete from sessions where id in (select id from sessions where ended_at < $1 order by ended_at limit $2)",
        )
        .bind(before.millis())
        .bind(LIST_ROWS)
        .execute(self.sql())
        .await?;
        Ok(done.rows_affected())
    }
}

impl Reader {
    /// The accounts whose open sessions have something due at `now`; at most [`LIST_ROWS`].
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn due_sessions(&self, now: Timestamp) -> Result<Vec<AccountId>> {
        let rows = sqlx::query(
            "select id, account_id from sessions where ended_at is null and due_at <= $1 order by due_at limit $2",
        )
        .bind(now.millis())
        .bind(LIST_ROWS)
        .fetch_all(&mut *self.connection().await?)
        .await?;
        each(&rows, |row| Fields::of("sessions", row).int("account_id").map(AccountId))
    }

    /// When the next session has something due.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn next_due_session(&self) -> Result<Option<Timestamp>> {
        let row = sqlx::query("select min(due_at) as due_at from sessions where ended_at is null")
            .fetch_one(&mut *self.connection().await?)
            .await?;
        Fields::of("sessions", &row).maybe_time("due_at")
    }

    /// How many sessions are open.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn open_session_count(&self) -> Result<i64> {
        let row = sqlx::query("select cast(count(*) as bigint) as id from sessions where ended_at is null")
            .fetch_one(&mut *self.connection().await?)
            .await?;
        Fields::of("sessions", &row).int("id")
    }
}
