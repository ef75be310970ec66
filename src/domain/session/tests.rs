//! Tests of the session's state machine, one sentence each; and the property that nothing revives an ended session.

use proptest::prelude::*;

use super::*;
use crate::domain::id::RouterId;
use crate::domain::policy::Values;
use crate::domain::setting::Level;

const HOUR: i64 = 3_600_000;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn policy(changes: &[(&str, &str)]) -> Policy {
    let mut values = Values::default();
    for (name, value) in changes {
        values.insert(name, Level::System, (*value).to_owned());
    }
    values.policy(&[Level::System]).unwrap()
}

fn place(station: &str) -> Place {
    Place { router: RouterId(1), station: station.to_owned() }
}

fn granted(origin: Origin) -> Session {
    Session {
        id: SessionId(1),
        account: AccountId(1),
        user: Some(UserId(1)),
        origin,
        state: State::Granted,
        created_at: at(0),
        until: at(24 * HOUR),
        ends_at: None,
        extensions: 0,
        reminded_for: None,
        callers: Vec::new(),
        connections: Vec::new(),
    }
}

const A: ConnectionId = ConnectionId(10);
const B: ConnectionId = ConnectionId(11);

fn seen(connection: ConnectionId, station: &str) -> Event {
    Event::Seen { connection, place: Some(place(station)), door: Passed::Admitted }
}

#[track_caller]
fn changed_by(session: &Session, event: &Event, policy: &Policy, now: i64) -> (Session, Vec<Effect>) {
    match session.apply(event, policy, at(now)) {
        Applied::Changed(session, effects) => (*session, effects),
        Applied::Unchanged(why) => panic!("{event:?} did nothing: {why:?}"),
    }
}

#[track_caller]
fn ended(session: &Session) -> EndReason {
    match session.state {
        State::Ended { reason, .. } => reason,
        State::Granted | State::Active => panic!("still open"),
    }
}

#[test]
fn without_extra_protection_the_first_connection_makes_it_active() {
    let (session, effects) = changed_by(&granted(Origin::Request), &seen(A, "1.1.1.1"), &policy(&[]), 1);
    assert_eq!(session.state, State::Active);
    assert!(effects.is_empty());
}

#[test]
fn with_extra_protection_the_person_is_asked_until_the_deadline() {
    let policy = policy(&[("extra_protection", "on")]);
    let (session, effects) = changed_by(&granted(Origin::Request), &seen(A, "1.1.1.1"), &policy, 1_000);
    assert_eq!(session.state, State::Granted);
    assert_eq!(effects, [Effect::Ask { connection: A, until: at(301_000) }]);
    let (session, effects) = changed_by(&session, &Event::Confirmed(A), &policy, 2_000);
    assert_eq!(session.state, State::Active);
    assert_eq!(effects, [Effect::Withdraw(A)]);
    assert_eq!(session.admission(Some(&place("1.1.1.1")), NewAddress::Ask), Admission::Known(Standing::Confirmed));
}

#[test]
fn a_caller_confirmed_before_is_not_asked_again() {
    let policy = policy(&[("extra_protection", "on")]);
    let (session, _) = changed_by(&granted(Origin::Request), &seen(A, "1.1.1.1"), &policy, 0);
    let (session, _) = changed_by(&session, &Event::Confirmed(A), &policy, 1);
    let (session, _) = changed_by(&session, &Event::Stopped(A), &policy, 2);
    let (session, effects) = changed_by(&session, &seen(B, "1.1.1.1"), &policy, 3);
    assert!(effects.is_empty());
    assert_eq!(session.connections.first().map(|held| held.presence), Some(Presence::Confirmed { at: at(3) }));
}

#[test]
fn a_yes_after_the_deadline_cuts() {
    let policy = policy(&[("extra_protection", "on")]);
    let (session, _) = changed_by(&granted(Origin::Request), &seen(A, "1.1.1.1"), &policy, 0);
    let (session, _) = changed_by(&session, &Event::Confirmed(A), &policy, 300_000);
    assert_eq!(ended(&session), EndReason::Unanswered);
}

