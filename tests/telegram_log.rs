//! No log line of the Telegram edge, nor of the libraries below it, carries the token or the proxy's password.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/proxy.rs"]
mod proxy;
#[path = "support/updates.rs"]
mod recorder;

use std::io::Write;
use std::sync::{Arc, Mutex};

use proxy::Proxy;
use radgram::clock::SystemClock;
use radgram::entropy::SystemEntropy;
use radgram::gate::BotState;
use radgram::gate::ports::{Asker, Keyboard, Message};
use radgram::secret::Secret;
use radgram::sim::telegram::{Outage, SimTelegram};
use radgram::telegram::{Bot, Poller, Sender};
use radgram::text::{Language, Texts};
use recorder::Recorder;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The only test of its program: the log is the whole process's.
#[tokio::test]
async fn no_log_line_carries_the_token_or_the_proxys_password() {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(move || writer.clone()).init();
    let sim = SimTelegram::start().await.unwrap();
    let ann = sim.person(77, "Ann", "en");
    let (http, socks) = (Proxy::http(), Proxy::socks5());
    for proxy in [String::new(), http.url("http"), socks.url("socks5h"), socks.url_with_wrong_password("socks5")] {
        journey(&sim, &proxy).await;
    }
    assert!(!ann.inbox().is_empty());
    let log = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    assert!(log.contains("updates do not come in"), "the log was caught");
    let secret_key = SimTelegram::TOKEN.split(':').nth(1).unwrap();
    for secret in [secret_key, "proxypassword", "proxyuser:"] {
        let line = log.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret} is in the log");
    }
}

/// Works, meets an outage, and works again if the way is open.
async fn journey(sim: &SimTelegram, proxy: &str) {
    let bot = Bot::new(&Secret::new(SimTelegram::TOKEN), sim.url(), proxy).unwrap();
    let state = watch::Sender::default();
    let mut shown = state.subscribe();
    let cancel = CancellationToken::new();
    let poller = Poller {
        bot: bot.clone(),
        updates: Arc::new(Recorder::new(None)),
        texts: Arc::new(Texts::new()),
        language: Language::Ru,
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        state,
    };
    let polling = tokio::spawn(poller.run(cancel.clone()));
    let text = "hello".to_owned();
    let message = Message { id: 1, chat_id: 77, edits: None, text, keyboard: Keyboard::None };
    let sender = Sender::new(bot);
    shown.wait_for(|state| matches!(state, BotState::Running | BotState::Failing { .. })).await.unwrap();
    let _delivered_or_not = sender.deliver(&message).await;
    sim.outage(Outage::Unreachable);
    shown.wait_for(|state| matches!(state, BotState::Failing { .. })).await.unwrap();
    let _not_delivered = sender.deliver(&message).await.unwrap_err();
    sim.outage(Outage::Over);
    cancel.cancel();
    polling.await.unwrap();
}
