//! The Telegram edge against the simulated Telegram: what goes out, what comes in, and what goes wrong between.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/proxy.rs"]
mod proxy;
#[path = "support/updates.rs"]
mod recorder;

use std::sync::Arc;
use std::time::Duration;

use proxy::Proxy;
use radgram::clock::SystemClock;
use radgram::entropy::SystemEntropy;
use radgram::gate::BotState;
use radgram::gate::ports::{Asker, Button, ChatKind, Command, Keyboard, Message, Undelivered, What};
use radgram::secret::Secret;
use radgram::sim::telegram::{Fault, Outage, PATIENCE, SimTelegram};
use radgram::telegram::{Bot, Poller, Sender};
use radgram::text::{Language, Texts};
use recorder::{Leads, Recorder};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

fn bot(sim: &SimTelegram, proxy: &str) -> Bot {
    Bot::new(&Secret::new(SimTelegram::TOKEN), sim.url(), proxy).unwrap()
}

/// A running update loop; it ends when dropped.
struct Loop {
    state: watch::Receiver<BotState>,
    task: JoinHandle<()>,
    cancel: CancellationToken,
    _stop: DropGuard,
}

impl Loop {
    fn start(bot: Bot, updates: &Arc<Recorder>) -> Self {
        let state = watch::Sender::default();
        let cancel = CancellationToken::new();
        let poller = Poller {
            bot,
            updates: Arc::clone(updates) as _,
            texts: Arc::new(Texts::new()),
            language: Language::Ru,
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            state: state.clone(),
        };
        let task = tokio::spawn(poller.run(cancel.clone()));
        Self { state: state.subscribe(), task, cancel: cancel.clone(), _stop: cancel.drop_guard() }
    }

    async fn until(&self, wanted: impl FnMut(&BotState) -> bool) -> BotState {
        let mut state = self.state.clone();
        match tokio::time::timeout(PATIENCE, state.wait_for(wanted)).await {
            Ok(state) => state.unwrap().clone(),
            Err(_) => panic!("the bot stays {:?}", self.state.borrow()),
        }
    }

    async fn running(&self) {
        self.until(|state| *state == BotState::Running).await;
    }
}

/// A simulated Telegram, a running loop and what it hands over.
async fn running() -> (SimTelegram, Arc<Recorder>, Loop) {
    let sim = SimTelegram::start().await.unwrap();
    let updates = Arc::new(Recorder::new(Some("Done")));
    let polling = Loop::start(bot(&sim, ""), &updates);
    polling.running().await;
    (sim, updates, polling)
}

fn message(chat_id: i64, text: &str) -> Message {
    Message { id: 1, chat_id, edits: None, text: text.to_owned(), keyboard: Keyboard::None }
}

fn question(chat_id: i64, text: &str) -> Message {
    let button = |label: &str, token: &str| Button { label: label.to_owned(), token: token.to_owned() };
    let keyboard = Keyboard::Buttons(vec![vec![button("Yes", "tok-yes"), button("No", "tok-no")]]);
    Message { keyboard, ..message(chat_id, text) }
}

#[tokio::test]
async fn what_people_say_is_handed_over_in_order() {
    let (sim, updates, _polling) = running().await;
    let ann = sim.person(77, "Ann", "en");
    ann.says("/start");
    ann.says("Мои сессии");
    ann.says("hello");
    let handed = updates.wait_for(3).await;
    let whats: Vec<_> = handed.iter().map(|incoming| incoming.what.clone()).collect();
    let expected = [What::Command(Command::Start), What::Command(Command::MySessions), What::Text("hello".to_owned())];
    assert_eq!(whats, expected);
    let sender = handed[0].sender.as_ref().unwrap();
    assert_eq!((sender.telegram_id, sender.name.as_str(), sender.language.as_deref()), (77, "Ann", Some("en")));
}

