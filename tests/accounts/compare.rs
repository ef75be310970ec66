//! What exists where.

use std::collections::HashMap;

use radgram::clock::Clock;
use radgram::domain::account::Switch;
use radgram::domain::router::Scheme;
use radgram::domain::session::Origin;
use radgram::domain::user::UserState;
use radgram::gate::router_api::{ApiFault, Menu};
use radgram::gate::{Afterwards, PasswordShown, RouterAccountsView, SessionHere, Verdict};
use radgram::secret::Secret;
use radgram::store::session::NewSession;
use radgram::store::user::NewUser;
use radgram::text::Language;

use super::shop::{ADMIN, Shop};
use super::{PASSWORD, adoption};

async fn view(shop: &Shop) -> RouterAccountsView {
    shop.gate.router_accounts(shop.office).await.unwrap()
}

/// The verdict on each line, by its name and menu.
fn verdicts(view: &RouterAccountsView) -> HashMap<(String, Option<Menu>), Verdict> {
    let of = |line: &radgram::gate::ComparedAccount| {
        ((line.name.clone(), line.there.as_ref().map(|there| there.menu)), line.verdict)
    };
    view.lines.iter().map(of).collect()
}

#[tokio::test]
async fn every_name_has_its_verdict() {
    let shop = Shop::open().await;
    shop.api.secret("Ann", PASSWORD, &[("profile", "staff")]);
    shop.api.alter("Ann", |account| account.comment = b"room\n5".to_vec());
    shop.api.secret("bob", "", &[]);
    shop.api.secret("eve", PASSWORD, &[]);
    shop.api.secret("EVE", PASSWORD, &[]);
    shop.api.keep(Menu::UserManager, "ann", PASSWORD, &[("group", "default")]);
    shop.api.keep(Menu::Secret, b"\xc8\xe2\xe0\xed", PASSWORD, &[]);
    shop.gate.add_account(&ADMIN, "ann", None, Some(Secret::new(PASSWORD))).await.unwrap();
    shop.gate.add_account(&ADMIN, "zoe", None, None).await.unwrap();
    let view = view(&shop).await;
    assert_eq!((view.router.as_str(), view.scheme, view.unread.len()), ("office", Scheme::Radius, 0));
    let there = |name: &str, menu: Menu| (name.to_owned(), Some(menu));
    let expected = HashMap::from([
        (there("Ann", Menu::Secret), Verdict::BothShadowing),
        (there("ann", Menu::UserManager), Verdict::BothShadowing),
        (there("bob", Menu::Secret), Verdict::OnlyOnRouter),
        (there("eve", Menu::Secret), Verdict::Ambiguous),
        (there("EVE", Menu::Secret), Verdict::Ambiguous),
        (there("\u{fffd}\u{fffd}\u{fffd}\u{fffd}", Menu::Secret), Verdict::OnlyOnRouter),
        (("zoe".to_owned(), None), Verdict::OnlyHere),
    ]);
    assert_eq!(verdicts(&view), expected);
    let ann = view.lines.iter().find(|line| line.name == "Ann").unwrap();
    let on_router = ann.there.as_ref().unwrap();
    assert_eq!((on_router.profile.as_deref(), on_router.comment.as_str()), (Some("staff"), "room 5"));
    assert_eq!(on_router.password, PasswordShown::Readable);
    assert_eq!(
        view.lines.iter().find(|line| line.name == "bob").unwrap().there.as_ref().unwrap().password,
        PasswordShown::Empty
    );
    assert!(ann.why.contains("bypasses radgram") && view.lines.iter().all(|line| !line.why.is_empty()));
    assert!(!format!("{view:?}").contains(PASSWORD));
}

#[tokio::test]
async fn what_radgram_has_is_shown_beside_it() {
    let shop = Shop::open().await;
    shop.api.secret("ann", PASSWORD, &[]);
    let now = shop.clock.now();
    let mut tx = shop.store.begin().await.unwrap();
    let person = NewUser { telegram_id: 1001, name: "Ann Lee", state: UserState::Approved, language: Language::En };
    let person = tx.add_user(&person, now).await.unwrap();
    let account = tx.add_account("ann", Some(person), now).await.unwrap();
    let until = now + std::time::Duration::from_secs(3600);
    let session = NewSession { account, user: Some(person), origin: Origin::Grant, until, caller: None, due: until };
    tx.add_session(&session, now).await.unwrap();
    tx.commit(now).await.unwrap();
    shop.decide_by(Scheme::Api).await;
    let view = view(&shop).await;
    let [line] = view.lines.as_slice() else { panic!("{view:?}") };
    let here = line.here.as_ref().unwrap();
    assert_eq!(
        (here.person.as_deref(), here.session, line.verdict),
        (Some("Ann Lee"), SessionHere::Open, Verdict::Managed)
    );
}

#[tokio::test]
async fn what_is_being_taken_over_and_what_was_says_so() {
    let shop = Shop::open().await;
    shop.api.secret("Ann", PASSWORD, &[]);
    shop.api.secret("radgram-old", PASSWORD, &[]);
    shop.api.alter("radgram-old", |account| account.switch = Switch::Disabled);
    shop.gate.adopt_accounts(&ADMIN, shop.office, &adoption(&["Ann"], Afterwards::Removed), &|_| ()).await.unwrap();
    let view = view(&shop).await;
    assert_eq!(view.lines[0].why, "adopted; the router's own is still to be removed");
    assert!(view.lines[1].why.contains("radgram took it over"), "{view:?}");
}

#[tokio::test]
async fn a_menu_that_cannot_be_read_hides_nothing_else() {
    let shop = Shop::open().await;
    shop.api.keep(Menu::UserManager, "ann", PASSWORD, &[]);
    shop.gate.add_account(&ADMIN, "zoe", None, None).await.unwrap();
    let forbidden = ApiFault::Forbidden("not enough permissions (9)".to_owned());
    shop.api.cannot_read(Menu::Secret, forbidden.clone());
    let before = view(&shop).await;
    assert_eq!(before.unread, [(Menu::Secret, forbidden)]);
    assert_eq!(before.lines.len(), 2);
    assert!(before.lines[1].why.contains("is not known"), "{before:?}");
}

#[tokio::test]
async fn five_thousand_on_both_sides_are_compared() {
    const EACH: usize = 5_000;
    let shop = Shop::open().await;
    let now = shop.clock.now();
    let mut tx = shop.store.begin().await.unwrap();
    for n in 0..EACH {
        shop.api.secret(&format!("there{n}"), PASSWORD, &[("profile", "staff")]);
        tx.add_account(&format!("here{n}"), None, now).await.unwrap();
    }
    tx.add_account("There7", None, now).await.unwrap();
    tx.commit(now).await.unwrap();
    let view = view(&shop).await;
    assert_eq!(view.lines.len(), 2 * EACH);
    let shadowing: Vec<&str> = view
        .lines
        .iter()
        .filter(|line| line.verdict == Verdict::BothShadowing)
        .map(|line| line.name.as_str())
        .collect();
    assert_eq!(shadowing, ["there7"]);
}
