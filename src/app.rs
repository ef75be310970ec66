//! The wiring: builds everything from the configuration in one function, runs it, stops it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::{Clock, HeldClock};
use crate::config::{self, Config};
use crate::domain::id::AccountId;
use crate::entropy::Entropy;
use crate::gate::directory::AT_START;
use crate::gate::ports::Asker;
use crate::gate::{BotState, Gate, Listens};
use crate::open::open_store;
use crate::radius::radsec::{Lines, Tls};
use crate::radius::{Cutters, Listener};
use crate::routeros::Fleet;
use crate::store::Store;
use crate::{radius, telegram, web};

/// What runs is let finish this long at a stop; then it is left to the next start, which loses nothing.
const FAREWELL: Duration = Duration::from_secs(10);
/// A running server.
pub struct App {
    /// The use cases.
    pub gate: Arc<Gate>,
    /// Where log-ins are taken, in the order of the configuration.
    pub auth: Vec<SocketAddr>,
    /// Where accounting is taken.
    pub acct: Vec<SocketAddr>,
    /// Where both are taken over TLS; empty if nowhere.
    pub radsec: Vec<SocketAddr>,
    /// Where the web UI is.
    pub web: SocketAddr,
    fleet: Arc<Fleet>,
    tracker: TaskTracker,
    cancel: CancellationToken,
}

