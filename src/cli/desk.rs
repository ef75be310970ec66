//! What a command works with: the use cases, the reader, the output; and how people, accounts and routers are found.

use std::net::SocketAddr;
use std::sync::Arc;

use super::Failure;
use super::output::Out;
use crate::clock::{Clock, SystemClock, Timestamp};
use crate::config::Config;
use crate::domain::account::{Account, name_key};
use crate::domain::audit::Actor;
use crate::domain::group::Group;
use crate::domain::router::Router;
use crate::domain::setting::Level;
use crate::domain::user::User;
use crate::entropy::{Entropy, SystemEntropy};
use crate::gate::{Gate, Listens};
use crate::open::open_store;
use crate::routeros::Fleet;
use crate::store::{Reader, Store};

/// The desk of one command.
pub(super) struct Desk {
    pub(super) gate: Arc<Gate>,
    pub(super) store: Store,
    /// The way to the API of routers; nothing is connected before a command asks for it.
    fleet: Arc<Fleet>,
}

/// Who works at the desk.
pub(super) const ACTOR: Actor = Actor::CommandLine;

impl Desk {
    pub(super) async fn open(config: &Config) -> Result<Desk, Failure> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
        let store = open_store(config, clock.as_ref(), entropy.clone()).await?;
        let gate = Gate::open(store.clone(), clock.clone(), entropy.clone()).await?;
        let fleet = Fleet::new(clock, entropy);
        gate.reach_routers(fleet.clone());
        let port = |addresses: &[SocketAddr]| addresses.first().map_or(0, SocketAddr::port);
        gate.listen_at(Listens {
            auth: port(&config.radius.auth_listen),
            acct: port(&config.radius.acct_listen),
            radsec: config.radius.radsec.as_ref().map(|radsec| port(&radsec.listen)),
        });
        Ok(Desk { gate, store, fleet })
    }

    pub(super) async fn close(&self) {
        self.fleet.close().await;
        self.store.close().await;
    }

    pub(super) fn reader(&self) -> &Reader {
        self.store.reader()
    }

    /// One line for whoever asked.
    pub(super) fn say(&self, line: &str) -> Result<(), Failure> {
        Out::standard().text(&format!("{line}\n"))
    }

    pub(super) async fn user(&self, telegram_id: i64) -> Result<User, Failure> {
        let user = self.reader().user_by_telegram(telegram_id).await?;
        user.ok_or_else(|| {
            Failure::because(format!("no user has the Telegram id {telegram_id}; see radgram user list"))
        })
    }

    pub(super) async fn account(&self, name: &str) -> Result<Account, Failure> {
        let unknown = || Failure::because(format!("no account is named {name:?}; see radgram account list"));
        let id = self.reader().account_id(&name_key(name.trim())).await?.ok_or_else(unknown)?;
        self.reader().account(id).await?.ok_or_else(unknown)
    }

    pub(super) async fn group(&self, name: &str) -> Result<Group, Failure> {
        let group = self.reader().group_named(name.trim()).await?;
        group.ok_or_else(|| Failure::because(format!("no group is named {name:?}; see radgram group list")))
    }

    pub(super) async fn router(&self, name: &str) -> Result<Router, Failure> {
        let key = name_key(name.trim());
        let routers = self.reader().routers().await?.routers;
        routers
            .into_iter()
            .find(|router| name_key(&router.name) == key)
            .ok_or_else(|| Failure::because(format!("no router is named {name:?}; see radgram router list")))
    }

    /// How points in time are shown: in the zone of the setting `time_zone`.
    pub(super) async fn times(&self) -> Result<Times, Failure> {
        let policy = self
            .reader()
            .settings()
            .await?
            .policy(&[Level::System])
            .map_err(|bad| Failure::because(bad.to_string()))?;
        Ok(Times(policy.time_zone))
    }
}

/// Points in time, for people.
pub(super) struct Times(jiff::tz::TimeZone);

impl Times {
    /// `2026-11-22 18:40:05` in the zone.
    pub(super) fn show(&self, at: Timestamp) -> String {
        instant(at).to_zoned(self.0.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string()
    }

    /// The same, or nothing.
    pub(super) fn show_some(&self, at: Option<Timestamp>) -> String {
        at.map(|at| self.show(at)).unwrap_or_default()
    }
}

/// RFC 3339 in UTC, for programs.
pub(super) fn rfc3339(at: Timestamp) -> String {
    instant(at).to_string()
}

fn instant(at: Timestamp) -> jiff::Timestamp {
    // Beyond the years that a calendar has, the nearest end of them.
    jiff::Timestamp::from_millisecond(at.millis()).unwrap_or(if at.millis() < 0 {
        jiff::Timestamp::MIN
    } else {
        jiff::Timestamp::MAX
    })
}
