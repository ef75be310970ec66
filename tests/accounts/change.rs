//! The router's accounts, changed where they are.

use radgram::domain::account::Switch;
use radgram::domain::router::Scheme;
use radgram::domain::want::{Thing, WantedState};
use radgram::gate::bulk::{BulkLine, Run};
use radgram::gate::router_api::{ApiFault, Menu, NewRouterAccount, Seen};
use radgram::gate::{AccountStep, AccountSteps, Afterwards, Refused};
use radgram::secret::Secret;
use radgram::store::want::NewWant;

use super::shop::{ADMIN, Shop};
use super::{PASSWORD, adoption, said};

const DISABLE: AccountStep = AccountStep::Switch(Switch::Disabled);

fn steps(names: &[&str], step: AccountStep) -> AccountSteps {
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    AccountSteps { menu: Menu::Secret, names, step, run: Run::Real }
}

async fn change(shop: &Shop, steps: &AccountSteps) -> Vec<BulkLine> {
    shop.gate.change_router_accounts(&ADMIN, shop.office, steps, &|_| ()).await.unwrap()
}

async fn with_secrets(names: &[&str]) -> Shop {
    let shop = Shop::open().await;
    for name in names {
        shop.api.secret(name, PASSWORD, &[]);
    }
    shop
}

fn new(name: &str) -> NewRouterAccount {
    NewRouterAccount {
        menu: Menu::Secret,
        name: name.to_owned(),
        password: Secret::new(PASSWORD),
        profile: Some("staff".to_owned()),
        comment: "made by hand".to_owned(),
        switch: Switch::Enabled,
    }
}

#[tokio::test]
async fn one_that_is_refused_does_not_stop_the_others() {
    let shop = with_secrets(&["ann", "bob", "cid", "Dan"]).await;
    shop.api.refuses("bob", ApiFault::Refused("failure: in use".to_owned()));
    let lines = change(&shop, &steps(&["ann", "bob", "cid", "dan", "eve", "ann"], DISABLE)).await;
    assert_eq!(said(&lines), ["ann done", "bob refused", "cid done", "dan refused", "eve refused"]);
    assert!(lines[1].outcome.why().contains("failure: in use"), "the router's words: {lines:?}");
    assert_eq!(lines[3].outcome.why(), "the router writes it Dan");
    assert_eq!(lines[4].outcome.why(), "the router has no such account");
    assert_eq!(shop.api.names(Menu::Secret), ["-ann", "bob", "-cid", "Dan"]);
    let last = shop.audit().await.pop().unwrap();
    assert_eq!(last, ("router.disable account".to_owned(), "office: 2 of 5 in secret".to_owned()));

    let again = change(&shop, &steps(&["ann"], DISABLE)).await;
    assert_eq!(
        (said(&again), again[0].notes.as_slice()),
        (vec!["ann done".to_owned()], &["it was so already".to_owned()][..])
    );
}

#[tokio::test]
async fn a_router_out_of_reach_ends_it_with_a_clear_line() {
    let shop = with_secrets(&["ann", "bob", "cid", "dan"]).await;
    shop.api.lost_after(1);
    let lines = change(&shop, &steps(&["ann", "bob", "cid", "dan"], AccountStep::Remove)).await;
    assert_eq!(said(&lines), ["ann done", "bob not_tried", "cid not_tried", "dan not_tried"]);
    assert!(lines[1].outcome.why().ends_with("whether it was done is not known"), "{lines:?}");
    assert!(lines[2].outcome.why().starts_with("not tried any more: the router's API is out of reach"), "{lines:?}");
    assert_eq!(shop.api.calls(), ["remove ann"], "nobody else was tried");
    assert_eq!(shop.audit().await.pop().unwrap().1, "office: 1 of 4 in secret");
}

#[tokio::test]
async fn a_dry_run_asks_and_changes_nothing() {
    let shop = with_secrets(&["ann"]).await;
    let before = shop.audit().await;
    let dry = AccountSteps { run: Run::Dry, ..steps(&["ann", "eve"], AccountStep::Remove) };
    assert_eq!(said(&change(&shop, &dry).await), ["ann done", "eve refused"]);
    assert!(shop.api.calls().is_empty());
    assert_eq!(shop.audit().await, before);
}

