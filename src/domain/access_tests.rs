//! Tests of the decision about a dial, and the property that no sequence of events permits without an approval.

use proptest::prelude::*;

use super::*;
use crate::domain::account::Source;
use crate::domain::id::{AccountId, UserId};
use crate::domain::policy::Values;
use crate::domain::session::{Applied, EndReason, Event, Extender, Fate, Origin, Passed, State};
use crate::domain::setting::Level;
use crate::domain::user::UserStep;
use crate::text::Language;

const HOUR: i64 = 3_600_000;
const ROUTER: Through<'static> = Through { id: RouterId(1), name: "office", leases: Leases::Off };

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn place(station: &str) -> Place {
    Place { router: RouterId(1), station: station.to_owned() }
}

/// A door with everything in order: an approved person, a session, no connection.
#[derive(Clone)]
struct Hall {
    account: Account,
    user: Option<User>,
    policy: Policy,
    session: Option<Session>,
    open: Vec<OpenConnection>,
    slots: Vec<Slot>,
    rules: Vec<RouterId>,
}

impl Hall {
    fn new(changes: &[(&str, &str)]) -> Self {
        let mut values = Values::default();
        for (name, value) in changes {
            values.insert(name, Level::System, (*value).to_owned());
        }
        Self {
            account: Account {
                id: AccountId(1),
                name: "ann".to_owned(),
                user: Some(UserId(1)),
                group: None,
                switch: Switch::Enabled,
                lock: Lock::Open,
                source: Source::Local,
                holder: Holder::Person,
            },
            user: Some(User {
                id: UserId(1),
                telegram_id: 7,
                name: "Ann".to_owned(),
                state: UserState::Approved,
                language: Language::En,
            }),
            policy: values.policy(&[Level::System]).unwrap(),
            session: Some(session()),
            open: Vec::new(),
            slots: Vec::new(),
            rules: Vec::new(),
        }
    }

    fn decide(&self, station: Option<&str>, now: i64) -> Decision {
        let door = Door {
            account: &self.account,
            user: self.user.as_ref(),
            policy: &self.policy,
            session: self.session.as_ref(),
            open: &self.open,
            slots: &self.slots,
            rules: &self.rules,
        };
        door.decide(ROUTER, station.map(place).as_ref(), at(now))
    }

    fn connected_from(mut self, station: &str) -> Self {
        let id = ConnectionId(100 + i64::try_from(self.open.len()).unwrap());
        self.open.push(OpenConnection {
            id,
            session: Some(SessionId(1)),
            place: Some(place(station)),
            acct_session_id: "81a00001".to_owned(),
            started: at(0),
        });
        self
    }

    fn waiting_from(mut self, station: &str, since: i64) -> Self {
        self.slots.push(Slot {
            session: Some(SessionId(1)),
            nas: NasKey { router: RouterId(1), address: [127, 0, 0, 1].into(), identifier: String::new() },
            acct_session_id: Some("81a00002".to_owned()),
            user_name: b"ann".to_vec(),
            place: Some(place(station)),
            nas_ip: None,
            server: None,
            at: at(since),
        });
        self
    }
}

fn session() -> Session {
    Session {
        id: SessionId(1),
        account: AccountId(1),
        user: Some(UserId(1)),
        origin: Origin::Request,
        state: State::Granted,
        created_at: at(0),
        until: at(24 * HOUR),
        ends_at: None,
        extensions: 0,
        reminded_for: None,
        callers: vec![crate::domain::session::Caller { place: place("1.1.1.1"), standing: Standing::Confirmed }],
        connections: Vec::new(),
    }
}

#[track_caller]
fn permit(decision: Decision) -> Permit {
    match decision {
        Decision::Accept(permit) | Decision::Admit(_, _, permit) => permit,
        other => panic!("not permitted: {other:?}"),
    }
}

#[test]
fn a_known_caller_is_accepted_for_what_is_left() {
    let permit = permit(Hall::new(&[]).decide(Some("1.1.1.1"), 23 * HOUR));
    assert_eq!(permit.timeout, Duration::from_secs(3600));
    assert_eq!(permit.interim, Duration::from_secs(60));
}

