//! Firewall rules: found by id and whole comment, switched.

use std::sync::Arc;

use radgram::domain::account::Switch;
use radgram::gate::router_api::{ApiFault, RouterApi, RuleRef};
use radgram::proto::routeros::Sentence;

use crate::FILTER;
use crate::menus::{Bench, Menus};

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