#[tokio::test]
async fn groups_are_told_apart() {
    let (sim, updates, _polling) = running().await;
    let ann = sim.person(77, "Ann", "en");
    let operators = sim.group(-1_001_234, "Operators");
    ann.says_in(&operators, "/status@radgram_sim_bot");
    ann.says_in(&operators, "/status@somebody_else_bot");
    let handed = updates.wait_for(2).await;
    assert_eq!((handed[0].chat, handed[0].chat_id), (ChatKind::Group, -1_001_234));
    assert_eq!(handed[0].what, What::Command(Command::Status));
    assert_eq!(handed[1].what, What::Other);
}

#[tokio::test]
async fn the_offset_moves_only_after_the_update_was_handled() {
    let (sim, updates, _polling) = running().await;
    let ann = sim.person(77, "Ann", "en");
    updates.fails(2);
    let first = ann.says("one");
    let second = ann.says("two");
    let handed = updates.wait_for(4).await;
    let ids: Vec<_> = handed.iter().map(|incoming| incoming.update_id).collect();
    assert_eq!(ids, [first, first, first, second]);
    sim.wait_until("all confirmed", |sim| sim.first_unconfirmed().is_none()).await;
}

#[tokio::test]
async fn an_update_that_was_not_handled_stays_unconfirmed_over_a_restart() {
    let (sim, updates, polling) = running().await;
    let ann = sim.person(77, "Ann", "en");
    updates.fails(u32::MAX);
    let lost = ann.says("do not lose me");
    updates.wait_for(1).await;
    drop(polling);
    assert_eq!(sim.first_unconfirmed(), Some(lost));
    let again = Arc::new(Recorder::new(None));
    let _polling = Loop::start(bot(&sim, ""), &again);
    assert_eq!(again.wait_for(1).await[0].update_id, lost);
}

#[tokio::test]
async fn the_same_update_twice_is_handed_over_twice_and_harms_nothing() {
    let (sim, updates, _polling) = running().await;
    let ann = sim.person(77, "Ann", "en");
    let id = ann.says("once");
    updates.wait_for(1).await;
    sim.redeliver(id);
    let next = { updates.wait_for(2).await[1].update_id };
    assert_eq!(next, id);
    let later = ann.says("later");
    assert_eq!(updates.wait_for(3).await[2].update_id, later);
}

#[tokio::test]
async fn updates_numbered_anew_after_a_quiet_week_come_in() {
    let (sim, updates, _polling) = running().await;
    let ann = sim.person(77, "Ann", "en");
    ann.says("before");
    updates.wait_for(1).await;
    sim.wait_until("confirmed", |sim| sim.first_unconfirmed().is_none()).await;
    sim.renumber_updates(1_000);
    assert_eq!(ann.says("after"), 1_000);
    ann.says("and on");
    let ids: Vec<_> = updates.wait_for(3).await.iter().map(|incoming| incoming.update_id).collect();
    assert_eq!(ids[1..], [1_000, 1_001]);
}

#[tokio::test]
async fn a_press_is_answered_with_the_toast() {
    let (sim, updates, _polling) = running().await;
    let ann = sim.person(77, "Ann", "en");
    let sender = Sender::new(bot(&sim, ""));
    let id = sender.deliver(&question(77, "Let in?")).await.unwrap();
    let asked = ann.wait_for(|message| message.text == "Let in?").await;
    let press = ann.press(&asked, "Yes");
    assert_eq!(press.toast().await, "Done");
    let handed = updates.wait_for(1).await;
    assert_eq!(handed[0].what, What::Press { token: "tok-yes".to_owned(), message_id: Some(id) });
    let nothing_new = ann.press_at(&asked, 0, 1);
    sim.redeliver(nothing_new.update_id());
    updates.wait_for(3).await;
}

#[tokio::test]
async fn a_press_too_old_to_be_answered_is_handled_all_the_same() {
    let (sim, updates, _polling) = running().await;
    let ann = sim.person(77, "Ann", "en");
    Sender::new(bot(&sim, "")).deliver(&question(77, "Let in?")).await.unwrap();
    sim.fail_next("answerCallbackQuery", 1, Fault::Refuse(400, "Bad Request: query is too old".to_owned()));
    let press = ann.press(&ann.inbox()[0], "No");
    updates.wait_for(1).await;
    sim.wait_until("answered", |sim| sim.requests("answerCallbackQuery") == 1).await;
    assert_eq!(press.answered(), None);
    let second = ann.press(&ann.inbox()[0], "Yes");
    assert_eq!(second.toast().await, "Done");
}

