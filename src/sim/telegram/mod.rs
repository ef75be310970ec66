//! A simulated Telegram: the Bot API over HTTP on a loopback port, and the people and groups behind it.
//!
//! The bot under test sees the documented protocol (paths `/bot<token>/<method>`, JSON or form bodies, `{"ok":…}`
//! answers, long polls that an offset confirms); the test sees people who say things, press buttons and read their
//! inbox. Faults and outages are injected between the two.

mod body;
mod line;
mod methods;
mod people;
mod state;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

pub use self::people::{Group, Person, Press, SimButton, SimMessage};
pub use self::state::{Fault, Outage};
use self::state::{Rigged, State};

/// How long a `wait_for…` waits before it fails: long enough for a slow machine and for one back-off of the bot.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The simulated Telegram; it stops when dropped.
pub struct SimTelegram {
    shared: Arc<Shared>,
    url: String,
    _stop: DropGuard,
}

impl SimTelegram {
    /// The token that the bot has to know.
    pub const TOKEN: &'static str = "424242:SIM-telegram-token_of-the-bot-under-test";
    /// The bot's user name.
    pub const BOT: &'static str = "radgram_sim_bot";

    /// Starts it on a free loopback port.
    ///
    /// # Errors
    /// When no loopback port can be bound.
    pub async fn start() -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let stop = CancellationToken::new();
        let address = line::serve(Arc::clone(&shared), stop.clone()).await?;
        Ok(Self { shared, url: format!("http://{address}"), _stop: stop.drop_guard() })
    }

    /// What `telegram.api_url` is to be.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A person who has started the bot; `language` is the tag of their client, `""` for none. The id is their chat's
    /// id too.
    pub fn person(&self, telegram_id: i64, name: &str, language: &str) -> Person {
        self.shared.change(|state| state.add_person(telegram_id, name, language));
        Person::new(Arc::clone(&self.shared), telegram_id)
    }

    /// A group chat that the bot is a member of; ids of groups are negative.
    pub fn group(&self, chat_id: i64, title: &str) -> Group {
        self.shared.change(|state| state.add_group(chat_id, title));
        Group::new(Arc::clone(&self.shared), chat_id)
    }

    /// The next `n` requests of `method` (`"*"`: of any) meet `fault`.
    pub fn fail_next(&self, method: &str, n: u32, fault: Fault) {
        self.shared.change(|state| state.rigged.push(Rigged { method: method.to_owned(), left: n, fault }));
    }

    /// From now on Telegram is `outage`; open connections are cut, long polls included.
    pub fn outage(&self, outage: Outage) {
        self.shared.change(|state| state.outage = outage);
        self.shared.cut_all();
    }

    /// Hands the update out once more, confirmed or not. Unknown ids are ignored.
    pub fn redeliver(&self, update_id: i64) {
        self.shared.change(|state| state.redeliver(update_id));
    }

    /// Queues an update of the caller's own making (its `update_id` is put in); gives its id.
    pub fn update(&self, body: serde_json::Value) -> i64 {
        self.shared.change(|state| state.push_update(body))
    }

    /// From now on the next update gets this id: Telegram starts anew after a quiet week.
    pub fn renumber_updates(&self, next: i64) {
        self.shared.change(|state| state.next_update = next);
    }

    /// The id of the first update that the bot has not confirmed, if any waits.
    pub fn first_unconfirmed(&self) -> Option<i64> {
        self.shared.lock().first_unconfirmed()
    }

    /// Every press so far can no longer be answered.
    pub fn expire_presses(&self) {
        self.shared.change(State::expire_presses);
    }

    /// A webhook is set elsewhere: `getUpdates` is refused until `deleteWebhook`.
    pub fn set_webhook(&self, url: &str) {
        self.shared.change(|state| state.webhook = url.to_owned());
    }

    /// How many requests of `method` came in, faults included; its case does not matter.
    pub fn requests(&self, method: &str) -> u64 {
        self.shared.lock().requests.get(&method.to_ascii_lowercase()).copied().unwrap_or(0)
    }

    /// The command list set for a language code (`""` for everyone else): command and description.
    pub fn commands(&self, language_code: &str) -> Vec<(String, String)> {
        self.shared.lock().commands.get(language_code).cloned().unwrap_or_default()
    }

    /// Waits until `enough` holds of this Telegram (`what` names it in the failure).
    ///
    /// # Panics
    /// When it does not come true in [`PATIENCE`].
    pub async fn wait_until(&self, what: &str, mut enough: impl FnMut(&Self) -> bool) {
        if !self.shared.wait(|| enough(self).then_some(())).await.is_some_and(|()| true) {
            panic!("not in {} s: {what}; requests so far: {:?}", PATIENCE.as_secs(), self.shared.lock().requests);
        }
    }
}

/// What the HTTP side and the people share.
struct Shared {
    state: Mutex<State>,
    /// Counts changes; who waits looks again at each.
    changes: watch::Sender<u64>,
    /// Cancelled to cut every open connection, then replaced.
    lines: Mutex<CancellationToken>,
}

impl Default for Shared {
    fn default() -> Self {
        Self { state: Mutex::default(), changes: watch::Sender::new(0), lines: Mutex::default() }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let result = change(&mut self.lock());
        self.changes.send_modify(|count| *count += 1);
        result
    }

    fn new_line(&self) -> CancellationToken {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).child_token()
    }

    fn cut_all(&self) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *lines).cancel();
    }

    /// Looks at every change until `look` finds something; `None` after [`PATIENCE`].
    async fn wait<R>(&self, mut look: impl FnMut() -> Option<R>) -> Option<R> {
        let mut changes = self.changes.subscribe();
        let found = async {
            loop {
                changes.mark_unchanged();
                if let Some(found) = look() {
                    return Some(found);
                }
                changes.changed().await.ok()?;
            }
        };
        tokio::time::timeout(PATIENCE, found).await.ok().flatten()
    }
}
