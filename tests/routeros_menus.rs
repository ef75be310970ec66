//! What the use cases ask of a router over its API, menu by menu, against menus that are tables.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/machine.rs"]
mod machine;
#[path = "support/menus.rs"]
mod menus;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use menus::{Bench, Menus, refusal};
use radgram::domain::account::Switch;
use radgram::gate::router_api::{
    AccountChange, AdmittedBy, ApiFault, Argument, Command, Menu, NewRouterAccount, Removed, RouterApi, RuleRef, Seen,
};
use radgram::proto::routeros::Sentence;
use radgram::secret::Secret;

const ACTIVE: &str = "/ppp/active";
const FILTER: &str = "/ip/firewall/filter";
const LIST: &str = "/ip/firewall/address-list";
const LIST_V6: &str = "/ipv6/firewall/address-list";
const SECRET: &str = "/ppp/secret";
const USERS: &str = "/user-manager/user";
const SESSIONS: &str = "/user-manager/session";
const OLD_USERS: &str = "/tool/user-manager/user";
const OLD_SESSIONS: &str = "/tool/user-manager/session";

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
    })
    .await;
    let active = bench.fleet.active(&bench.router).await.unwrap();
    let seen: Vec<_> = active.iter().map(|active| (active.acct_session_id.as_str(), active.admitted)).collect();
    assert_eq!(seen, [("81a00001", AdmittedBy::UserManager), ("81a00007", AdmittedBy::UserManager)]);
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
        connected(menus, "Ivan", "0x81A00001", "true");
    })
    .await;
    let removed = bench.fleet.remove_active(&bench.router, "81a00002", b"ivan").await;
    assert_eq!(removed, Ok(Removed::Removed));
    assert_eq!(bench.changes(), ["/ppp/active/remove =.id=*4"]);
    assert_eq!(bench.at(|menus| menus.len(ACTIVE)), 2);
    for (number, name) in [("81a00002", &b"ivan"[..]), ("81a00001", b"IVAN"), ("81a00009", b"ivan")] {
        assert_eq!(bench.fleet.remove_active(&bench.router, number, name).await, Ok(Removed::Absent));
    }
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

fn rule(menus: &mut Menus, comment: &[u8], disabled: &[u8]) -> String {
    menus.put_bytes(
        FILTER,
        &[
            ("chain", b"forward"),
            ("action", b"accept"),
            ("comment", comment),
            ("disabled", disabled),
            ("dynamic", b"false"),
        ],
    )
}

fn wanted(id: &str, comment: &[u8]) -> RuleRef {
    RuleRef { id: id.to_owned(), comment: comment.to_vec() }
}

#[tokio::test]
async fn rules_with_a_comment_are_listed_without_the_dynamic() {
    let bench = Bench::new(|menus| {
        rule(menus, b"2FA \xcf\xf0", b"true");
        menus.put(FILTER, &[("chain", "input"), ("disabled", "false")]);
        menus.put(FILTER, &[("comment", "special dummy rule"), ("dynamic", "true")]);
        menus.put(FILTER, &[("chain", "forward"), ("comment", "2FA no action"), ("disabled", "false")]);
    })
    .await;
    let rules = bench.fleet.rules(&bench.router, None).await.unwrap();
    let seen: Vec<_> = rules.iter().map(|rule| (rule.comment.as_slice(), rule.switch, rule.what.as_str())).collect();
    assert_eq!(
        seen,
        [
            (&b"2FA \xcf\xf0"[..], Switch::Disabled, "forward accept"),
            (b"2FA no action", Switch::Enabled, "forward accept"),
        ]
    );
}

#[tokio::test]
async fn rules_are_asked_for_by_their_ids_however_many() {
    let bench = Bench::new(|menus| {
        for number in 0..300 {
            rule(menus, format!("2FA {number}").as_bytes(), b"true");
        }
    })
    .await;
    let ids: Vec<String> =
        bench.fleet.rules(&bench.router, None).await.unwrap().into_iter().map(|rule| rule.id).collect();
    for count in [0, 1, 2, 50, 51, 300] {
        let found = bench.fleet.rules(&bench.router, Some(&ids[..count])).await.unwrap();
        assert_eq!(found.iter().map(|rule| &rule.id).collect::<Vec<_>>(), ids[..count].iter().collect::<Vec<_>>());
    }
    let gone = bench.fleet.rules(&bench.router, Some(&["*FFFF".to_owned()])).await;
    assert_eq!(gone, Ok(Vec::new()));
}

