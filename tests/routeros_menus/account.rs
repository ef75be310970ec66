//! Accounts that a router keeps, and their passwords.

use radgram::domain::account::Switch;
use radgram::gate::router_api::{AccountChange, ApiFault, Menu, NewRouterAccount, RouterApi, Seen};
use radgram::proto::routeros::Sentence;
use radgram::secret::Secret;

use crate::menus::{Bench, Menus, refusal};
use crate::{OLD_USERS, SECRET, USERS};

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
            menus.put("/user", &[("name", crate::machine::USER), ("group", "api")]);
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