#[tokio::test]
async fn a_press_is_answered_although_a_connection_broke() {
    let (sim, _updates, _polling) = running().await;
    let ann = sim.person(77, "Ann", "en");
    Sender::new(bot(&sim, "")).deliver(&question(77, "Let in?")).await.unwrap();
    sim.fail_next("answerCallbackQuery", 1, Fault::Drop);
    assert_eq!(ann.press(&ann.inbox()[0], "Yes").toast().await, "Done");
}

#[tokio::test]
async fn what_cannot_be_understood_is_confirmed_and_does_not_stop_the_rest() {
    let (sim, updates, _polling) = running().await;
    let ann = sim.person(77, "Ann", "en");
    let odd = sim.update(serde_json::json!({ "message": { "hologram": 1 } }));
    ann.says("hello");
    let handed = updates.wait_for(2).await;
    assert_eq!((handed[0].update_id, &handed[0].what), (odd, &What::Other));
    assert_eq!(handed[1].what, What::Text("hello".to_owned()));
}

#[tokio::test]
async fn blocking_and_unblocking_are_told() {
    let (sim, updates, _polling) = running().await;
    let ann = sim.person(77, "Ann", "en");
    let sender = Sender::new(bot(&sim, ""));
    ann.blocks_the_bot();
    assert_eq!(sender.deliver(&message(77, "hello?")).await, Err(Undelivered::Blocked));
    ann.unblocks_the_bot();
    assert!(sender.deliver(&message(77, "hello again")).await.is_ok());
    let whats: Vec<_> = updates.wait_for(2).await.into_iter().map(|incoming| incoming.what).collect();
    assert_eq!(whats, [What::Blocked, What::Unblocked]);
}

#[tokio::test]
async fn the_loop_waits_as_long_as_telegram_says_and_comes_back() {
    let (sim, updates, polling) = running().await;
    sim.fail_next("getUpdates", 1, Fault::RetryAfter(1));
    let ann = sim.person(77, "Ann", "en");
    ann.says("wakes the poll that is open");
    let failing = polling.until(|state| matches!(state, BotState::Failing { .. })).await;
    assert!(format!("{failing:?}").contains("429"), "{failing:?}");
    polling.running().await;
    ann.says("hello");
    updates.wait_for(2).await;
}

#[tokio::test]
async fn an_outage_is_shown_and_survived() {
    let (sim, updates, polling) = running().await;
    let ann = sim.person(77, "Ann", "en");
    for outage in [Outage::Unreachable, Outage::BadGateway] {
        sim.outage(outage);
        let failing = polling.until(|state| matches!(state, BotState::Failing { .. })).await;
        assert!(!format!("{failing:?}").contains(SimTelegram::TOKEN), "{failing:?}");
        let unreachable = Sender::new(bot(&sim, "")).deliver(&message(77, "x")).await.unwrap_err();
        assert!(matches!(unreachable, Undelivered::Unreachable(_)), "{unreachable:?}");
        assert!(!format!("{unreachable:?} {unreachable}").contains(SimTelegram::TOKEN));
        let before = updates.handed().len();
        ann.says("said during the outage");
        sim.outage(Outage::Over);
        polling.running().await;
        updates.wait_for(before + 1).await;
    }
}

#[tokio::test]
async fn a_dropped_poll_is_only_asked_again() {
    let (sim, updates, polling) = running().await;
    let ann = sim.person(77, "Ann", "en");
    sim.fail_next("getUpdates", 2, Fault::LoseAnswer);
    ann.says("one");
    ann.says("two");
    updates.wait_for(2).await;
    polling.running().await;
    assert_eq!(updates.handed().len(), 2);
}

