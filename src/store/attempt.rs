//! Log-in attempts in SQL: verdict and reason of each, written in groups behind the replies.

use std::net::IpAddr;
use std::sync::LazyLock;

use super::error::Result;
use super::field::{Fields, each};
use super::rows::{Rows, Written};
use super::{LIST_ROWS, Reader, Tx};
use crate::clock::Timestamp;
use crate::domain::id::{AccountId, NasId, RouterId, SessionId, UserId};

/// One attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// When.
    pub at: Timestamp,
    /// Through which router.
    pub router: RouterId,
    /// From which address it asked.
    pub nas_address: IpAddr,
    /// Its NAS-Identifier.
    pub nas_identifier: String,
    /// Its NAS-IP-Address.
    pub nas_ip: Option<IpAddr>,
    /// Our address that it asked.
    pub server: Option<IpAddr>,
    /// User-Name, raw.
    pub user_name: Vec<u8>,
    /// The account, if there is one of that name.
    pub account: Option<AccountId>,
    /// Its person.
    pub user: Option<UserId>,
    /// The session that an Accept speaks of.
    pub session: Option<SessionId>,
    /// Calling-Station-Id.
    pub station: Option<String>,
    /// `pap`, `chap`, `mschapv1`, `mschapv2`, `none`.
    pub method: &'static str,
    /// What was answered.
    pub verdict: Verdict,
    /// Why not, in a word.
    pub reason: Option<&'static str>,
    /// Acct-Session-Id.
    pub acct_session_id: Option<String>,
}

/// What was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Access-Accept.
    Accept,
    /// Access-Reject.
    Reject,
    /// Nothing: the database could not be asked.
    Silence,
}

impl Verdict {
    /// The word in SQL and metrics.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Reject => "reject",
            Self::Silence => "silence",
        }
    }

    /// From the word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Accept, Self::Reject, Self::Silence].into_iter().find(|verdict| verdict.word() == word)
    }
}

/// A line of the list of attempts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptLine {
    /// When.
    pub at: Timestamp,
    /// Its router's name, if it is still there.
    pub router: Option<String>,
    /// From which address it asked.
    pub nas_address: String,
    /// User-Name, what of it is not UTF-8 replaced.
    pub user_name: String,
    /// Its person's name.
    pub person: Option<String>,
    /// Calling-Station-Id.
    pub station: Option<String>,
    /// The method.
    pub method: String,
    /// What was answered.
    pub verdict: Verdict,
    /// Why not, in a word.
    pub reason: Option<String>,
}

/// An Accept whose Start may still come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LateAccept {
    /// The box.
    pub nas: NasId,
    /// Acct-Session-Id.
    pub acct_session_id: String,
    /// User-Name, raw.
    pub user_name: Vec<u8>,
    /// NAS-IP-Address.
    pub nas_ip: Option<IpAddr>,
}

/// An Accept whose Start was never reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostStart {
    /// The session; `None` for an account without a person.
    pub session: Option<SessionId>,
    /// The account.
    pub account: Option<AccountId>,
    /// Source address of the request.
    pub nas_address: IpAddr,
    /// NAS-Identifier of the request.
    pub nas_identifier: String,
    /// User-Name of the request, raw.
    pub user_name: Vec<u8>,
}

static ADD: Written = LazyLock::new(|| {
    Rows::new(
        "insert into attempts (at, router_id, nas_address, nas_identifier, nas_ip, server_address, user_name, account_id,
         user_id, session_id, station, method, verdict, reason, acct_session_id) values {rows}",
        "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
});

/// Accepts that are looked at to find the one that a connection came of: boxes behind one router count alike.
const SAME_NUMBER: i64 = 64;

impl Tx {
    /// The Accepts that a connection with this number may have come of, given between two times, the last first.
    ///
    /// # Errors
    /// The database does not answer, or a row is corrupt.
    pub async fn lost_starts(
        &mut self,
        router: RouterId,
        acct_session_id: &str,
        (from, until): (Timestamp, Timestamp),
    ) -> Result<Vec<LostStart>> {
        let rows = sqlx::query(
            "select session_id, account_id, nas_address, nas_identifier, user_name from attempts
             where verdict = 'accept' and at >= $1 and at <= $2 and router_id = $3
             and lower(acct_session_id) = lower($4) order by at desc limit $5",
        )
        .bind(from.millis())
        .bind(until.millis())
        .bind(router.0)
        .bind(acct_session_id)
        .bind(SAME_NUMBER)
        .fetch_all(self.sql())
        .await?;
        each(&rows, |row| {
            let fields = Fields::of("attempts", row);
            Ok(LostStart {
                session: fields.maybe_int("session_id")?.map(SessionId),
                account: fields.maybe_int("account_id")?.map(AccountId),
                nas_address: fields.word("nas_address", |text| text.parse().ok())?,
                nas_identifier: fields.text("nas_identifier")?,
                user_name: fields.bytes("user_name")?,
            })
        })
    }

