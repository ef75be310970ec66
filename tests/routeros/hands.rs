//! What a journey does on the router and in radgram besides the person's own steps, and what it looks at there.

use std::time::Duration;

use radgram::domain::id::AccountId;
use radgram::domain::policy::Drift;
use radgram::domain::user::UserState;
use radgram::domain::want::WantedState;
use radgram::gate::router_api::ApiState;
use radgram::gate::{ReachForm, RuleLine};
use radgram::proto::routeros::{Decoder, Limits, Sentence, encode};
use radgram::secret::Secret;
use radgram::sim::router::{Dial, ShownRow, Tunnel};
use radgram::sim::telegram::SimMessage;
use radgram::store::alarm::Alarm;
use radgram::store::connection::Connection;
use radgram::store::want::Want;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::world::{ADMIN, Dialled, HOME, PASSWORD, Reader, World, ann_from};

pub const FILTER: &str = "/ip/firewall/filter";
pub const LISTED: &str = "/ip/firewall/address-list";
pub const SECRET: &str = "/ppp/secret";
/// Where clients get their addresses from.
const VPN: &str = "10.8.0.0/24";
/// Longer than it takes until rules, leases and accounts are looked after again.
const KEPT: Duration = Duration::from_secs(16);
/// What a look at the list of connections asks for, and nothing else does.
const LOOK: &str = "-> /ppp/active/print =.proplist=.id,name,service,caller-id";

pub const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

impl World {
    /// A rule that lets the VPN through once it is switched on; it stands before what drops.
    pub fn rule(&self, comment: &str) -> String {
        let mut row = vec![("chain", "forward"), ("action", "accept"), ("src-address", VPN)];
        row.extend([("comment", comment), ("disabled", "yes")]);
        let drop = self.router.row(FILTER, "action", "drop").unwrap();
        if let Some(drop) = &drop {
            row.push(("place-before", drop[".id"].as_str()));
        }
        self.router.add(FILTER, &row).unwrap()
    }

    /// What no rule before lets through is dropped.
    pub fn drop_the_rest(&self) {
        self.router.add(FILTER, &[("chain", "forward"), ("action", "drop"), ("src-address", VPN)]).unwrap();
    }

    /// Whether the first row with this value is enabled.
    #[track_caller]
    pub fn is_on(&self, menu: &str, property: &str, value: &str) -> bool {
        let row = self.router.row(menu, property, value).unwrap().expect("the row is there");
        row.get("disabled").is_none_or(|disabled| disabled == "false" || disabled == "no")
    }

    pub fn rule_is_on(&self, comment: &str) -> bool {
        self.is_on(FILTER, "comment", comment)
    }

    pub async fn bind_rule(&self, rule: &str) {
        let (router, account) = (self.router_id().await, self.account("ann").await);
        let comment = self.comment_of(rule).await;
        self.gate().bind_rule(&ADMIN, router, (rule, &comment), account).await.unwrap();
        self.until_fulfilled().await;
    }

    /// A rule's comment as radgram shows it; empty if it shows no such rule.
    pub async fn comment_of(&self, rule: &str) -> String {
        let lines = self.gate().router_rules(self.router_id().await).await.unwrap();
        let is_it = |line: &RuleLine| line.rule.as_ref().is_some_and(|known| known.id == rule);
        lines.into_iter().find(is_it).map(|line| line.comment).unwrap_or_default()
    }

    /// A PPP secret, enabled.
    pub fn secret(&self, name: &str) -> String {
        self.router.add(SECRET, &[("name", name), ("password", PASSWORD)]).unwrap()
    }

    pub fn secret_is_on(&self, name: &str) -> bool {
        self.is_on(SECRET, "name", name)
    }

    pub async fn until_secret(&self, name: &str, on: WantedState) {
        let what = format!("the secret {name} is {}", on.word());
        self.until(&what, || async { self.secret_is_on(name) == (on == WantedState::On) }).await;
    }

    /// The list that lets through what is in it, and nothing else.
    pub fn shut_but_for_leases(&self) {
        let accept = [("chain", "forward"), ("action", "accept"), ("src-address-list", "radgram")];
        self.router.add(FILTER, &accept).unwrap();
        self.drop_the_rest();
    }

    /// What the list of leases has of an address.
    pub fn lease(&self, address: &str) -> Option<ShownRow> {
        let is_it = |row: &ShownRow| row["list"] == "radgram" && row["address"] == address;
        self.router.rows(LISTED).unwrap().into_iter().find(is_it)
    }

    /// An admin's own client of the API does a command: there words are bytes.
    pub async fn admin_does(&self, command: &Sentence) {
        let mut stream = TcpStream::connect(self.router.api_addr().unwrap()).await.unwrap();
        let mut bytes = Vec::new();
        encode(&Sentence::command("/login").with("name", "admin").with("password", ""), &mut bytes);
        encode(command, &mut bytes);
        stream.write_all(&bytes).await.unwrap();
        let (mut decoder, mut buffer, mut done) = (Decoder::new(Limits::default()), [0; 4096], 0);
        while done < 2 {
            let length = stream.read(&mut buffer).await.unwrap();
            assert!(length > 0, "the router has closed");
            decoder.feed(&buffer[..length]);
            while let Some(sentence) = decoder.next_sentence().unwrap() {
                assert_ne!(sentence.first(), b"!trap", "{sentence:?}");
                done += usize::from(sentence.first() == b"!done");
            }
        }
    }

