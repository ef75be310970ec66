//! Connections that are up, and their removal.

use std::time::Duration;

use radgram::gate::router_api::{AdmittedBy, ApiFault, ApiState, Removed, RouterApi};
use radgram::proto::routeros::Sentence;

use crate::menus::{Bench, Menus, refusal};
use crate::{ACTIVE, OLD_SESSIONS, OLD_USERS, SESSIONS, USERS};

fn connected(menus: &mut Menus, name: &str, number: &str, radius: &str) -> String {
    let address = format!("10.8.0.{}", menus.len(ACTIVE) + 5);
    menus.put(
        ACTIVE,
        &[
            ("name", name),
            ("service", "l2tp"),
            ("caller-id", "203.0.113.7"),
            ("address", &address),
            ("uptime", "51s"),
            ("session-id", number),
            ("radius", radius),
        ],
    )
}

#[tokio::test]
async fn active_connections_come_with_their_octets_and_who_let_them_in() {
    let bench = Bench::new(|menus| {
        connected(menus, "ivan", "0x81A00001", "true");
        connected(menus, "ann", "0x81A00002", "false");
        menus.put("/interface", &[("name", "<l2tp-ivan>"), ("rx-byte", "1000"), ("tx-byte", "2000")]);
        menus.put("/interface", &[("name", "ether1"), ("rx-byte", "5"), ("tx-byte", "6")]);
    })
    .await;
    let active = bench.fleet.active(&bench.router).await.unwrap();
    let seen: Vec<_> = active
        .iter()
        .map(|active| (active.acct_session_id.as_str(), active.name.as_slice(), active.admitted, active.octets))
        .collect();
    assert_eq!(
        seen,
        [
            ("81a00001", &b"ivan"[..], AdmittedBy::Radius, Some((1000, 2000))),
            ("81a00002", &b"ann"[..], AdmittedBy::Secret, None),
        ]
    );
    assert_eq!(active[0].uptime, Duration::from_secs(51));
    assert_eq!(active[0].address, Some([10, 8, 0, 5].into()));
}

#[tokio::test]
async fn sessions_of_the_user_manager_are_added_where_the_router_has_none() {
    let bench = Bench::new(|menus| {
        connected(menus, "ivan", "0x81A00001", "true");
        menus.menu(USERS);
        let session = |user, number, active| {
            [
                ("user", user),
                ("acct-session-id", number),
                ("active", active),
                ("user-address", "10.9.0.1"),
                ("uptime", "1h"),
            ]
        };
        menus.put(SESSIONS, &session("ivan", "81a00001", "true"));
        menus.put(SESSIONS, &session("olga", "81a00007", "true"));
        menus.put(SESSIONS, &session("olga", "81a00006", "false"));
        // The same name on another router: another connection.
        menus.put(SESSIONS, &session("ivan", "81a00009", "true"));
    })
    .await;
    let active = bench.fleet.active(&bench.router).await.unwrap();
    let seen: Vec<_> = active.iter().map(|active| (active.acct_session_id.as_str(), active.admitted)).collect();
    let numbers = ["81a00001", "81a00007", "81a00009"];
    assert_eq!(seen, numbers.map(|number| (number, AdmittedBy::UserManager)));
    assert_eq!(active[1].uptime, Duration::from_secs(3600));
}

#[tokio::test]
async fn sessions_of_an_old_user_manager_are_known_by_their_addresses() {
    let bench = Bench::new(|menus| {
        connected(menus, "ivan", "0x81A00001", "true");
        menus.menu(OLD_USERS);
        menus.put(OLD_SESSIONS, &[("user", "ivan"), ("user-ip", "10.8.0.5"), ("active", "true")]);
        menus.put(OLD_SESSIONS, &[("user", "olga"), ("user-ip", "10.9.0.1"), ("active", "true")]);
    })
    .await;
    let active = bench.fleet.active(&bench.router).await.unwrap();
    let names: Vec<_> = active.iter().map(|active| active.name.as_slice()).collect();
    assert_eq!(names, [b"ivan", b"olga"]);
    assert_eq!(active[1].address, Some([10, 9, 0, 1].into()));
}