#[tokio::test]
async fn a_rule_is_switched_by_its_id_and_whole_comment() {
    let bench = Bench::new(|menus| {
        rule(menus, b"2FA ann", b"true");
        rule(menus, b"2FA ann", b"true");
    })
    .await;
    let now = bench.fleet.switch_rule(&bench.router, &wanted("*4", b"2FA ann"), Switch::Enabled).await.unwrap();
    assert_eq!((now.id.as_str(), now.switch), ("*4", Switch::Enabled));
    assert_eq!(bench.changes(), ["/ip/firewall/filter/set =.id=*4 =disabled=no"]);
    // As it is already: nothing is written.
    bench.fleet.switch_rule(&bench.router, &wanted("*4", b"2FA ann"), Switch::Enabled).await.unwrap();
    assert_eq!(bench.changes().len(), 1);
}

#[tokio::test]
async fn a_rule_with_another_id_is_found_again_by_its_whole_comment() {
    let bench = Bench::new(|menus| {
        rule(menus, b"2FA anna", b"true");
        rule(menus, b"2FA \xff=ann", b"true");
        rule(menus, b"2FA ann", b"true");
    })
    .await;
    for (comment, id) in [(&b"2FA ann"[..], "*5"), (b"2FA \xff=ann", "*4")] {
        let now = bench.fleet.switch_rule(&bench.router, &wanted("*3", comment), Switch::Enabled).await.unwrap();
        assert_eq!(now.id, id);
    }
    assert_eq!(bench.at(|menus| menus.of(FILTER, "*3", "disabled")).as_deref(), Some("true"));
}

#[tokio::test]
async fn a_rule_that_is_not_sure_is_not_switched() {
    let bench = Bench::new(|menus| {
        rule(menus, b"2FA two", b"true");
        rule(menus, b"2FA two", b"true");
        menus.put(FILTER, &[("comment", "2FA dynamic"), ("dynamic", "true"), ("disabled", "true")]);
        menus.put(FILTER, &[("chain", "input"), ("disabled", "true")]);
    })
    .await;
    let switch = |id: &'static str, comment: &'static [u8]| {
        let (fleet, router) = (Arc::clone(&bench.fleet), bench.router.clone());
        async move { fleet.switch_rule(&router, &wanted(id, comment), Switch::Enabled).await }
    };
    assert!(matches!(switch("*99", b"2FA two").await, Err(ApiFault::Ambiguous(_))));
    assert!(matches!(switch("*5", b"2FA dynamic").await, Err(ApiFault::Gone(_))));
    assert!(matches!(switch("*6", b"").await, Err(ApiFault::Gone(_))));
    assert!(matches!(switch("*3", b"2FA tw").await, Err(ApiFault::Gone(_))));
    assert_eq!(bench.changes(), [""; 0]);
}

#[tokio::test]
async fn a_rule_that_does_not_switch_is_told() {
    let bench = Bench::with(
        |menus| {
            rule(menus, b"2FA ann", b"true");
        },
        |command, _| (command.first() == b"/ip/firewall/filter/set").then(|| vec![Sentence::reply("!done")]),
    )
    .await;
    let outcome = bench.fleet.switch_rule(&bench.router, &wanted("*3", b"2FA ann"), Switch::Enabled).await;
    assert!(matches!(outcome, Err(ApiFault::Refused(_))), "{outcome:?}");
}

const ANN: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 8, 0, 5));

async fn lease(bench: &Bench, address: IpAddr, seconds: u64) -> Result<(), ApiFault> {
    let timeout = Duration::from_secs(seconds);
    bench.fleet.put_lease(&bench.router, address, timeout, "radgram ann").await
}

#[tokio::test]
async fn a_lease_is_made_then_renewed_then_dropped() {
    let bench = Bench::new(|menus| {
        menus.menu(LIST);
    })
    .await;
    lease(&bench, ANN, 180).await.unwrap();
    lease(&bench, "::ffff:10.8.0.5".parse().unwrap(), 240).await.unwrap();
    let leases = bench.fleet.leases(&bench.router).await.unwrap();
    assert_eq!(leases.len(), 1);
    assert_eq!(leases[0].timeout, Some(Duration::from_secs(240)));
    assert_eq!((leases[0].address.as_str(), leases[0].comment.as_slice()), ("10.8.0.5", &b"radgram ann"[..]));
    bench.fleet.drop_lease(&bench.router, ANN).await.unwrap();
    bench.fleet.drop_lease(&bench.router, ANN).await.unwrap();
    assert_eq!(
        bench.changes(),
        [
            "/ip/firewall/address-list/add =list=radgram =address=10.8.0.5 =timeout=3m =comment=radgram ann",
            "/ip/firewall/address-list/set =.id=*3 =timeout=4m",
            "/ip/firewall/address-list/remove =.id=*3",
        ]
    );
}