#[tokio::test]
async fn a_password_is_set_and_never_said() {
    let shop = with_secrets(&["ann"]).await;
    let lines = change(&shop, &steps(&["ann"], AccountStep::Password(Secret::new("Neues-Horse-2")))).await;
    assert_eq!(said(&lines), ["ann done"]);
    assert_eq!(shop.api.account("ann").unwrap().password, Seen::Password(Secret::new("Neues-Horse-2")));
    assert!(!format!("{lines:?} {:?}", shop.audit().await).contains("Neues-Horse-2"));
    let empty = steps(&["ann"], AccountStep::Password(Secret::new("")));
    let refused = shop.gate.change_router_accounts(&ADMIN, shop.office, &empty, &|_| ()).await;
    assert!(matches!(refused, Err(Refused::Field { field: "password", .. })));
}

#[tokio::test]
async fn what_radgram_keeps_there_itself_is_not_switched_by_hand() {
    let shop = with_secrets(&["ann", "bob", "cid"]).await;
    shop.gate.adopt_accounts(&ADMIN, shop.office, &adoption(&["ann"], Afterwards::Removed), &|_| ()).await.unwrap();
    let mut tx = shop.store.begin().await.unwrap();
    let want = NewWant {
        router: shop.office,
        thing: Thing::Secret("bob".to_owned()),
        state: WantedState::On,
        account: None,
        connection: None,
    };
    tx.want(&want, shop.gate.now()).await.unwrap();
    tx.commit(shop.gate.now()).await.unwrap();
    let lines = change(&shop, &steps(&["ann", "bob", "cid"], DISABLE)).await;
    assert_eq!(said(&lines), ["ann refused", "bob refused", "cid done"]);
    assert!(lines[0].outcome.why().contains("has adopted it"), "{lines:?}");
    assert!(lines[1].outcome.why().contains("switches it by itself"), "{lines:?}");
    assert_eq!(said(&change(&shop, &steps(&["ann", "bob"], AccountStep::Remove)).await), ["ann done", "bob done"]);
}

#[tokio::test]
async fn an_account_is_made_there_unless_it_would_bypass_ours() {
    let shop = with_secrets(&["bob"]).await;
    shop.gate.add_router_account(&ADMIN, shop.office, &new(" ann ")).await.unwrap();
    let made = shop.api.account("ann").unwrap();
    assert_eq!((made.comment.as_slice(), made.properties["profile"].as_str()), (&b"made by hand"[..], "staff"));
    assert_eq!(shop.audit().await.pop().unwrap(), ("router.add account".to_owned(), "office: secret ann".to_owned()));

    let taken = shop.gate.add_router_account(&ADMIN, shop.office, &new("bob")).await;
    assert!(matches!(&taken, Err(Refused::Router(ApiFault::Refused(_)))), "{taken:?}");
    assert!(shop.audit().await.pop().unwrap().1.contains("already exists"), "what the router said is written down");

    shop.gate.add_account(&ADMIN, "Zoe", None, None).await.unwrap();
    let refused = shop.gate.add_router_account(&ADMIN, shop.office, &new("zoe")).await;
    assert!(matches!(&refused, Err(Refused::Field { field: "name", .. })), "{refused:?}");
    shop.decide_by(Scheme::Api).await;
    shop.gate.add_router_account(&ADMIN, shop.office, &new("zoe")).await.unwrap();
    assert!(!format!("{:?}", shop.audit().await).contains(PASSWORD));
}

#[tokio::test]
async fn what_was_typed_wrong_is_said_at_its_field() {
    let shop = Shop::open().await;
    for (field, wrong) in [
        ("name", NewRouterAccount { name: String::new(), ..new("x") }),
        ("password", NewRouterAccount { password: Secret::new(""), ..new("x") }),
        ("profile", NewRouterAccount { profile: Some("a\nb".to_owned()), ..new("x") }),
        ("comment", NewRouterAccount { comment: "x".repeat(256), ..new("x") }),
    ] {
        let refused = shop.gate.add_router_account(&ADMIN, shop.office, &wrong).await;
        assert!(matches!(&refused, Err(Refused::Field { field: at, .. }) if *at == field), "{field}: {refused:?}");
    }
    assert!(shop.api.calls().is_empty());
    assert!(change(&shop, &steps(&[], DISABLE)).await.is_empty());
}