#[tokio::test]
async fn another_poller_and_a_webhook_are_survived() {
    let (sim, updates, polling) = running().await;
    let rival = Arc::new(Recorder::new(None));
    let other = Loop::start(bot(&sim, ""), &rival);
    let failing = polling.until(|state| matches!(state, BotState::Failing { .. })).await;
    assert!(format!("{failing:?}").contains("409"), "{failing:?}");
    drop(other);
    polling.running().await;
    // Its own poll is under way: the webhook shows with the next one.
    sim.set_webhook("https://example.org/hook");
    let ann = sim.person(77, "Ann", "en");
    ann.says("hello");
    ann.says("and again");
    updates.wait_for(2).await;
    sim.wait_until("the webhook gone", |sim| sim.requests("deleteWebhook") == 3).await;
}

#[tokio::test]
async fn only_the_leader_polls() {
    let sim = SimTelegram::start().await.unwrap();
    let updates = Arc::new(Recorder::new(None));
    updates.leads(Leads::No);
    let polling = Loop::start(bot(&sim, ""), &updates);
    polling.until(|state| *state == BotState::Standby).await;
    assert_eq!(sim.requests("getUpdates"), 0);
    updates.leads(Leads::Yes);
    polling.running().await;
    sim.wait_until("a long poll", |sim| sim.requests("getUpdates") >= 2).await;
    updates.leads(Leads::No);
    polling.until(|state| *state == BotState::Standby).await;
}

#[tokio::test]
async fn it_stops_at_once_during_a_long_poll() {
    let (sim, _updates, polling) = running().await;
    sim.wait_until("a long poll", |sim| sim.requests("getUpdates") >= 2).await;
    polling.cancel.cancel();
    polling.task.await.unwrap();
    assert_eq!(*polling.state.borrow(), BotState::Off);
}

#[tokio::test]
async fn the_commands_are_offered_in_both_languages() {
    let (sim, _updates, _polling) = running().await;
    let has = |language: &str, command: &str, description: &str| {
        sim.commands(language).contains(&(command.to_owned(), description.to_owned()))
    };
    assert!(has("en", "request_vpn", "Request VPN access"));
    assert!(has("ru", "request_vpn", "Запросить доступ к VPN"));
    assert_eq!(sim.commands(""), sim.commands("ru"));
}

#[tokio::test]
async fn a_refused_command_list_is_not_fatal() {
    let sim = SimTelegram::start().await.unwrap();
    sim.fail_next("setMyCommands", 3, Fault::RetryAfter(600));
    let updates = Arc::new(Recorder::new(None));
    Loop::start(bot(&sim, ""), &updates).running().await;
}

#[tokio::test]
async fn a_wrong_token_is_shown_without_the_token() {
    let sim = SimTelegram::start().await.unwrap();
    let updates = Arc::new(Recorder::new(None));
    let wrong = Bot::new(&Secret::new("1:WRONG-token"), sim.url(), "").unwrap();
    let polling = Loop::start(wrong.clone(), &updates);
    let failing = polling.until(|state| matches!(state, BotState::Failing { .. })).await;
    assert!(format!("{failing:?}").contains("401"), "{failing:?}");
    let undelivered = Sender::new(wrong).deliver(&message(77, "x")).await.unwrap_err();
    assert_eq!(undelivered, Undelivered::Unreachable("401 Unauthorized".to_owned()));
}

#[tokio::test]
async fn messages_arrive_are_edited_and_lose_their_buttons() {
    let sim = SimTelegram::start().await.unwrap();
    let ann = sim.person(77, "Ann", "en");
    let sender = Sender::new(bot(&sim, ""));
    let id = sender.deliver(&question(77, "Let in?")).await.unwrap();
    let edited = Message { edits: Some(id), ..message(77, "Let in: yes") };
    assert_eq!(sender.deliver(&edited).await, Ok(id));
    assert_eq!(sender.deliver(&edited).await, Ok(id), "an edit that changes nothing is delivered");
    let seen = ann.wait_for(|message| message.edited).await;
    assert_eq!((seen.message_id, seen.text.as_str(), seen.buttons.len()), (id, "Let in: yes", 0));
    assert_eq!(ann.inbox().len(), 1);
}

