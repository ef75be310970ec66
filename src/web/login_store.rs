//! Web log-ins for tower-sessions: kept by the gate under a hash of their token.
//!
//! tower-sessions alone, without axum-login: what a page wants to know of its operator (role, and whether the log-in is
//! older than the last change of password) is one look in [`super::visit`], and axum-login would add a trait family to it.

use std::fmt;

use async_trait::async_trait;
use sha2::{Digest, Sha256};
use tower_sessions::cookie::SameSite;
use tower_sessions::cookie::time::{Duration as CookieDuration, OffsetDateTime};
use tower_sessions::session::{Id, Record};
use tower_sessions::session_store::{Error, Result};
use tower_sessions::{Expiry, SessionManagerLayer, SessionStore};

use super::visit::{IDLE, LoggedIn};
use super::{Scheme, WebState};
use crate::crypto::hex;
use crate::domain::id::OperatorId;
use crate::gate::login::Logins;
use crate::store::StoreError;
use crate::store::operator::NewLogin;

/// Tokens of 128 bits that are tried until one is free; a second is never needed.
const TRIES: usize = 3;

/// The layer that reads and writes the cookie.
pub(super) fn layer(state: &WebState) -> SessionManagerLayer<LoginStore> {
    let store = LoginStore { logins: state.gate().logins().clone() };
    let idle = CookieDuration::try_from(IDLE).unwrap_or(CookieDuration::HOUR);
    // With the prefix, browsers take the cookie over HTTPS only, and from this very host.
    let (name, secure) = match state.config().scheme {
        Scheme::Plain => ("radgram", false),
        Scheme::Tls => ("__Host-radgram", true),
    };
    SessionManagerLayer::new(store)
        .with_name(name)
        .with_secure(secure)
        .with_http_only(true)
        .with_same_site(SameSite::Strict)
        .with_path("/")
        .with_expiry(Expiry::OnInactivity(idle))
}

/// Keeps web log-ins in the database.
#[derive(Clone)]
pub(super) struct LoginStore {
    logins: Logins,
}

impl fmt::Debug for LoginStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("LoginStore")
    }
}

/// The token itself is never stored: who reads the database cannot log in with it.
fn token_hash(id: &Id) -> String {
    hex::encode(&Sha256::digest(id.0.to_be_bytes()))
}

fn backend(error: &StoreError) -> Error {
    Error::Backend(error.to_string())
}

impl LoginStore {
    async fn write(&self, record: &Record, form: Form) -> std::result::Result<(), WriteError> {
        let data = serde_json::to_string(&record.data).map_err(|error| Error::Encode(error.to_string()))?;
        let logged_in: Option<LoggedIn> =
            record.data.get(LoggedIn::KEY).and_then(|value| serde_json::from_value(value.clone()).ok());
        let login = NewLogin {
            token_hash: &token_hash(&record.id),
            operator: logged_in.map(|login| OperatorId(login.operator)),
            data: &data,
            expires_at: self.logins.now() + IDLE,
        };
        match form {
            Form::New => self.logins.add_login(&login).await?,
            Form::Known => self.logins.change_login(&login).await?,
        }
        Ok(())
    }
}

#[derive(Clone, Copy)]
enum Form {
    New,
    Known,
}

enum WriteError {
    Session(Error),
    Store(StoreError),
}

impl From<Error> for WriteError {
    fn from(error: Error) -> Self {
        Self::Session(error)
    }
}

impl From<StoreError> for WriteError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<WriteError> for Error {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Session(error) => error,
            WriteError::Store(error) => backend(&error),
        }
    }
}

#[async_trait]
impl SessionStore for LoginStore {
    async fn create(&self, record: &mut Record) -> Result<()> {
        for _ in 0..TRIES {
            match self.write(record, Form::New).await {
                Err(WriteError::Store(StoreError::Conflict)) => record.id = Id::default(),
                done => return Ok(done?),
            }
        }
        Err(Error::Backend("no free token was found".to_owned()))
    }

    async fn save(&self, record: &Record) -> Result<()> {
        Ok(self.write(record, Form::Known).await?)
    }

    async fn load(&self, id: &Id) -> Result<Option<Record>> {
        let Some(row) = self.logins.login(&token_hash(id)).await.map_err(|error| backend(&error))? else {
            return Ok(None);
        };
        let data = serde_json::from_str(&row.data).map_err(|error| Error::Decode(error.to_string()))?;
        let expiry_date = OffsetDateTime::from_unix_timestamp(row.expires_at.millis() / 1000)
            .map_err(|error| Error::Decode(error.to_string()))?;
        Ok(Some(Record { id: *id, data, expiry_date }))
    }

    async fn delete(&self, id: &Id) -> Result<()> {
        self.logins.end_login(&token_hash(id)).await.map_err(|error| backend(&error))
    }
}
