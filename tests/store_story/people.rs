//! Users, accounts, routers, settings and operators' alarms.

use radgram::domain::account::{Holder, Lock, Switch};
use radgram::domain::policy::WithoutSession;
use radgram::domain::router::{Demand, Signs, source_network};
use radgram::domain::setting::Level;
use radgram::domain::user::UserState;
use radgram::secret::Secret;
use radgram::store::account::PasswordKept;
use radgram::store::alarm::Raised;
use radgram::store::router::RouterForm;
use radgram::store::user::NewUser;
use radgram::store::{Noun, StoreError};
use radgram::text::Language;

use super::{START, Story, at};

on_both! {
    async fn a_telegram_id_is_one_person(story: Story) {
        story.person(1001).await;
        let mut tx = story.tx().await;
        let again = NewUser { telegram_id: 1001, name: "Eve", state: UserState::Pending, language: Language::Ru };
        assert!(matches!(tx.add_user(&again, START).await, Err(StoreError::Taken("the Telegram id"))));
    }
}

on_both! {
    async fn a_person_is_moved_only_from_where_they_are(story: Story) {
        let (user, account) = story.account("ann").await;
        let before = story.store.reader().user(user).await.unwrap().unwrap();
        let mut tx = story.tx().await;
        tx.move_user(&before, UserState::Blocked, None, at(1)).await.unwrap();
        let committed = tx.commit(at(1)).await.unwrap();
        assert!(committed.changes.iter().any(|change| (change.noun, change.id) == (Noun::Account, account.0)));
        // Somebody else looked at the page before: their click changes nothing.
        let mut tx = story.tx().await;
        let stale = tx.move_user(&before, UserState::Rejected, Some("late"), at(2)).await;
        assert!(matches!(stale, Err(StoreError::Conflict)));
        drop(tx);
        assert_eq!(story.store.reader().user(user).await.unwrap().unwrap().state, UserState::Blocked);
    }
}

on_both! {
    async fn an_account_name_is_taken_whatever_its_case(story: Story) {
        let (user, account) = story.account("Жанна").await;
        let mut tx = story.tx().await;
        assert_eq!(tx.account_named("жАННА").await.unwrap().unwrap().id, account);
        assert!(matches!(tx.add_account("ЖАННА", None, START).await, Err(StoreError::Taken(_))));
        drop(tx);
        assert_eq!(story.store.reader().accounts_of(user).await.unwrap().len(), 1);
    }
}

on_both! {
    async fn what_is_decided_of_an_account_is_read_at_its_door(story: Story) {
        let (user, account) = story.account("ann").await;
        let mut tx = story.tx().await;
        tx.switch_account(account, Switch::Disabled).await.unwrap();
        tx.lock_account(account, Lock::Locked, at(1)).await.unwrap();
        tx.mark_holder(account, Holder::Machine).await.unwrap();
        tx.set_password(account, &Secret::new("p1")).await.unwrap();
        let committed = tx.commit(at(1)).await.unwrap();
        let entry = story.store.reader().entry(account).await.unwrap().unwrap();
        assert_eq!(entry.as_of, committed.last);
        let found = (entry.account.switch, entry.account.lock, entry.account.holder);
        assert_eq!(found, (Switch::Disabled, Lock::Locked, Holder::Machine));
        assert_eq!(entry.user.unwrap().id, user);
        let lines = story.store.reader().accounts("").await.unwrap();
        assert_eq!(lines.first().unwrap().password, PasswordKept::Password);
    }
}

on_both! {
    async fn a_person_who_is_deleted_leaves_their_account_to_nobody(story: Story) {
        let (user, account) = story.account("ann").await;
        let mut tx = story.tx().await;
        tx.set_setting("language", Level::User(user.0), "ru", START).await.unwrap();
        tx.delete_user(user).await.unwrap();
        tx.commit(at(1)).await.unwrap();
        assert_eq!(story.store.reader().account(account).await.unwrap().unwrap().user, None);
        assert_eq!(story.store.reader().settings().await.unwrap().at("language", Level::User(user.0)), None);
    }
}

on_both! {
    async fn what_is_not_committed_did_not_happen(story: Story) {
        let (_, account) = story.account("ann").await;
        let last = story.store.reader().last_change().await.unwrap();
        let mut tx = story.tx().await;
        tx.delete_account(account).await.unwrap();
        drop(tx);
        assert!(story.store.reader().account(account).await.unwrap().is_some());
        assert_eq!(story.store.reader().last_change().await.unwrap(), last);
    }
}