#[test]
fn each_thing_amiss_has_its_reason() {
    #[track_caller]
    fn check(change: impl FnOnce(&mut Hall), expected: Reason) {
        let mut hall = Hall::new(&[]);
        change(&mut hall);
        assert_eq!(hall.decide(Some("1.1.1.1"), 0), Decision::Refuse(expected));
    }
    let state = |hall: &mut Hall, state| hall.user.as_mut().unwrap().state = state;
    check(|hall| state(hall, UserState::Pending), Reason::UserPending);
    check(|hall| state(hall, UserState::Rejected), Reason::UserRejected);
    check(|hall| state(hall, UserState::Blocked), Reason::UserBlocked);
    check(|hall| hall.user = None, Reason::Unbound);
    check(|hall| hall.account.switch = Switch::Disabled, Reason::AccountDisabled);
    check(|hall| hall.account.lock = Lock::Locked, Reason::AccountLocked);
    check(|hall| hall.policy.routers = vec!["other".to_owned()], Reason::RouterNotAllowed);
    check(|hall| hall.policy.source_networks = vec!["10.0.0.0/8".parse().unwrap()], Reason::OutsideNetworks);
    check(|hall| hall.policy.allowed_hours = "Mo 08:00-09:00".parse().unwrap(), Reason::OutsideHours);
    check(|hall| hall.session.as_mut().unwrap().until = at(29_999), Reason::SessionEnding);
    check(
        |hall| {
            hall.session = None;
            hall.policy.without_session = WithoutSession::Reject;
        },
        Reason::NoSession,
    );
}

#[test]
fn held_is_who_would_knock() {
    let mut hall = Hall::new(&[("without_session", "hold")]);
    assert_eq!(hall.decide(Some("2.2.2.2"), 0), Decision::Hold(Reason::NewCaller));
    permit(hall.decide(Some("1.1.1.1"), 0));
    hall.session = None;
    assert_eq!(hall.decide(Some("1.1.1.1"), 0), Decision::Hold(Reason::NoSession));
    hall.account.lock = Lock::Locked;
    assert_eq!(hall.decide(Some("1.1.1.1"), 0), Decision::Refuse(Reason::AccountLocked));
    hall.account = Hall::new(&[]).account;
    hall.account.holder = Holder::Machine;
    hall.user = None;
    assert_eq!(hall.decide(Some("1.1.1.1"), 0), Decision::Refuse(Reason::NoSession), "nobody can be asked");
}

#[test]
fn without_a_session_somebody_knocks() {
    let mut hall = Hall::new(&[]);
    assert_eq!(hall.decide(Some("2.2.2.2"), 0), Decision::Knock(Reason::NewCaller));
    assert_eq!(hall.decide(None, 0), Decision::Knock(Reason::NewCaller));
    hall.session = None;
    assert_eq!(hall.decide(Some("1.1.1.1"), 0), Decision::Knock(Reason::NoSession));
}

#[test]
fn the_end_of_the_allowed_hours_bounds_the_timeout() {
    // 1970-01-01 was a Thursday.
    let hall = Hall::new(&[("allowed_hours", "Th 00:00-02:00")]);
    assert_eq!(permit(hall.decide(Some("1.1.1.1"), HOUR)).timeout, Duration::from_secs(3600));
}

#[test]
fn an_unconfirmed_caller_gets_a_short_timeout_under_extra_protection() {
    let mut hall = Hall::new(&[("extra_protection", "on")]);
    assert_eq!(permit(hall.decide(Some("1.1.1.1"), 0)).timeout, Duration::from_secs(24 * 3600));
    hall.session.as_mut().unwrap().callers.clear();
    let decision = hall.decide(Some("1.1.1.1"), 0);
    assert!(matches!(decision, Decision::Admit(..)));
    assert_eq!(permit(decision).timeout, Duration::from_secs(330));
}

#[test]
fn a_machine_is_let_in_only_if_tied_to_networks() {
    let mut hall = Hall::new(&[("without_session", "allow")]);
    hall.session = None;
    assert_eq!(hall.decide(Some("10.0.0.1"), 0), Decision::Refuse(Reason::AllowNotTied));
    hall.user = None;
    hall.account.user = None;
    hall.account.holder = Holder::Machine;
    assert_eq!(hall.decide(Some("10.0.0.1"), 0), Decision::Refuse(Reason::AllowNotTied));
    hall.policy.source_networks = vec!["10.0.0.0/8".parse().unwrap()];
    let permit = permit(hall.decide(Some("10.0.0.1"), 0));
    assert_eq!((permit.session, permit.timeout), (None, LONGEST));
    assert_eq!(hall.decide(Some("11.0.0.1"), 0), Decision::Refuse(Reason::OutsideNetworks));
    // Bound to a person it is no machine's any more, whatever the mark says.
    let person = Hall::new(&[]);
    (hall.user, hall.account.user) = (person.user, person.account.user);
    assert_eq!(hall.decide(Some("10.0.0.1"), 0), Decision::Refuse(Reason::AllowNotTied));
}

