//! No secret of a whole journey is in the log, in `/metrics`, in a page, in a message, or in the database as it was typed.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/postgres.rs"]
mod postgres;
#[path = "support/proxy.rs"]
mod proxy;
#[path = "support/site.rs"]
mod site;
#[path = "support/world.rs"]
mod world;

use std::fmt::Write as _;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};

use proxy::Proxy;
use radgram::crypto::{hex, mschap};
use radgram::domain::account::Switch;
use radgram::domain::operator::Role;
use radgram::domain::router::{Leases, Scheme};
use radgram::gate::bulk::Run;
use radgram::gate::router_api::{Generation, Menu, NewRouterAccount};
use radgram::gate::{Adoption, Afterwards, Names};
use radgram::secret::Secret;
use radgram::sim::router::{Cause, DialOutcome, Method};
use radgram::sim::telegram::SimTelegram;
use site::Browser;
use tracing_subscriber::fmt::format::FmtSpan;

use world::{ADMIN, Base, Dialled, HOME, World, ann_from};

const ADOPTED_PASSWORD: &str = "Router-Horse-6";
const MADE_PASSWORD: &str = "Router-Horse-7";
const WRONG_PASSWORD: &str = "Falsch-Horse-9";
const NEW_PASSWORD: &str = "Korrekt-Horse-2";
const OPERATOR_PASSWORD: &str = "Operators-Battery-3";
const WRONG_OPERATOR_PASSWORD: &str = "Operators-Staple-4";
const NEW_SECRET: &str = "Neues-Geheimnis-5";
/// Of support/proxy.rs; the second is how HTTP carries it with its user.
const PROXY_PASSWORD: &str = "proxypassword";
const PROXY_BASIC: &str = "cHJveHl1c2VyOnByb3h5cGFzc3dvcmQ=";
const METHODS: [Method; 4] = [Method::Pap, Method::Chap, Method::MsChapV1, Method::MsChapV2];

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

/// A secret by its name, and every form in which it could be printed.
struct Sought {
    name: &'static str,
    bytes: Vec<u8>,
}

impl Sought {
    fn new(name: &'static str, bytes: impl Into<Vec<u8>>) -> Self {
        Self { name, bytes: bytes.into() }
    }

    /// As text, as digits of both cases, and as `Debug` shows bytes.
    fn forms(&self) -> Vec<String> {
        let shown = format!("{:?}", self.bytes);
        let mut forms =
            vec![hex::encode(&self.bytes), hex::encode_upper(&self.bytes), shown.trim_matches(['[', ']']).to_owned()];
        forms.extend(String::from_utf8(self.bytes.clone()));
        forms
    }

    #[track_caller]
    fn is_not_in(&self, place: &str, text: &str) {
        for form in self.forms() {
            let line = text.lines().find(|line| line.contains(&form));
            assert_eq!(line, None, "the {} is in {place}", self.name);
        }
    }

    #[track_caller]
    fn is_not_in_the_bytes(&self, place: &str, bytes: &[u8]) {
        assert!(!bytes.windows(self.bytes.len()).any(|part| part == self.bytes), "the {} is in {place}", self.name);
    }
}