#[tokio::test]
async fn an_operators_entry_is_not_touched() {
    let bench = Bench::new(|menus| {
        menus.put(LIST, &[("list", "radgram"), ("address", "10.8.0.5"), ("comment", "printer")]);
        menus.put(LIST, &[("list", "other"), ("address", "10.8.0.6"), ("comment", "radgram ann")]);
    })
    .await;
    assert!(matches!(lease(&bench, ANN, 60).await, Err(ApiFault::Refused(_))));
    bench.fleet.drop_lease(&bench.router, ANN).await.unwrap();
    bench.fleet.drop_lease(&bench.router, "10.8.0.6".parse().unwrap()).await.unwrap();
    assert_eq!(bench.changes(), [""; 0]);
    assert_eq!(bench.fleet.leases(&bench.router).await.unwrap().len(), 1);
}

#[tokio::test]
async fn leases_of_ipv6_have_their_own_list() {
    let bench = Bench::new(|menus| {
        menus.menu(LIST);
        menus.put(
            LIST_V6,
            &[("list", "radgram"), ("address", "2001:db8::1/128"), ("comment", "radgram x"), ("timeout", "1m")],
        );
    })
    .await;
    lease(&bench, "2001:db8::1".parse().unwrap(), 60).await.unwrap();
    lease(&bench, "2001:db8::2".parse().unwrap(), 60).await.unwrap();
    assert_eq!(
        bench.changes(),
        [
            "/ipv6/firewall/address-list/set =.id=*3 =timeout=1m =comment=radgram ann",
            "/ipv6/firewall/address-list/add =list=radgram =address=2001:db8::2 =timeout=1m =comment=radgram ann",
        ]
    );
    assert_eq!(bench.fleet.leases(&bench.router).await.unwrap().len(), 2);
}

#[tokio::test]
async fn without_ipv6_there_is_nothing_to_drop_there() {
    let bench = Bench::new(|menus| {
        menus.menu(LIST);
    })
    .await;
    bench.fleet.drop_lease(&bench.router, "2001:db8::1".parse().unwrap()).await.unwrap();
    let outcome = lease(&bench, "2001:db8::1".parse().unwrap(), 60).await;
    assert_eq!(outcome, Err(ApiFault::NoMenu("/ipv6/firewall/address-list".to_owned())));
}

#[tokio::test]
async fn a_lease_that_comes_or_goes_meanwhile_is_looked_at_again() {
    let mut race = vec!["comes", "goes"];
    let bench = Bench::with(
        |menus| {
            menus.menu(LIST);
        },
        move |command, menus| match (command.first(), race.first()) {
            (b"/ip/firewall/address-list/add", Some(&"comes")) => {
                race.remove(0);
                menus.put(
                    LIST,
                    &[("list", "radgram"), ("address", "10.8.0.5"), ("comment", "radgram old"), ("timeout", "1s")],
                );
                Some(refusal("failure: already have such entry"))
            }
            (b"/ip/firewall/address-list/set", Some(&"goes")) => {
                race.remove(0);
                menus.menu(LIST).clear();
                Some(refusal("no such item"))
            }
            _ => None,
        },
    )
    .await;
    lease(&bench, ANN, 60).await.unwrap();
    assert_eq!(bench.at(|menus| menus.of(LIST, "*4", "comment")).as_deref(), Some("radgram ann"));
}

#[tokio::test]
async fn our_entry_without_a_timeout_is_made_anew_if_it_cannot_get_one() {
    let bench = Bench::with(
        |menus| {
            menus.put(LIST, &[("list", "radgram"), ("address", "10.8.0.5"), ("comment", "radgram ann")]);
        },
        |command, _| (command.first() == b"/ip/firewall/address-list/set").then(|| refusal("failure: static entry")),
    )
    .await;
    lease(&bench, ANN, 60).await.unwrap();
    assert_eq!(bench.at(|menus| menus.of(LIST, "*4", "timeout")).as_deref(), Some("1m"));
    assert_eq!(bench.at(|menus| menus.len(LIST)), 1);
}