#[test]
fn a_yes_to_a_connection_that_hung_up_changes_nothing() {
    let policy = policy(&[("extra_protection", "on")]);
    let (session, _) = changed_by(&granted(Origin::Request), &seen(A, "1.1.1.1"), &policy, 0);
    let (session, effects) = changed_by(&session, &Event::Stopped(A), &policy, 1);
    assert_eq!(effects, [Effect::Withdraw(A)]);
    assert_eq!(session.state, State::Granted);
    assert_eq!(session.apply(&Event::Confirmed(A), &policy, at(2)), Applied::Unchanged(Why::HungUp));
}

#[test]
fn cut_it_ends_the_session_only_without_another_confirmed_connection() {
    let policy = policy(&[("extra_protection", "on")]);
    let (session, _) = changed_by(&granted(Origin::Request), &seen(A, "1.1.1.1"), &policy, 0);
    let (alone, effects) = changed_by(&session, &Event::Declined(A), &policy, 1);
    assert_eq!(ended(&alone), EndReason::Denied);
    assert_eq!(effects, [Effect::Over { reason: EndReason::Denied, connections: Fate::Cut }]);

    let (session, _) = changed_by(&session, &Event::Confirmed(A), &policy, 1);
    let (session, _) = changed_by(&session, &Event::Admitted(place("2.2.2.2")), &policy, 2);
    let (session, _) = changed_by(&session, &seen(B, "2.2.2.2"), &policy, 3);
    let (session, effects) = changed_by(&session, &Event::Declined(B), &policy, 4);
    assert!(session.is_open());
    assert_eq!(effects, [Effect::Withdraw(B), Effect::Cut(B)]);
    assert_eq!(session.admission(Some(&place("2.2.2.2")), NewAddress::Allow), Admission::Stranger);
}

#[test]
fn not_me_ends_everything_and_locks() {
    let (session, effects) = changed_by(&granted(Origin::Request), &Event::NotMe, &policy(&[]), 1);
    assert_eq!(ended(&session), EndReason::Denied);
    assert!(effects.contains(&Effect::Lock));
}

#[test]
fn admits_its_first_caller_and_then_no_other() {
    let session = granted(Origin::Request);
    assert_eq!(session.admission(Some(&place("1.1.1.1")), NewAddress::Ask), Admission::First);
    assert_eq!(session.admission(None, NewAddress::Ask), Admission::Stranger);
    let (session, _) = changed_by(&session, &Event::Admitted(place("1.1.1.1")), &policy(&[]), 1);
    assert_eq!(session.admission(Some(&place("1.1.1.1")), NewAddress::Ask), Admission::Known(Standing::Admitted));
    assert_eq!(session.admission(Some(&place("1.1.1.2")), NewAddress::Ask), Admission::Stranger);
    assert_eq!(session.admission(Some(&place("1.1.1.2")), NewAddress::SameNetwork), Admission::Alike);
    assert_eq!(session.admission(Some(&place("1.1.2.2")), NewAddress::SameNetwork), Admission::Stranger);
    assert_eq!(session.admission(Some(&place("9.9.9.9")), NewAddress::Allow), Admission::Alike);
}

#[test]
fn a_session_of_a_knock_admits_only_whom_the_knock_showed() {
    let mut session = granted(Origin::Knock);
    session.callers = vec![Caller { place: place("1.1.1.1"), standing: Standing::Confirmed }];
    assert_eq!(session.admission(Some(&place("2.2.2.2")), NewAddress::Ask), Admission::Stranger);
    assert_eq!(session.admission(Some(&place("1.1.1.1")), NewAddress::Ask), Admission::Known(Standing::Confirmed));
}

#[test]
fn admits_at_most_eight_callers() {
    let mut session = granted(Origin::Request);
    for last in 0..CALLERS {
        (session, _) = changed_by(&session, &Event::Admitted(place(&format!("1.1.1.{last}"))), &policy(&[]), 1);
    }
    assert_eq!(session.admission(Some(&place("9.9.9.9")), NewAddress::Allow), Admission::Stranger);
    let ninth = Event::Admitted(place("9.9.9.9"));
    assert_eq!(session.apply(&ninth, &policy(&[]), at(2)), Applied::Unchanged(Why::TooManyCallers));
}