#[tokio::test]
async fn which_user_manager_there_is_is_asked_once() {
    let bench = Bench::new(|menus| {
        menus.menu(ACTIVE);
    })
    .await;
    for _ in 0..3 {
        assert_eq!(bench.fleet.active(&bench.router).await, Ok(Vec::new()));
    }
    let heard = bench.heard();
    let asked: Vec<_> = heard.iter().filter(|heard| heard.contains("user-manager")).collect();
    assert_eq!(asked.len(), 2, "{asked:?}");
}

#[tokio::test]
async fn a_connection_is_removed_by_number_and_name() {
    let bench = Bench::new(|menus| {
        connected(menus, "ivan", "0x81A00001", "true");
        connected(menus, "ivan", "0x81A00002", "true");
        connected(menus, "olga", "0x81A00001", "true");
    })
    .await;
    let removed = bench.fleet.remove_active(&bench.router, "81a00002", b"ivan").await;
    assert_eq!(removed, Ok(Removed::Removed));
    assert_eq!(bench.changes(), ["/ppp/active/remove =.id=*4"]);
    assert_eq!(bench.at(|menus| menus.len(ACTIVE)), 2);
    for (number, name) in [("81a00002", &b"ivan"[..]), ("81a00001", b"ivanov"), ("81a00009", b"ivan")] {
        assert_eq!(bench.fleet.remove_active(&bench.router, number, name).await, Ok(Removed::Absent));
    }
}

#[tokio::test]
async fn a_connection_is_found_whichever_way_its_name_is_written() {
    for (listed, told) in [("ann", &b"CORP\\ann"[..]), ("CORP\\ann", b"ann"), ("Ann", b"ann")] {
        let bench = Bench::new(|menus| {
            connected(menus, listed, "0x81A00001", "true");
        })
        .await;
        let removed = bench.fleet.remove_active(&bench.router, "81a00001", told).await;
        assert_eq!(removed, Ok(Removed::Removed), "{listed}");
        assert_eq!(bench.at(|menus| menus.len(ACTIVE)), 0);
    }
}

#[tokio::test]
async fn a_row_without_a_number_may_be_the_connection() {
    let bench = Bench::new(|menus| {
        menus.put(ACTIVE, &[("name", "ivan"), ("service", "pptp")]);
    })
    .await;
    let removed = bench.fleet.remove_active(&bench.router, "81a00001", b"ivan").await;
    assert!(matches!(removed, Err(ApiFault::Ambiguous(_))), "{removed:?}");
    assert_eq!(bench.fleet.remove_active(&bench.router, "81a00001", b"olga").await, Ok(Removed::Absent));
}

#[tokio::test]
async fn a_connection_without_a_number_is_removed_by_its_row() {
    let bench = Bench::new(|menus| {
        menus.put(ACTIVE, &[("name", "ivan"), ("service", "pptp")]);
    })
    .await;
    let active = bench.fleet.active(&bench.router).await.unwrap();
    let removed = bench.fleet.remove_active(&bench.router, &active[0].acct_session_id, b"ivan").await;
    assert_eq!(removed, Ok(Removed::Removed));
}

#[tokio::test]
async fn a_connection_that_goes_by_itself_is_absent() {
    let bench = Bench::with(
        |menus| {
            connected(menus, "ivan", "0x81A00001", "true");
        },
        |command, _| (command.first() == b"/ppp/active/remove").then(|| refusal("no such item")),
    )
    .await;
    assert_eq!(bench.fleet.remove_active(&bench.router, "81a00001", b"ivan").await, Ok(Removed::Absent));
}

#[tokio::test]
async fn a_connection_that_stays_is_told() {
    let bench = Bench::with(
        |menus| {
            connected(menus, "ivan", "0x81A00001", "true");
        },
        |command, _| (command.first() == b"/ppp/active/remove").then(|| vec![Sentence::reply("!done")]),
    )
    .await;
    let removed = bench.fleet.remove_active(&bench.router, "81a00001", b"ivan").await;
    assert!(matches!(removed, Err(ApiFault::Refused(_))), "{removed:?}");
}

