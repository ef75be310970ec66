//! Operators and home servers: which one a router has, and whose passwords are kept there.

use std::net::SocketAddr;
use std::time::Duration;

use super::super::session::Ended;
use super::super::{Gate, Refused};
use super::router::{checked_secret, router};
use crate::domain::account::Source;
use crate::domain::audit::Actor;
use crate::domain::home::{Home, TRY_MS};
use crate::domain::id::{AccountId, RouterId};
use crate::domain::router::Demand;
use crate::secret::Secret;
use crate::store::audit::Deed;

/// A home server as an operator gives it.
#[derive(Debug, Clone)]
pub struct HomeForm {
    /// Where it is.
    pub address: SocketAddr,
    /// The secret that it shares with us; `None` keeps what there is.
    pub secret: Option<Secret>,
    /// How long each of two tries is waited for.
    pub timeout: Duration,
    /// Whether its answers must carry a Message-Authenticator.
    pub message_authenticator: Demand,
}

impl Gate {
    /// Gives a router a home server, or takes it away.
    ///
    /// # Errors
    /// No such router; at the field: no secret or a bad one, a bad wait.
    pub async fn set_router_home(&self, actor: &Actor, id: RouterId, form: Option<&HomeForm>) -> Result<(), Refused> {
        let mut tx = self.store.begin().await?;
        let before = router(&mut tx, id).await?;
        let home = form.map(|form| checked(form, before.home.as_deref())).transpose()?;
        if home.is_none() && before.home.is_none() {
            return Err(Refused::conflict("the router has no home server"));
        }
        tx.set_router_home(id, home.as_ref()).await?;
        let detail = match &home {
            Some(home) => format!("{}: home server {}", before.name, home.address),
            None => format!("{}: no home server", before.name),
        };
        let deed = Deed { noun: "router", subject: id.0, verb: "home", detail: &detail };
        self.finish(tx, actor, deed, Ended::default()).await?;
        if let Err(error) = self.directory.read_routers().await {
            // What follows the changes reads them, too, a moment later.
            tracing::warn!(%error, "the routers cannot be read again");
        }
        Ok(())
    }

    /// Says where the password of an account is kept; its session is revoked, for another password opens it from now on.
    ///
    /// # Errors
    /// No such account, it is so already, or `adopted`, which only adopting makes.
    pub async fn set_source(&self, actor: &Actor, id: AccountId, source: Source) -> Result<(), Refused> {
        if source == Source::Adopted {
            return Err(Refused::field("source", "expected user_manager or local; adopting makes accounts adopted"));
        }
        let mut tx = self.store.begin().await?;
        tx.hold_account(id).await?;
        let account = tx.account(id).await?.ok_or(Refused::NotFound("no such account"))?;
        if account.source == source {
            return Err(Refused::conflict(format!("its password is kept so already: {}", source.word())));
        }
        let mut ended = Ended::default();
        self.revoke(&mut tx, id, actor, &mut ended).await?;
        tx.set_source(id, source).await?;
        let detail = format!("{}: {}", account.name, source.word());
        self.finish(tx, actor, Deed { noun: "account", subject: id.0, verb: "source", detail: &detail }, ended).await
    }
}

fn checked(form: &HomeForm, before: Option<&Home>) -> Result<Home, Refused> {
    let secret = match (&form.secret, before) {
        (Some(secret), _) => secret.clone(),
        // A secret that was given for one place is not used at another.
        (None, Some(before)) if before.address == form.address => before.secret.clone(),
        (None, _) => return Err(Refused::field("home_secret", "the home server's secret is missing")),
    };
    checked_secret(&secret, "home_secret")?;
    let in_range = u32::try_from(form.timeout.as_millis()).is_ok_and(|ms| TRY_MS.contains(&ms));
    if !in_range {
        return Err(Refused::field("home_timeout_ms", "expected 50 to 30000 ms"));
    }
    Ok(Home { address: form.address, secret, timeout: form.timeout, message_authenticator: form.message_authenticator })
}