#[test]
fn a_yes_to_a_ninth_caller_takes_the_place_of_one_that_is_not_connected() {
    let policy = policy(&[]);
    let mut session = granted(Origin::Request);
    for last in 1..=CALLERS {
        session = changed_by(&session, &Event::Admitted(place(&format!("192.0.2.{last}"))), &policy, 0).0;
    }
    let (session, _) = changed_by(&session, &seen(A, "192.0.2.1"), &policy, 0);
    let yes = Event::Renewed { until: at(25 * HOUR), caller: Some(place("198.51.100.9")) };
    let (session, _) = changed_by(&session, &yes, &policy, 1);
    assert_eq!(session.callers.len(), CALLERS);
    let admission = |station: &str| session.admission(Some(&place(station)), NewAddress::Ask);
    assert_eq!(admission("198.51.100.9"), Admission::Known(Standing::Confirmed));
    assert_eq!(admission("192.0.2.1"), Admission::Known(Standing::Admitted));
    assert_eq!(admission("192.0.2.2"), Admission::Stranger);
}

#[test]
fn granted_again_the_later_limit_holds() {
    let session = granted(Origin::Request);
    let renewed = |until| Event::Renewed { until: at(until), caller: None };
    let (later, _) = changed_by(&session, &renewed(30 * HOUR), &policy(&[]), 1);
    assert_eq!(later.until, at(30 * HOUR));
    assert_eq!(later.apply(&renewed(2 * HOUR), &policy(&[]), at(2)), Applied::Unchanged(Why::Already));
}

#[test]
fn extends_by_the_person_at_most_as_often_as_allowed() {
    let policy = policy(&[("max_extensions", "1")]);
    let person = Event::Extended { by: Duration::from_secs(3600), who: Extender::Person };
    let operator = Event::Extended { by: Duration::from_secs(3600), who: Extender::Operator };
    let (session, _) = changed_by(&granted(Origin::Request), &person, &policy, 1);
    assert_eq!(session.until, at(25 * HOUR));
    assert_eq!(session.apply(&person, &policy, at(2)), Applied::Unchanged(Why::NoMoreExtensions));
    let (session, _) = changed_by(&session, &operator, &policy, 3);
    assert_eq!(session.until, at(26 * HOUR));
}

#[test]
fn no_extension_reaches_beyond_168_hours_from_now() {
    let week = Event::Extended { by: LONGEST, who: Extender::Operator };
    let (session, _) = changed_by(&granted(Origin::Grant), &week, &policy(&[]), 0);
    assert_eq!(session.until, at(168 * HOUR));
    assert_eq!(session.apply(&week, &policy(&[]), at(0)), Applied::Unchanged(Why::AtTheLimit));
}

#[test]
fn the_limit_is_tested_before_every_event() {
    let events = [
        Event::Confirmed(A),
        seen(A, "1.1.1.1"),
        Event::Extended { by: LONGEST, who: Extender::Person },
        Event::Renewed { until: at(100 * HOUR), caller: None },
        Event::Due,
    ];
    for event in events {
        let (session, _) = changed_by(&granted(Origin::Request), &event, &policy(&[]), 24 * HOUR);
        assert_eq!(ended(&session), EndReason::Expired, "{event:?}");
    }
}

#[test]
fn the_last_hang_up_starts_a_countdown_that_a_redial_stops() {
    let policy = policy(&[("end_on_disconnect", "60")]);
    let (session, _) = changed_by(&granted(Origin::Request), &seen(A, "1.1.1.1"), &policy, 0);
    let (session, _) = changed_by(&session, &Event::Stopped(A), &policy, 1_000);
    assert_eq!(session.end(), at(61_000));
    let (redialled, _) = changed_by(&session, &seen(B, "1.1.1.1"), &policy, 2_000);
    assert_eq!(redialled.end(), at(24 * HOUR));
    let (over, _) = changed_by(&session, &Event::Due, &policy, 61_000);
    assert_eq!(ended(&over), EndReason::Disconnected);
}

#[test]
fn a_redial_that_is_being_asked_about_stops_the_countdown() {
    let policy = policy(&[("extra_protection", "on"), ("end_on_disconnect", "60")]);
    let (session, _) = changed_by(&granted(Origin::Request), &seen(A, "203.0.113.7"), &policy, 0);
    let (session, _) = changed_by(&session, &Event::Confirmed(A), &policy, 1_000);
    let (session, _) = changed_by(&session, &seen(B, "198.51.100.9"), &policy, 2_000);
    let (session, _) = changed_by(&session, &Event::Stopped(A), &policy, 3_000);
    assert_eq!(session.ends_at, None, "somebody is asked: nothing ends before the answer");
    let (hung_up, _) = changed_by(&session, &Event::Stopped(B), &policy, 4_000);
    assert_eq!(hung_up.ends_at, Some(at(64_000)));
    let (confirmed, _) = changed_by(&session, &Event::Confirmed(B), &policy, 4_000);
    assert!(confirmed.is_valid(at(HOUR)));
}