#[test]
fn a_redial_while_the_session_counts_down_gets_its_whole_time() {
    let mut hall = Hall::new(&[]);
    let whole = permit(hall.decide(Some("1.1.1.1"), 0)).timeout;
    if let Some(session) = &mut hall.session {
        session.ends_at = Some(at(10_000));
    }
    assert_eq!(permit(hall.decide(Some("1.1.1.1"), 0)).timeout, whole);
    assert_eq!(hall.decide(Some("1.1.1.1"), 10_000), Decision::Knock(Reason::NoSession));
}

#[test]
fn a_machine_stays_in_only_while_it_is_allowed_and_usable() {
    #[track_caller]
    fn check(change: impl FnOnce(&mut Hall), expected: bool) {
        let mut hall = Hall::new(&[("without_session", "allow"), ("source_networks", "10.0.0.0/8")]);
        (hall.user, hall.account.user, hall.account.holder) = (None, None, Holder::Machine);
        change(&mut hall);
        let door = Door {
            account: &hall.account,
            user: hall.user.as_ref(),
            policy: &hall.policy,
            session: None,
            open: &[],
            slots: &[],
            rules: &[],
        };
        assert_eq!(door.lets_machine_in(), expected);
    }
    check(|_| (), true);
    check(|hall| hall.account.holder = Holder::Person, false);
    check(|hall| hall.account.user = Some(UserId(1)), false);
    check(|hall| hall.account.switch = Switch::Disabled, false);
    check(|hall| hall.account.lock = Lock::Locked, false);
    check(|hall| hall.policy.without_session = WithoutSession::Knock, false);
    check(|hall| hall.policy.source_networks.clear(), false);
}

#[test]
fn a_dial_above_the_limit_is_refused_or_replaces() {
    let hall = Hall::new(&[]).connected_from("9.9.9.9");
    assert_eq!(hall.decide(Some("1.1.1.1"), 0), Decision::Refuse(Reason::TooMany));
    let hall = Hall::new(&[("over_limit", "replace")]).connected_from("9.9.9.9");
    assert_eq!(permit(hall.decide(Some("1.1.1.1"), 0)).replaces, [ConnectionId(100)]);
    let hall = Hall::new(&[("connections_per_account", "0")]).connected_from("9.9.9.9");
    assert!(permit(hall.decide(Some("1.1.1.1"), 0)).replaces.is_empty());
}

#[test]
fn a_dial_of_the_same_caller_replaces_its_own_connection_or_slot() {
    let hall = Hall::new(&[]).connected_from("1.1.1.1");
    assert_eq!(permit(hall.decide(Some("1.1.1.1"), 0)).replaces, [ConnectionId(100)]);
    let hall = Hall::new(&[]).waiting_from("1.1.1.1", 0);
    assert!(permit(hall.decide(Some("1.1.1.1"), 1)).replaces.is_empty());
}

#[test]
fn an_accept_holds_its_slot_for_a_minute() {
    let hall = Hall::new(&[]).waiting_from("9.9.9.9", 0);
    assert_eq!(hall.decide(Some("1.1.1.1"), 59_999), Decision::Refuse(Reason::TooMany));
    permit(hall.decide(Some("1.1.1.1"), 60_000));
}

#[test]
fn reasons_up_to_the_password_are_not_told() {
    assert!(!Reason::UnknownName.is_told());
    assert!(!Reason::WrongPassword.is_told());
    assert!(Reason::NoSession.is_told());
}