on_both! {
    async fn the_nearest_level_of_a_setting_holds(story: Story) {
        let levels = [Level::System, Level::Group(5), Level::User(6), Level::Account(7)];
        let resolved = async || {
            let values = story.store.reader().settings().await.unwrap();
            values.policy(&levels).unwrap().without_session
        };
        assert_eq!(resolved().await, WithoutSession::Knock);
        for (level, value, expected) in [
            (Level::System, "reject", WithoutSession::Reject),
            (Level::Group(5), "knock", WithoutSession::Knock),
            (Level::User(6), "reject", WithoutSession::Reject),
            (Level::Account(7), "allow", WithoutSession::Allow),
            (Level::Account(8), "knock", WithoutSession::Allow),
        ] {
            let mut tx = story.tx().await;
            tx.set_setting("without_session", level, value, START).await.unwrap();
            assert_eq!(tx.commit(START).await.unwrap().changes.len(), 1);
            assert_eq!(resolved().await, expected, "{level:?}");
        }
        let mut tx = story.tx().await;
        tx.set_setting("without_session", Level::Account(7), "reject", at(1)).await.unwrap();
        tx.commit(at(1)).await.unwrap();
        assert_eq!(resolved().await, WithoutSession::Reject, "the last value holds");
        let mut tx = story.tx().await;
        tx.clear_setting("without_session", Level::Account(7)).await.unwrap();
        tx.clear_setting("without_session", Level::User(6)).await.unwrap();
        tx.commit(at(2)).await.unwrap();
        assert_eq!(resolved().await, WithoutSession::Knock, "the group's");
    }
}

on_both! {
    async fn a_router_has_one_name_one_address_and_a_sealed_secret(story: Story) {
        let (router, nas) = story.router("192.0.2.1").await;
        let read = story.store.reader().routers().await.unwrap();
        assert_eq!(read.routers.first().unwrap().secret, Secret::new("a shared secret"));
        assert_eq!(read.nas.first().unwrap().signs, Signs::NotYet);
        for (name, address) in [("ROUTER 192.0.2.1", "192.0.2.9"), ("other", "192.0.2.1")] {
            let form = RouterForm {
                name: name.to_owned(),
                address: source_network(address).unwrap(),
                nas_identifier: None,
                coa_port: 3799,
                message_authenticator: Demand::Auto,
            };
            let mut tx = story.tx().await;
            assert!(matches!(tx.add_router(&form, &Secret::new("s"), START).await, Err(StoreError::Taken(_))));
        }
        let mut tx = story.tx().await;
        tx.mark_signs(nas, at(1)).await.unwrap();
        tx.set_router_secret(router, &Secret::new("another")).await.unwrap();
        tx.commit(at(1)).await.unwrap();
        let read = story.store.reader().routers().await.unwrap();
        assert_eq!(read.routers.first().unwrap().secret, Secret::new("another"));
        assert_eq!(read.nas.first().unwrap().signs, Signs::Seen);
    }
}

on_both! {
    async fn an_alarm_stands_until_it_is_acknowledged(story: Story) {
        let mut tx = story.tx().await;
        assert_eq!(tx.raise("not_me", "1", "once", at(1)).await.unwrap(), Raised::New);
        assert_eq!(tx.raise("not_me", "1", "twice", at(2)).await.unwrap(), Raised::Again);
        tx.commit(at(2)).await.unwrap();
        let alarm = story.store.reader().alarms().await.unwrap().pop().unwrap();
        assert_eq!((alarm.count, alarm.text.as_str(), alarm.first_at, alarm.last_at), (2, "twice", at(1), at(2)));
        let mut tx = story.tx().await;
        assert!(tx.acknowledge(alarm.id, "root", at(3)).await.unwrap());
        assert!(!tx.acknowledge(alarm.id, "olga", at(4)).await.unwrap());
        assert_eq!(tx.raise("not_me", "1", "again", at(5)).await.unwrap(), Raised::New);
        tx.commit(at(5)).await.unwrap();
        assert_eq!(story.store.reader().alarms().await.unwrap().len(), 1);
    }
}

on_both! {
    async fn a_routers_settings_go_with_it(story: Story) {
        let (router, _) = story.router("192.0.2.1").await;
        let mut tx = story.tx().await;
        tx.set_setting("hold_seconds", Level::Router(router.0), "40", START).await.unwrap();
        tx.commit(START).await.unwrap();
        let hold = async || story.store.reader().settings().await.unwrap().habits(Some(router)).unwrap().hold.as_secs();
        assert_eq!(hold().await, 40);
        let mut tx = story.tx().await;
        tx.delete_router(router).await.unwrap();
        tx.commit(START).await.unwrap();
        assert_eq!(hold().await, 20);
    }
}

on_both! {
    async fn an_accounts_settings_are_read_without_those_of_others(story: Story) {
        let (user, account) = story.account("ann").await;
        let (_, other) = story.account("bob").await;
        let mut tx = story.tx().await;
        for (level, value) in [
            (Level::System, "8"),
            (Level::User(user.0), "9"),
            (Level::Account(account.0), "10"),
            (Level::Account(other.0), "11"),
        ] {
            tx.set_setting("session_hours", level, value, START).await.unwrap();
        }
        let own = [Level::System, Level::User(user.0), Level::Account(account.0)];
        let values = tx.settings_at(&own).await.unwrap();
        assert_eq!(own.map(|level| values.at("session_hours", level)), [Some("8"), Some("9"), Some("10")]);
        assert_eq!(values.at("session_hours", Level::Account(other.0)), None);
        assert_eq!(tx.settings().await.unwrap().policy(&own), values.policy(&own));
        let alone = tx.settings_at(&[Level::Account(other.0)]).await.unwrap();
        assert_eq!(alone.levels().collect::<Vec<_>>(), [Level::Account(other.0)]);
    }
}