#[test]
fn a_lost_connection_never_ends_its_session() {
    let policy = policy(&[("end_on_disconnect", "60")]);
    let (session, _) = changed_by(&granted(Origin::Request), &seen(A, "203.0.113.7"), &policy, 0);
    let (session, _) = changed_by(&session, &Event::Lost(A), &policy, 1_000);
    assert!(session.connections.is_empty());
    assert_eq!(session.ends_at, None);
}

#[test]
fn unused_in_time_it_ends() {
    let policy = policy(&[("use_within_minutes", "30")]);
    let session = granted(Origin::Request);
    assert_eq!(session.next_due(&policy), at(HOUR / 2));
    let (session, _) = changed_by(&session, &Event::Due, &policy, HOUR / 2);
    assert_eq!(ended(&session), EndReason::Unused);
}

#[test]
fn granted_again_before_it_is_used_its_time_to_be_used_begins_anew() {
    let policy = policy(&[("use_within_minutes", "30")]);
    let again = Event::Renewed { until: at(25 * HOUR), caller: None };
    let (session, _) = changed_by(&granted(Origin::Request), &again, &policy, HOUR / 3);
    assert_eq!(session.due(&policy, at(HOUR / 2)), None);
    assert_eq!(session.due(&policy, at(HOUR / 3 + HOUR / 2)), Some(EndReason::Unused));
}

#[test]
fn is_due_for_its_reminder_once() {
    let policy = policy(&[]);
    let mut session = granted(Origin::Request);
    assert_eq!(session.next_due(&policy), at(23 * HOUR));
    session.reminded_for = Some(session.until);
    assert_eq!(session.next_due(&policy), at(24 * HOUR));
}

fn any_event() -> impl Strategy<Value = Event> {
    let connection = prop_oneof![Just(A), Just(B)];
    let station = prop_oneof![Just("1.1.1.1"), Just("2.2.2.2"), Just("AA:BB:CC:00:11:22")];
    prop_oneof![
        (0..200_i64).prop_map(|hours| Event::Renewed { until: at(hours * HOUR), caller: None }),
        station.clone().prop_map(|station| Event::Admitted(place(station))),
        (connection.clone(), station).prop_map(|(connection, station)| seen(connection, station)),
        connection.clone().prop_map(Event::Confirmed),
        connection.clone().prop_map(Event::Declined),
        connection.clone().prop_map(Event::Unanswered),
        Just(Event::NotMe),
        connection.clone().prop_map(Event::Stopped),
        connection.prop_map(Event::Lost),
        (1..168_u64).prop_map(|hours| Event::Extended { by: Duration::from_secs(hours * 3600), who: Extender::Person }),
        Just(Event::Ended { reason: EndReason::Revoked, connections: Fate::Kept }),
        Just(Event::Due),
    ]
}

proptest! {
    #[test]
    fn nothing_revives_an_ended_session(
        extra in any::<bool>(),
        steps in proptest::collection::vec((any_event(), 0..4 * HOUR), 1..60),
    ) {
        let policy = policy(&[("extra_protection", if extra { "on" } else { "off" }), ("end_on_disconnect", "60")]);
        let mut session = granted(Origin::Request);
        let mut now = 0;
        let mut over = false;
        for (event, wait) in steps {
            now += wait;
            if let Applied::Changed(next, effects) = session.apply(&event, &policy, at(now)) {
                prop_assert!(!over, "an ended session changed");
                let closing = effects.iter().any(|effect| matches!(effect, Effect::Over { .. }));
                prop_assert_eq!(closing, !next.is_open(), "its end has its effect, once");
                session = *next;
            }
            over = over || !session.is_open();
            prop_assert!(session.callers.len() <= CALLERS);
            prop_assert!(session.until <= at(now) + LONGEST || session.until <= at(24 * HOUR));
            prop_assert!(!over || !session.is_valid(at(now)));
            // Under extra protection nobody is active whom no event confirmed.
            if extra && session.state == State::Active {
                prop_assert!(session.callers.iter().any(|caller| caller.standing == Standing::Confirmed));
            }
        }
    }
}