/// The only test of its program: the log is the whole process's.
#[tokio::test]
async fn no_secret_is_printed_shown_or_stored_as_it_is() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_span_events(FmtSpan::FULL);
    subscriber.with_ansi(false).with_writer(move || writer.clone()).init();

    let proxy = Proxy::http();
    let mut world = World::through(Base::Sqlite, &proxy.url("http")).await;
    world.register_ann().await;
    dials(&world).await;
    let on_the_router = over_the_api(&world).await;
    let (mut shown, cookie) = operators_day(&world).await;
    shown.push_str(&on_the_router);
    world.restart().await;
    assert!(matches!(world.dial().await, DialOutcome::Timeout), "the old shared secret is worth nothing");
    for message in world.ann.person.inbox().into_iter().chain(world.operators.inbox()) {
        writeln!(shown, "{}", message.text).unwrap();
    }
    let folder = world.config_file().parent().unwrap().to_owned();
    let key = std::fs::read_to_string(folder.join("radgram.key")).unwrap();
    let stored = database_bytes(&folder);
    world.stop().await;
    let stored_at_last = database_bytes(&folder);

    let log = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    for word in ["sqlx::query", "hyper", "wrong_password", "radgram::gate", "radgram::radius", "tower_http"] {
        assert!(log.contains(word), "the log has everything, also {word}");
    }
    for sought in secrets(key.trim(), &cookie) {
        sought.is_not_in("the log", &log);
        sought.is_not_in("what is shown", &shown);
        sought.is_not_in_the_bytes("the database", &stored);
        sought.is_not_in_the_bytes("the database after the stop", &stored_at_last);
    }
}

fn secrets(key: &str, cookie: &str) -> Vec<Sought> {
    let bot_key = SimTelegram::TOKEN.split(':').nth(1).unwrap();
    vec![
        Sought::new("account's password", world::PASSWORD),
        Sought::new("account's new password", NEW_PASSWORD),
        Sought::new("wrong password", WRONG_PASSWORD),
        Sought::new("NT hash", mschap::nt_hash(world::PASSWORD)),
        Sought::new("new NT hash", mschap::nt_hash(NEW_PASSWORD)),
        Sought::new("shared secret", world::SECRET),
        Sought::new("new shared secret", NEW_SECRET),
        Sought::new("password of the API user", world::API_PASSWORD),
        Sought::new("adopted password", ADOPTED_PASSWORD),
        Sought::new("adopted NT hash", mschap::nt_hash(ADOPTED_PASSWORD)),
        Sought::new("password made for the router", MADE_PASSWORD),
        Sought::new("operator's password", OPERATOR_PASSWORD),
        Sought::new("operator's wrong password", WRONG_OPERATOR_PASSWORD),
        Sought::new("cookie", cookie),
        Sought::new("bot's token", bot_key),
        Sought::new("proxy's password", PROXY_PASSWORD),
        Sought::new("proxy's user and password", PROXY_BASIC),
        Sought::new("master key", hex::decode(key).unwrap()),
    ]
}

/// Right and wrong passwords by every method, and what follows an Accept.
async fn dials(world: &World) {
    world.dial().await.rejected();
    world.ann.reads("Someone is connecting as ann").await;
    world.request().await;
    for method in METHODS {
        let mut dial = ann_from(HOME);
        dial.method = method;
        let mut wrong = dial.clone();
        wrong.password = Secret::new(WRONG_PASSWORD);
        world.router.dial(wrong).await.rejected();
        let tunnel = world.router.dial(dial).await.accepted();
        tunnel.start_delivered().await;
        tunnel.interim().await;
        tunnel.hang_up(Cause::UserRequest).await;
        world.until_heard().await;
    }
    let tunnel = world.dial().await.accepted();
    tunnel.start_delivered().await;
    world.until_heard().await;
    world.gate().end_session(&ADMIN, world.session().await.unwrap().id).await.unwrap();
    assert_eq!(tunnel.ended().await, Cause::AdminReset);
    world.ann.reads("closed by an operator").await;
}