#[tokio::test]
async fn the_menu_stays_below_the_chat() {
    let sim = SimTelegram::start().await.unwrap();
    let ann = sim.person(77, "Ann", "en");
    let rows = vec![vec!["Request VPN".to_owned()], vec!["My sessions".to_owned(), "Status".to_owned()]];
    let welcome = Message { keyboard: Keyboard::Menu(rows.clone()), ..message(77, "Welcome") };
    Sender::new(bot(&sim, "")).deliver(&welcome).await.unwrap();
    assert_eq!(ann.menu(), Some(rows));
}

#[tokio::test]
async fn every_refusal_of_a_message_has_its_meaning() {
    let sim = SimTelegram::start().await.unwrap();
    let ann = sim.person(77, "Ann", "en");
    let sender = Sender::new(bot(&sim, ""));
    assert_eq!(sender.deliver(&message(12_345, "x")).await, Err(Undelivered::Blocked));
    ann.has_not_started();
    assert_eq!(sender.deliver(&message(77, "x")).await, Err(Undelivered::Blocked));
    ann.says("/start");
    let refused = sender.deliver(&message(77, "")).await;
    assert_eq!(refused, Err(Undelivered::Refused("Bad Request: message text is empty".to_owned())));
    let gone = Message { edits: Some(999), ..message(77, "x") };
    assert!(matches!(sender.deliver(&gone).await, Err(Undelivered::Refused(_))));
    sim.fail_next("sendMessage", 1, Fault::RetryAfter(3));
    let wait = sender.deliver(&message(77, "x")).await;
    assert_eq!(wait, Err(Undelivered::RetryAfter(Duration::from_secs(3))));
    sim.fail_next("sendMessage", 1, Fault::ServerError);
    assert!(matches!(sender.deliver(&message(77, "x")).await, Err(Undelivered::Unreachable(_))));
    sim.fail_next("sendMessage", 1, Fault::Drop);
    assert!(matches!(sender.deliver(&message(77, "x")).await, Err(Undelivered::Unreachable(_))));
    assert!(ann.inbox().is_empty());
}

#[tokio::test]
async fn operators_read_in_their_group() {
    let sim = SimTelegram::start().await.unwrap();
    let operators = sim.group(-1_001_234, "Operators");
    let sender = Sender::new(bot(&sim, ""));
    sender.deliver(&message(-1_001_234, "An alarm")).await.unwrap();
    operators.wait_for(|message| message.text == "An alarm").await;
    operators.throws_the_bot_out();
    assert_eq!(sender.deliver(&message(-1_001_234, "x")).await, Err(Undelivered::Blocked));
}

/// The bot works through the proxy, not past it, and not with a wrong password.
async fn works_through(proxy: Proxy, schemes: &[&str]) {
    let sim = SimTelegram::start().await.unwrap();
    let ann = sim.person(77, "Ann", "en");
    for (n, scheme) in schemes.iter().enumerate() {
        let updates = Arc::new(Recorder::new(Some("Done")));
        let through = bot(&sim, &proxy.url(scheme));
        // The loop's own back-off waits until the proxy is up.
        let polling = Loop::start(through.clone(), &updates);
        polling.running().await;
        let text = format!("Let in? {n}");
        Sender::new(through).deliver(&question(77, &text)).await.unwrap();
        let asked = ann.wait_for(|message| message.text == text).await;
        assert_eq!(ann.press(&asked, "Yes").toast().await, "Done");
        let locked_out = Sender::new(bot(&sim, &proxy.url_with_wrong_password(scheme)));
        let why = locked_out.deliver(&message(77, "never")).await.unwrap_err();
        assert!(matches!(why, Undelivered::Unreachable(_)), "{why:?}");
        assert!(!why.to_string().contains(SimTelegram::TOKEN) && !why.to_string().contains("wrong@"), "{why}");
    }
    let through = Sender::new(bot(&sim, &proxy.url(schemes[0])));
    proxy.stop().await;
    assert!(matches!(through.deliver(&message(77, "never")).await, Err(Undelivered::Unreachable(_))));
    assert!(ann.inbox().iter().all(|message| message.text != "never"));
}

#[tokio::test]
async fn works_through_an_http_proxy() {
    works_through(Proxy::http(), &["http"]).await;
}

#[tokio::test]
async fn works_through_a_socks5_proxy() {
    works_through(Proxy::socks5(), &["socks5", "socks5h"]).await;
}