    /// Ann dials, and is asked.
    pub async fn asked(&self) -> (Tunnel, SimMessage) {
        let tunnel = self.dial().await.accepted();
        let question = self.ann.reads("Is it you who connected").await;
        (tunnel, question)
    }

    /// Ann dials, is asked, and says yes.
    pub async fn confirmed(&self) -> Tunnel {
        let (tunnel, question) = self.asked().await;
        assert_eq!(self.ann.presses(&question, "Yes, it is me").await, "Confirmed.");
        tunnel
    }

    /// An operator ends Ann's session.
    pub async fn end(&self) {
        let session = self.session().await.unwrap();
        self.gate().end_session(&ADMIN, session.id).await.unwrap();
    }

    /// Bob, approved, with the account `bob` and a session.
    pub async fn bob(&self) -> (Reader, AccountId) {
        let bob = Reader::new(self.telegram.person(2002, "Bob", "en"));
        let gate = self.gate();
        let user = gate.add_user(&ADMIN, 2002, "Bob Ray", UserState::Approved).await.unwrap();
        let account = gate.add_account(&ADMIN, "bob", Some(user), Some(Secret::new(PASSWORD))).await.unwrap();
        gate.grant_session(&ADMIN, account, Duration::from_secs(24 * 3600)).await.unwrap();
        (bob, account)
    }

    /// The router was looked at and looked after this many times.
    pub async fn looks(&self, times: usize) {
        let looked = || self.router.trace().iter().filter(|line| line.contains(LOOK)).count();
        // The look that is under way does not count, and the last one may not be at its end.
        for _ in 0..=times {
            let before = looked();
            self.after(KEPT);
            self.until("the router is looked at", || async { looked() > before }).await;
        }
    }

    /// Time passes until it is so: what failed is tried again.
    pub async fn in_time<F: Future<Output = bool>>(&self, what: &str, mut so: impl FnMut() -> F) {
        self.until(what, || {
            let so = so();
            async {
                let so = so.await;
                if !so {
                    self.after(seconds(1));
                }
                so
            }
        })
        .await;
    }

    /// Time passes until everything that is wanted on routers is proven.
    pub async fn settles(&self) {
        self.in_time("everything that is wanted is proven", || async {
            let reader = self.gate().reader();
            reader.pending_wants().await.unwrap().is_empty() && reader.pending_cuts().await.unwrap().is_empty()
        })
        .await;
    }

    pub async fn wants(&self) -> Vec<Want> {
        self.gate().reader().wants_of_router(self.router_id().await).await.unwrap()
    }

    pub async fn connections(&self) -> Vec<Connection> {
        self.gate().reader().connections().await.unwrap()
    }

    pub async fn alarms_of(&self, kind: &str) -> Vec<Alarm> {
        let alarms = self.gate().reader().alarms().await.unwrap();
        alarms.into_iter().filter(|alarm| alarm.kind == kind).collect()
    }

    /// Waits for an alarm of this kind with these words.
    pub async fn until_alarmed(&self, kind: &str, words: &str) {
        let what = format!("there is an alarm {kind} with \"{words}\"");
        self.until(&what, || async { self.alarms_of(kind).await.iter().any(|alarm| alarm.text.contains(words)) }).await;
    }

    /// radgram is told how it reaches the router's API, and does.
    pub async fn reaches(&self, form: &ReachForm) {
        let id = self.router_id().await;
        self.gate().set_router_reach(&ADMIN, id, form).await.unwrap();
        self.until("the router's API is up", || async { matches!(self.gate().api_state(id), ApiState::Up { .. }) })
            .await;
    }

    /// What somebody switches on the router is left so from now on.
    pub async fn adopts_drift(&self) {
        self.set("drift", "adopt").await;
        self.until("the setting is known", || async { self.gate().directory().system_policy().drift == Drift::Adopt })
            .await;
    }

    /// The router's API goes down, and radgram has noticed.
    pub async fn api_goes_down(&self) {
        self.router.api_faults().go_down();
        let router = self.router_id().await;
        self.until("the API is known to be down", || async {
            matches!(self.gate().api_state(router), ApiState::Failing { .. })
        })
        .await;
    }

    pub fn api_comes_up(&self) {
        self.router.api_faults().come_up();
    }

    /// The router reports no connection, up or down, until [`World::reports`].
    pub fn reports_nothing(&self) {
        self.router.set("/ppp/aaa", "", &[("accounting", "no")]).unwrap();
    }

    pub fn reports(&self) {
        self.router.set("/ppp/aaa", "", &[("accounting", "yes")]).unwrap();
    }

    /// Where in the trace the first line behind `from` with these words is.
    pub fn traced(&self, from: usize, words: &[&str]) -> Option<usize> {
        let trace = self.router.trace();
        let has_all = |line: &String| words.iter().all(|word| line.contains(word));
        trace.iter().skip(from).position(has_all).map(|place| from + place)
    }
}

/// Ann's dial, with her name in other letters.
pub fn dial_as(name: &str) -> Dial {
    let mut dial = ann_from(HOME);
    dial.user = name.to_owned();
    dial
}