    /// Writes one attempt.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn add_attempt(&mut self, attempt: &Attempt) -> Result<()> {
        self.add_attempts(std::slice::from_ref(attempt)).await
    }

    /// Writes attempts.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn add_attempts(&mut self, attempts: &[Attempt]) -> Result<()> {
        for (statement, portion) in ADD.portions(self.backend, attempts) {
            let add = portion.iter().fold(sqlx::query(statement), |add, attempt| {
                add.bind(attempt.at.millis())
                    .bind(attempt.router.0)
                    .bind(attempt.nas_address.to_string())
                    .bind(&attempt.nas_identifier)
                    .bind(attempt.nas_ip.map(|address| address.to_string()))
                    .bind(attempt.server.map(|address| address.to_string()))
                    .bind(&attempt.user_name)
                    .bind(attempt.account.map(|account| account.0))
                    .bind(attempt.user.map(|user| user.0))
                    .bind(attempt.session.map(|session| session.0))
                    .bind(&attempt.station)
                    .bind(attempt.method)
                    .bind(attempt.verdict.word())
                    .bind(attempt.reason)
                    .bind(&attempt.acct_session_id)
            });
            add.execute(self.sql()).await?;
        }
        Ok(())
    }

    /// The Accepts of a session since `since` that no connection is known for yet.
    ///
    /// # Errors
    /// The database does not answer, or a row is corrupt.
    pub async fn late_accepts(&mut self, session: SessionId, since: Timestamp) -> Result<Vec<LateAccept>> {
        let rows = sqlx::query(
            "select t.id, n.id as nas_id, t.acct_session_id, t.user_name, t.nas_ip
             from attempts t join nas n
             on n.router_id = t.router_id and n.address = t.nas_address and n.identifier = t.nas_identifier
             where t.verdict = 'accept' and t.session_id = $1 and t.at >= $2 and t.acct_session_id is not null
             and not exists (select 1 from connections c where c.nas_id = n.id and c.acct_session_id = t.acct_session_id
             and c.session_id = t.session_id)",
        )
        .bind(session.0)
        .bind(since.millis())
        .fetch_all(self.sql())
        .await?;
        each(&rows, |row| {
            let fields = Fields::of("attempts", row);
            Ok(LateAccept {
                nas: NasId(fields.int("nas_id")?),
                acct_session_id: fields.text("acct_session_id")?,
                user_name: fields.bytes("user_name")?,
                nas_ip: fields.maybe_parsed("nas_ip")?,
            })
        })
    }

    /// Forgets attempts older than `before`; at most [`LIST_ROWS`] at a time.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn prune_attempts(&mut self, before: Timestamp) -> Result<u64> {
        let done = sqlx::query(
            "delete from attempts where id in (select id from attempts where at < $1 order by at limit $2)",
        )
        .bind(before.millis())
        .bind(LIST_ROWS)
        .execute(self.sql())
        .await?;
        Ok(done.rows_affected())
    }
}

impl Reader {
    /// How many attempts are kept.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn attempt_count(&self) -> Result<i64> {
        let row = sqlx::query("select cast(count(*) as bigint) as id from attempts")
            .fetch_one(&mut *self.connection().await?)
            .await?;
        Fields::of("attempts", &row).int("id")
    }

    /// The last attempts, newest first; at most [`LIST_ROWS`].
    ///
    /// # Errors
    /// The database does not answer, or a row is corrupt.
    pub async fn attempts(&self) -> Result<Vec<AttemptLine>> {
        let rows = sqlx::query(
            "select t.id, t.at, r.name as router, t.nas_address, t.user_name, u.name as person, t.station, t.method,
             t.verdict, t.reason
             from attempts t left join routers r on r.id = t.router_id left join users u on u.id = t.user_id
             order by t.at desc, t.id desc limit $1",
        )
        .bind(LIST_ROWS)
        .fetch_all(&mut *self.connection().await?)
        .await?;
        each(&rows, |row| {
            let fields = Fields::of("attempts", row);
            Ok(AttemptLine {
                at: fields.time("at")?,
                router: fields.maybe_text("router")?,
                nas_address: fields.text("nas_address")?,
                user_name: String::from_utf8_lossy(&fields.bytes("user_name")?).into_owned(),
                person: fields.maybe_text("person")?,
                station: fields.maybe_text("station")?,
                method: fields.text("method")?,
                verdict: fields.word("verdict", Verdict::from_word)?,
                reason: fields.maybe_text("reason")?,
            })
        })
    }
}