/// What may happen to a person and their account.
#[derive(Debug, Clone)]
enum Happening {
    Decided(UserStep),
    Asked,
    KnockAnswered(&'static str),
    Session(Event),
    Disabled,
    Enabled,
    Waited(i64),
}

fn happening() -> impl Strategy<Value = Happening> {
    let step = prop_oneof![
        Just(UserStep::Apply),
        Just(UserStep::Approve),
        Just(UserStep::Reject),
        Just(UserStep::Block),
        Just(UserStep::Unblock)
    ];
    let event = prop_oneof![
        Just(Event::Confirmed(ConnectionId(10))),
        Just(Event::Seen { connection: ConnectionId(10), place: Some(place("1.1.1.1")), door: Passed::Admitted }),
        Just(Event::Seen { connection: ConnectionId(11), place: Some(place("2.2.2.2")), door: Passed::Unasked }),
        Just(Event::Admitted(place("2.2.2.2"))),
        Just(Event::Stopped(ConnectionId(10))),
        Just(Event::NotMe),
        Just(Event::Extended { by: Duration::from_secs(3600), who: Extender::Person }),
        Just(Event::Ended { reason: EndReason::ByUser, connections: Fate::Cut }),
    ];
    prop_oneof![
        step.prop_map(Happening::Decided),
        Just(Happening::Asked),
        prop_oneof![Just("1.1.1.1"), Just("2.2.2.2")].prop_map(Happening::KnockAnswered),
        event.prop_map(Happening::Session),
        Just(Happening::Disabled),
        Just(Happening::Enabled),
        (0..30 * HOUR).prop_map(Happening::Waited),
    ]
}

/// The world as the property keeps it: what is stored, and beside it who truly approved what.
struct Story {
    hall: Hall,
    now: i64,
    /// Until when somebody who may has approved.
    approved_until: Option<i64>,
}

impl Story {
    fn happen(&mut self, happening: Happening) {
        let may_hold = self.hall.user.as_ref().unwrap().state == UserState::Approved
            && self.hall.account.switch == Switch::Enabled
            && self.hall.account.lock == Lock::Open;
        match happening {
            Happening::Waited(millis) => self.now += millis,
            Happening::Decided(step) => {
                let user = self.hall.user.as_mut().unwrap();
                if let Some(state) = user.state.after(step) {
                    user.state = state;
                    if state != UserState::Approved {
                        self.revoke();
                    }
                }
            }
            Happening::Asked if may_hold => self.grant(Origin::Request, None),
            Happening::KnockAnswered(station) if may_hold => self.grant(Origin::Knock, Some(place(station))),
            Happening::Asked | Happening::KnockAnswered(_) => {}
            Happening::Disabled => {
                self.hall.account.switch = Switch::Disabled;
                self.revoke();
            }
            Happening::Enabled => self.hall.account.switch = Switch::Enabled,
            Happening::Session(event) => self.apply(&event),
        }
    }

    fn revoke(&mut self) {
        self.apply(&Event::Ended { reason: EndReason::Revoked, connections: Fate::Cut });
        self.approved_until = None;
    }

    fn grant(&mut self, origin: Origin, caller: Option<Place>) {
        let until = at(self.now + 24 * HOUR);
        self.apply(&Event::Renewed { until, caller: caller.clone() });
        if self.hall.session.is_none() {
            let callers = caller
                .map(|place| vec![crate::domain::session::Caller { place, standing: Standing::Confirmed }])
                .unwrap_or_default();
            self.hall.session = Some(Session { origin, until, created_at: at(self.now), callers, ..session() });
        }
        self.approved_until = self.hall.session.as_ref().map(|session| session.until.millis());
    }

    fn apply(&mut self, event: &Event) {
        let Some(session) = &self.hall.session else { return };
        if let Applied::Changed(next, _) = session.apply(event, &self.hall.policy, at(self.now)) {
            if *event == Event::NotMe {
                self.hall.account.lock = Lock::Locked;
            }
            if next.is_open() {
                if matches!(event, Event::Extended { .. }) {
                    self.approved_until = Some(next.until.millis());
                }
                self.hall.session = Some(*next);
            } else {
                self.hall.session = None;
                self.approved_until = None;
            }
        }
    }
}

proptest! {
    #[test]
    fn no_sequence_of_events_permits_without_an_approval(
        happenings in proptest::collection::vec(happening(), 1..80),
        station in prop_oneof![Just("1.1.1.1"), Just("2.2.2.2"), Just("3.3.3.3")],
    ) {
        let mut hall = Hall::new(&[]);
        hall.session = None;
        hall.user.as_mut().unwrap().state = UserState::Pending;
        let mut story = Story { hall, now: 0, approved_until: None };
        for happening in happenings {
            story.happen(happening);
            let decision = story.hall.decide(Some(station), story.now);
            if let Decision::Accept(permit) | Decision::Admit(_, _, permit) = decision {
                let until = story.approved_until;
                prop_assert!(until.is_some(), "permitted without an approval");
                let end = at(story.now) + permit.timeout;
                prop_assert!(end <= at(until.unwrap_or(0)), "permitted beyond what was approved");
                prop_assert_eq!(story.hall.user.as_ref().map(|user| user.state), Some(UserState::Approved));
                prop_assert_eq!(story.hall.account.lock, Lock::Open);
            }
        }
    }
}