#[tokio::test]
async fn a_lease_is_never_for_ever() {
    let bench = Bench::new(|menus| {
        menus.menu(LIST);
    })
    .await;
    bench.fleet.put_lease(&bench.router, ANN, Duration::ZERO, "radgram ann").await.unwrap();
    bench.fleet.put_lease(&bench.router, ANN, Duration::MAX, "radgram ann").await.unwrap();
    let changes = bench.changes();
    assert!(changes[0].contains("=timeout=1s"), "{changes:?}");
    assert!(changes[1].contains("=timeout=35w3d13h13m56s"), "{changes:?}");
}

fn seen(text: &str) -> Seen {
    Seen::Password(Secret::new(text))
}

#[tokio::test]
async fn accounts_of_both_menus_are_read() {
    let bench = Bench::new(|menus| {
        menus.put_bytes(
            SECRET,
            &[
                ("name", b"\xcf\xf0"),
                ("password", b"p=1"),
                ("service", b"l2tp"),
                ("caller-id", b""),
                ("profile", b"vpn"),
                ("disabled", b"true"),
                ("comment", b"c \xff"),
            ],
        );
        menus.put(USERS, &[("name", "ivan"), ("password", "p2"), ("group", "default"), ("disabled", "false")]);
    })
    .await;
    let accounts = bench.fleet.accounts(&bench.router).await;
    let secret = &accounts.secrets.unwrap()[0];
    assert_eq!((secret.name.as_slice(), secret.comment.as_slice()), (&b"\xcf\xf0"[..], &b"c \xff"[..]));
    assert_eq!((&secret.password, secret.switch), (&seen("p=1"), Switch::Disabled));
    let properties: Vec<_> = secret.properties.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(properties, [("profile", "vpn"), ("service", "l2tp")]);
    let user = &accounts.user_manager.unwrap()[0];
    assert_eq!((user.menu, user.name.as_slice(), &user.password), (Menu::UserManager, &b"ivan"[..], &seen("p2")));
}

#[tokio::test]
async fn a_menu_that_is_not_there_does_not_hide_the_other() {
    let bench = Bench::new(|menus| {
        menus.put(SECRET, &[("name", "ivan"), ("password", "p1")]);
    })
    .await;
    let accounts = bench.fleet.accounts(&bench.router).await;
    assert_eq!(accounts.secrets.unwrap().len(), 1);
    assert_eq!(accounts.user_manager, Err(ApiFault::NoMenu("/user-manager".to_owned())));
}