#[tokio::test]
async fn a_session_of_the_user_manager_alone_is_closed_there() {
    let bench = Bench::with(
        |menus| {
            menus.menu(ACTIVE);
            menus.menu(USERS);
            menus.put(SESSIONS, &[("user", "olga"), ("acct-session-id", "81a00007"), ("active", "true")]);
        },
        |command, menus| {
            (command.first() == b"/user-manager/session/close-session").then(|| {
                assert_eq!(command.attribute("numbers"), Some(&b"*3"[..]));
                menus.menu(SESSIONS)[0].insert("active".to_owned(), b"false".to_vec());
                vec![Sentence::reply("!done")]
            })
        },
    )
    .await;
    assert_eq!(bench.fleet.remove_active(&bench.router, "81a00007", b"olga").await, Ok(Removed::Removed));
    assert_eq!(bench.fleet.remove_active(&bench.router, "81a00007", b"olga").await, Ok(Removed::Absent));
}

#[tokio::test]
async fn an_old_user_manager_cannot_close_a_session_and_says_so() {
    let bench = Bench::new(|menus| {
        menus.menu(ACTIVE);
        menus.menu(OLD_USERS);
        menus.put(OLD_SESSIONS, &[("user", "olga"), ("acct-session-id", "81a00007"), ("active", "true")]);
    })
    .await;
    let removed = bench.fleet.remove_active(&bench.router, "81a00007", b"olga").await;
    assert!(matches!(removed, Err(ApiFault::Refused(_))), "{removed:?}");
    assert_eq!(bench.changes(), [""; 0]);
}

/// What is asked for besides the connections of PPP.
const BESIDES: [&str; 2] = ["/interface/print", "/user-manager/session/print"];

async fn besides_refused_with(message: &'static str) -> Bench {
    Bench::with(
        |menus| {
            connected(menus, "ivan", "0x81A00001", "true");
            menus.menu(USERS);
            menus.put(SESSIONS, &[("user", "olga"), ("acct-session-id", "81a00007"), ("active", "true")]);
        },
        move |command, _| BESIDES.iter().any(|menu| command.first() == menu.as_bytes()).then(|| refusal(message)),
    )
    .await
}

#[tokio::test]
async fn what_may_not_be_seen_is_not_there() {
    for message in ["not enough permissions (9)", "no such command prefix"] {
        let bench = besides_refused_with(message).await;
        let active = bench.fleet.active(&bench.router).await.unwrap();
        assert_eq!(active.len(), 1, "{message}");
        assert_eq!(bench.fleet.remove_active(&bench.router, "81a00007", b"olga").await, Ok(Removed::Absent));
    }
}

#[tokio::test]
async fn a_list_that_was_refused_is_no_empty_list() {
    let bench = besides_refused_with("failure: out of memory").await;
    let active = bench.fleet.active(&bench.router).await;
    assert!(matches!(active, Err(ApiFault::Refused(_))), "{active:?}");
    let removed = bench.fleet.remove_active(&bench.router, "81a00007", b"olga").await;
    assert!(matches!(removed, Err(ApiFault::Refused(_))), "{removed:?}");
}

#[tokio::test]
async fn a_greeting_tells_what_the_router_is_called_by_now() {
    let bench = Bench::new(|_| {}).await;
    let called = |state: Result<ApiState, ApiFault>| match state {
        Ok(ApiState::Up { identity, .. }) => identity,
        other => panic!("{other:?}"),
    };
    assert_eq!(called(bench.fleet.greet(&bench.router).await), "gw-1");
    bench.at(|menus| menus.menu("/system/identity")[0].insert("name".to_owned(), b"headquarters".to_vec()));
    assert_eq!(called(bench.fleet.greet(&bench.router).await), "headquarters");
    assert_eq!(called(Ok(bench.fleet.state(bench.router.id))), "headquarters");
}