/// Runs the server until SIGINT or SIGTERM.
///
/// # Errors
/// Something could not be built: a bad key, no database, an address that is taken.
pub async fn run(config: Config, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> anyhow::Result<()> {
    let app = App::start(&config, clock, entropy).await?;
    tracing::info!(auth = ?app.auth, acct = ?app.acct, radsec = ?app.radsec, web = %app.web, "serving");
    tell_service_manager(Told::Ready);
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be waited for")?;
    tokio::select! {
        _ = terminate.recv() => {}
        interrupted = tokio::signal::ctrl_c() => interrupted.context("SIGINT cannot be waited for")?,
    }
    tracing::info!("stopping");
    tell_service_manager(Told::Stopping);
    app.stop().await;
    Ok(())
}

impl App {
    /// Builds and starts everything; ready when it returns.
    ///
    /// # Errors
    /// As [`run`].
    pub async fn start(config: &Config, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> anyhow::Result<App> {
        let (tracker, cancel) = (TaskTracker::new(), CancellationToken::new());
        let app = Self::build(config, clock, entropy, (&tracker, &cancel)).await;
        tracker.close();
        if app.is_err() {
            // What was started before the failure ends before the runtime does.
            end(&tracker, &cancel).await;
        }
        app
    }

    async fn build(
        config: &Config,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        (tracker, cancel): (&TaskTracker, &CancellationToken),
    ) -> anyhow::Result<App> {
        let store = open_store(config, clock.as_ref(), entropy.clone()).await?;
        let beside =
            || format!("{}: the file beside it, with -spool behind its name, cannot be opened", config.database.url);
        store.open_for_records().await.with_context(beside)?;
        tracker.spawn(count_tables(store.clone()));
        let highest = store.reader().mark("clock").await?.unwrap_or(0);
        let clock: Arc<dyn Clock> = Arc::new(HeldClock::new(clock, crate::clock::Timestamp::from_millis(highest)));
        let gate = Gate::open(store, clock, entropy.clone()).await?;
        let warmed = gate.directory().warm(AccountId(0), AT_START).await?;
        gate.start(tracker, cancel);
        let fleet = Fleet::new(gate.clock().clone(), entropy.clone());
        gate.start_reaching(fleet.clone(), tracker, cancel);
        let lines = Arc::<Lines>::default();
        gate.start_enforcing(Arc::new(Cutters::new(gate.clone()).over(&lines)), tracker, cancel);

        let (auth, auth_addresses) = listen(&config.radius.auth_listen, "auth_listen")?;
        let (acct, acct_addresses) = listen(&config.radius.acct_listen, "acct_listen")?;
        let port = |addresses: &[SocketAddr]| addresses.first().map_or(0, SocketAddr::port);
        let radsec = config.radius.radsec.as_ref().map(listen_for_radsec).transpose()?;
        let radsec_addresses = radsec.iter().flat_map(|(_, addresses, _)| addresses.clone()).collect::<Vec<_>>();
        gate.listen_at(Listens {
            auth: port(&auth_addresses),
            acct: port(&acct_addresses),
            radsec: radsec_addresses.first().map(SocketAddr::port),
        });
        let server = radius::serve(&gate, auth, acct, tracker, cancel);
        if let Some((listeners, _, tls)) = radsec {
            radius::radsec::serve(&server, listeners, tls, &lines);
        }
        if let Some(last) = warmed {
            let (gate, cancel) = (gate.clone(), cancel.clone());
            tracker.spawn(async move { cancel.run_until_cancelled(gate.directory().warm_rest(last)).await });
        }
        let web = start_web(config, &gate, tracker, cancel).await?;
        start_bot(config, &gate, tracker, cancel)?;
        Ok(App {
            gate,
            fleet,
            auth: auth_addresses,
            acct: acct_addresses,
            radsec: radsec_addresses,
            web,
            tracker: tracker.clone(),
            cancel: cancel.clone(),
        })
    }

    /// Stops gracefully: nothing new is taken, what runs is let finish, leadership is given up.
    pub async fn stop(self) {
        end(&self.tracker, &self.cancel).await;
        self.fleet.close().await;
        self.gate.close().await;
    }
}

async fn count_tables(store: Store) {
    if let Err(error) = store.count_tables().await {
        tracing::debug!(%error, "the database counts its tables when it thinks fit");
    }
}

/// Tells everything to end, and waits for it as long as [`FAREWELL`].
async fn end(tracker: &TaskTracker, cancel: &CancellationToken) {
    cancel.cancel();
    if tokio::time::timeout(FAREWELL, tracker.wait()).await.is_err() {
        tracing::warn!("not everything ended in time");
    }
}

/// The sockets, and the addresses in the order of the configuration.
fn listen(addresses: &[SocketAddr], key: &str) -> anyhow::Result<(Vec<Listener>, Vec<SocketAddr>)> {
    let (mut listeners, mut bound) = (Vec::new(), Vec::new());
    for address in addresses {
        let each =
            Listener::bind_each(*address).with_context(|| format!("[radius] {key}: {address} cannot be used"))?;
        bound.extend(each.first().map(Listener::local_addr));
        listeners.extend(each);
    }
    Ok((listeners, bound))
}

fn listen_for_radsec(config: &config::Radsec) -> anyhow::Result<(Vec<TcpListener>, Vec<SocketAddr>, Tls)> {
    let tls = Tls::read(&config.cert, &config.key, &config.client_ca).context("[radius]")?;
    let (mut listeners, mut bound) = (Vec::new(), Vec::new());
    for address in &config.listen {
        let refused = || format!("[radius] radsec_listen: {address} cannot be used");
        let listener = radius::radsec::bind(*address).with_context(refused)?;
        bound.push(listener.local_addr().with_context(refused)?);
        listeners.push(listener);
    }
    Ok((listeners, bound, tls))
}

async fn start_web(
    config: &Config,
    gate: &Arc<Gate>,
    tracker: &TaskTracker,
    cancel: &CancellationToken,
) -> anyhow::Result<SocketAddr> {
    let address = config.web.listen;
    let listener =
        TcpListener::bind(address).await.with_context(|| format!("[web] listen: {address} cannot be used"))?;
    let bound = listener.local_addr().context("[web] listen")?;
    let state = web::WebState::new(
        gate.clone(),
        web::WebConfig {
            scheme: if config.web.trusted_proxies.is_empty() { web::Scheme::Plain } else { web::Scheme::Tls },
            trusted_proxies: config.web.trusted_proxies.clone(),
            metrics_from: config.web.metrics_from.clone(),
        },
    );
    let serve = web::serve(listener, web::router(state.clone()), cancel.clone());
    tracker.spawn(async move {
        if let Err(error) = serve.await {
            tracing::error!(%error, "the web UI has stopped");
        }
        state.settled().await;
    });
    Ok(bound)
}

/// Without a token the bot is off: nothing is fetched, and messages wait in the outbox.
fn start_bot(
    config: &Config,
    gate: &Arc<Gate>,
    tracker: &TaskTracker,
    cancel: &CancellationToken,
) -> anyhow::Result<()> {
    let Some(token) = &config.telegram.token else {
        gate.bot_channel().send_replace(BotState::Off);
        return Ok(());
    };
    let bot = telegram::Bot::new(token, &config.telegram.api_url, config.telegram.proxy.expose())
        .context("[telegram] api_url, proxy")?;
    let sender: Arc<dyn Asker> = Arc::new(telegram::Sender::new(bot.clone()));
    gate.start_posting(sender, tracker, cancel);
    let poller = telegram::Poller {
        bot,
        updates: gate.clone(),
        texts: gate.texts().clone(),
        language: gate.directory().system_policy().language,
        clock: gate.clock().clone(),
        entropy: gate.entropy().clone(),
        state: gate.bot_channel(),
    };
    tracker.spawn(poller.run(cancel.clone()));
    Ok(())
}

/// What the service manager is told.
#[derive(Debug, Clone, Copy)]
enum Told {
    Ready,
    Stopping,
}

fn tell_service_manager(told: Told) {
    #[cfg(target_os = "linux")]
    {
        let state = match told {
            Told::Ready => sd_notify::NotifyState::Ready,
            Told::Stopping => sd_notify::NotifyState::Stopping,
        };
        // Started by hand there is nobody to tell.
        if let Err(error) = sd_notify::notify(&[state]) {
            tracing::debug!(%error, "the service manager was not told");
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = told;
}