/// Everything that is asked of a router over its API; gives what of it is shown.
async fn over_the_api(world: &World) -> String {
    world.router.add("/ppp/secret", &[("name", "kim"), ("password", ADOPTED_PASSWORD)]).unwrap();
    world.reach(Scheme::Radius, Leases::On).await;
    let (gate, router) = (world.gate(), world.router_id().await);
    let mut shown = format!("{:?}\n", gate.router_accounts(router).await.unwrap());
    let names = Names::Names(vec!["kim".to_owned()]);
    let adoption = Adoption { menu: Menu::Secret, names, afterwards: Afterwards::Removed, run: Run::Real };
    let adopted = gate.adopt_accounts(&ADMIN, router, &adoption, &|_| {}).await.unwrap();
    writeln!(shown, "{adopted:?}").unwrap();
    let new = NewRouterAccount {
        menu: Menu::Secret,
        name: "lee".to_owned(),
        password: Secret::new(MADE_PASSWORD),
        profile: None,
        comment: String::new(),
        switch: Switch::Enabled,
    };
    gate.add_router_account(&ADMIN, router, &new).await.unwrap();
    world.until_fulfilled().await;
    writeln!(shown, "{:?}", gate.examine_router(router, None).await.unwrap()).unwrap();
    for generation in [Generation::V6, Generation::V7] {
        let script = gate.router_script(router, generation, None).await.unwrap();
        writeln!(shown, "{}\n{script:?}", script.text()).unwrap();
    }
    shown
}

/// An operator logs in, changes a password and a shared secret, and looks at everything; gives all of it and the cookie.
async fn operators_day(world: &World) -> (String, String) {
    let password = Secret::new(OPERATOR_PASSWORD);
    world.gate().logins().add_operator(&ADMIN, "root", Role::Owner, &password).await.unwrap();
    let mut browser = Browser::at(&format!("http://{}", world.web()));
    let mut shown = String::new();
    let wrong = browser.post("/log-in", &[("name", "root"), ("password", WRONG_OPERATOR_PASSWORD)]).await;
    shown.push_str(&wrong.assert_form(&["The name or the password is wrong."]).body);
    browser.post("/log-in", &[("name", "root"), ("password", OPERATOR_PASSWORD)]).await.assert_redirect("/");
    let cookie = browser.cookie.clone().unwrap();

    let refused = [("name", ""), ("account1", "ann"), ("password1", NEW_PASSWORD)];
    shown.push_str(&browser.post("/users/1", &refused).await.assert_form(&["</form>"]).body);
    let saved = [("name", "Ann Lee"), ("account1", "ann"), ("password1", NEW_PASSWORD)];
    browser.post("/users/1", &saved).await.assert_redirect("/users/1");
    let port = world.router.incoming_addr().unwrap().port().to_string();
    let form = |name, address| {
        [
            ("name", name),
            ("address", address),
            ("secret", NEW_SECRET),
            ("coa_port", port.as_str()),
            ("message_authenticator", "auto"),
        ]
    };
    shown.push_str(
        &browser.post("/routers/1/settings", &form("office", "nowhere")).await.assert_form(&["</form>"]).body,
    );
    browser.post("/routers/1/settings", &form("office", "127.0.0.1")).await.assert_redirect("/routers/1");
    for path in [
        "/",
        "/users",
        "/users/new",
        "/users/1",
        "/accounts",
        "/sessions",
        "/attempts",
        "/routers",
        "/routers/new",
        "/routers/1",
        "/routers/1/api",
        "/routers/1/settings",
        "/routers/1/rules",
        "/settings",
        "/operators",
        "/operators/1",
        "/audit",
        "/password",
        "/healthz",
        "/metrics",
    ] {
        let answer = browser.get(path).await;
        assert!(answer.status.is_success(), "{path}: {}", answer.status);
        shown.push_str(&answer.body);
    }
    assert!(shown.contains("radgram_"), "the metrics are in it");
    (shown, cookie.split_once('=').unwrap().1.to_owned())
}

/// Everything that SQLite has written: the file, its log and its index.
fn database_bytes(folder: &Path) -> Vec<u8> {
    let files = ["radgram.db", "radgram.db-wal", "radgram.db-shm"];
    let bytes: Vec<u8> = files.iter().filter_map(|file| std::fs::read(folder.join(file)).ok()).flatten().collect();
    assert!(bytes.windows(7).any(|part| part == b"Ann Lee"), "what is no secret is in it");
    bytes
}