/// What is seen of the passwords of two secrets by a user whose group has this policy.
async fn passwords(shown: [Option<&'static str>; 2], policy: &'static str) -> Vec<Seen> {
    let bench = Bench::new(|menus| {
        for (name, password) in ["ann", "bob"].into_iter().zip(shown) {
            let password = password.map(|password| ("password", password));
            menus.put(SECRET, &[("name", name)].into_iter().chain(password).collect::<Vec<_>>());
        }
        if !policy.is_empty() {
            menus.put("/user", &[("name", "admin"), ("group", "full")]);
            menus.put("/user", &[("name", machine::USER), ("group", "api")]);
            menus.put("/user/group", &[("name", "full"), ("policy", "read,sensitive")]);
            menus.put("/user/group", &[("name", "api"), ("policy", policy)]);
        }
    })
    .await;
    bench.fleet.accounts(&bench.router).await.secrets.unwrap().into_iter().map(|account| account.password).collect()
}

#[tokio::test]
async fn hidden_and_empty_passwords_are_told_apart() {
    const SEES: &str = "api,read,sensitive";
    const BLIND: &str = "api,read,!sensitive";
    let one_in_clear = passwords([Some("p1"), None], "").await;
    assert_eq!(one_in_clear, [seen("p1"), Seen::Empty]);
    assert_eq!(passwords([None, Some("")], BLIND).await, [Seen::Hidden, Seen::Hidden]);
    assert_eq!(passwords([Some("*****"), Some("*****")], BLIND).await, [Seen::Hidden, Seen::Hidden]);
    assert_eq!(passwords([None, Some("")], SEES).await, [Seen::Empty, Seen::Empty]);
    assert_eq!(passwords([Some("***"), None], SEES).await, [seen("***"), Seen::Empty]);
    assert_eq!(passwords([None, Some("*****")], "").await, [Seen::Hidden, Seen::Hidden]);
}

#[tokio::test]
async fn accounts_are_found_by_name_in_any_case_without_their_passwords() {
    let bench = Bench::new(|menus| {
        for name in ["Ivan", "IVAN", "ann", "Анна"] {
            menus.put(SECRET, &[("name", name), ("password", "p1"), ("disabled", "false")]);
        }
    })
    .await;
    let names = ["ivan".to_owned(), "анна".to_owned()];
    let found = bench.fleet.accounts_named(&bench.router, Menu::Secret, &names).await.unwrap();
    let found: Vec<_> = found.iter().map(|account| String::from_utf8_lossy(&account.name)).collect();
    assert_eq!(found, ["Ivan", "IVAN", "Анна"]);
    assert!(!bench.heard().iter().any(|heard| heard.contains("proplist") && heard.contains("password")));
    assert_eq!(bench.fleet.accounts_named(&bench.router, Menu::Secret, &[]).await, Ok(Vec::new()));
}

#[tokio::test]
async fn five_thousand_secrets_go_through() {
    let bench = Bench::new(|menus| {
        for number in 0..5_000 {
            menus.put(SECRET, &[("name", &format!("user{number}")), ("password", "p1"), ("profile", "vpn")]);
        }
    })
    .await;
    assert_eq!(bench.fleet.accounts(&bench.router).await.secrets.unwrap().len(), 5_000);
    let named = bench.fleet.accounts_named(&bench.router, Menu::Secret, &["USER4999".to_owned()]).await.unwrap();
    assert_eq!(named.len(), 1);
}

fn new(menu: Menu, profile: Option<&str>) -> NewRouterAccount {
    NewRouterAccount {
        menu,
        name: "ivan".to_owned(),
        password: Secret::new("p1"),
        profile: profile.map(str::to_owned),
        comment: "radgram".to_owned(),
        switch: Switch::Disabled,
    }
}

#[tokio::test]
async fn an_account_is_made_in_each_menu_with_its_words() {
    let bench = Bench::new(|menus| {
        menus.menu(SECRET);
        menus.menu(USERS);
    })
    .await;
    bench.fleet.add_account(&bench.router, &new(Menu::Secret, Some("vpn"))).await.unwrap();
    bench.fleet.add_account(&bench.router, &new(Menu::UserManager, Some("vips"))).await.unwrap();
    assert_eq!(
        bench.changes(),
        [
            "/ppp/secret/add =name=ivan =password=p1 =comment=radgram =disabled=yes =profile=vpn",
            "/user-manager/user/add =name=ivan =password=p1 =comment=radgram =disabled=yes =group=vips",
        ]
    );
    let again = bench.fleet.add_account(&bench.router, &new(Menu::Secret, None)).await;
    assert_eq!(again, Err(ApiFault::Refused("failure: already have such entry".to_owned())));
}

#[tokio::test]
async fn an_account_of_an_old_user_manager_has_a_customer_and_gets_its_profile_afterwards() {
    let fill = |menus: &mut Menus| {
        menus.menu(OLD_USERS);
        menus.put("/tool/user-manager/customer", &[("login", "gone"), ("disabled", "true")]);
        menus.put("/tool/user-manager/customer", &[("login", "boss"), ("disabled", "false")]);
    };
    let activate = |command: &Sentence| command.first() == b"/tool/user-manager/user/create-and-activate-profile";
    let bench = Bench::with(fill, move |command, _| activate(command).then(|| vec![Sentence::reply("!done")])).await;
    bench.fleet.add_account(&bench.router, &new(Menu::UserManager, Some("p"))).await.unwrap();
    assert_eq!(
        bench.changes(),
        [
            "/tool/user-manager/user/add =username=ivan =password=p1 =comment=radgram =disabled=yes =customer=boss",
            "/tool/user-manager/user/create-and-activate-profile =numbers=*5 =customer=boss =profile=p",
        ]
    );

    let bench = Bench::with(fill, move |command, _| activate(command).then(|| refusal("no such profile"))).await;
    let outcome = bench.fleet.add_account(&bench.router, &new(Menu::UserManager, Some("p"))).await;
    assert_eq!(outcome, Err(ApiFault::Refused("no such profile".to_owned())));
    assert_eq!(bench.at(|menus| menus.len(OLD_USERS)), 0);
}

#[tokio::test]
async fn an_account_is_changed_by_its_exact_name() {
    let bench = Bench::new(|menus| {
        menus.put(SECRET, &[("name", "Ivan")]);
        menus.put(SECRET, &[("name", "ivan")]);
        menus.put(SECRET, &[("name", "two"), ("service", "l2tp")]);
        menus.put(SECRET, &[("name", "two"), ("service", "sstp")]);
    })
    .await;
    let retire = AccountChange::Retire { name: "x-ivan".to_owned() };
    for change in [AccountChange::Switch(Switch::Disabled), AccountChange::Password(Secret::new("p2")), retire.clone()]
    {
        bench.fleet.change_account(&bench.router, Menu::Secret, b"ivan", &change).await.unwrap();
    }
    bench.fleet.change_account(&bench.router, Menu::Secret, b"Ivan", &AccountChange::Remove).await.unwrap();
    assert_eq!(
        bench.changes(),
        [
            "/ppp/secret/set =.id=*4 =disabled=yes",
            "/ppp/secret/set =.id=*4 =password=p2",
            "/ppp/secret/set =.id=*4 =name=x-ivan =disabled=yes",
            "/ppp/secret/remove =.id=*3",
        ]
    );
    let gone = bench.fleet.change_account(&bench.router, Menu::Secret, b"ivan", &retire).await;
    assert!(matches!(gone, Err(ApiFault::Gone(_))), "{gone:?}");
    let two = bench.fleet.change_account(&bench.router, Menu::Secret, b"two", &retire).await;
    assert!(matches!(two, Err(ApiFault::Ambiguous(_))), "{two:?}");
}

#[tokio::test]
async fn an_account_of_an_old_user_manager_is_changed_in_its_words() {
    let bench = Bench::new(|menus| {
        menus.put(OLD_USERS, &[("username", "ivan")]);
    })
    .await;
    let retire = AccountChange::Retire { name: "x-ivan".to_owned() };
    bench.fleet.change_account(&bench.router, Menu::UserManager, b"ivan", &retire).await.unwrap();
    assert_eq!(bench.changes(), ["/tool/user-manager/user/set =.id=*3 =username=x-ivan =disabled=yes"]);
}

fn command(menu: &str, verb: &str, find: Option<(&str, &str)>, argument: (&str, &str)) -> Command {
    Command {
        menu: menu.to_owned(),
        verb: verb.to_owned(),
        find: find.map(|(property, value)| (property.to_owned(), value.to_owned())),
        arguments: vec![(argument.0.to_owned(), Argument::Plain(argument.1.to_owned()))],
    }
}

#[tokio::test]
async fn a_command_runs_for_the_rows_that_it_finds() {
    let bench = Bench::new(|menus| {
        menus.put("/radius", &[("service", "ppp"), ("disabled", "false")]);
        menus.put("/radius", &[("service", "ppp"), ("disabled", "true")]);
        menus.put("/radius", &[("service", "login"), ("disabled", "true")]);
        menus.put("/radius", &[("service", "ppp"), ("disabled", "true"), ("dynamic", "true")]);
    })
    .await;
    let run = |find| {
        let (fleet, router) = (Arc::clone(&bench.fleet), bench.router.clone());
        async move { fleet.run(&router, &command("/radius", "set", find, ("timeout", "60s"))).await }
    };
    assert_eq!(run(Some(("service", "ppp"))).await, Ok(2));
    assert_eq!(run(Some(("disabled", "yes"))).await, Ok(2));
    assert_eq!(run(Some(("service", "hotspot"))).await, Ok(0));
    assert_eq!(bench.changes()[..2], ["/radius/set =timeout=60s =.id=*3", "/radius/set =timeout=60s =.id=*4"]);
}

#[tokio::test]
async fn a_command_without_rows_runs_once() {
    let bench =
        Bench::with(|_| {}, |command, _| (command.first() == b"/ppp/aaa/set").then(|| vec![Sentence::reply("!done")]))
            .await;
    let set = command("/ppp/aaa", "set", None, ("use-radius", "yes"));
    assert_eq!(bench.fleet.run(&bench.router, &set).await, Ok(1));
    assert_eq!(bench.changes(), ["/ppp/aaa/set =use-radius=yes"]);
}

#[tokio::test]
async fn a_menu_is_printed_as_text() {
    let bench = Bench::new(|menus| {
        menus.put_bytes("/ip/service", &[("name", b"api"), ("address", b"\xff"), ("port", b"8728")]);
    })
    .await;
    let rows = bench.fleet.print(&bench.router, "/ip/service", &["name", "address", "certificate"]).await.unwrap();
    let row: Vec<_> = rows[0].iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(row, [("address", "\u{fffd}"), ("name", "api")]);
}
