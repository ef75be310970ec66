//! Reply attributes of routers, groups and accounts.

use radgram::domain::attribute::{ReplyAttributes, Subject};
use radgram::domain::id::GroupId;
use radgram::store::{Noun, StoreError};

use super::{START, Story, at};

fn of(pairs: &[(&str, &str)]) -> ReplyAttributes {
    ReplyAttributes::parse(pairs).unwrap()
}

fn shown(attributes: &ReplyAttributes) -> Vec<String> {
    attributes.iter().map(|one| format!("{}={}", one.name(), one.value())).collect()
}

async fn set(story: &Story, subject: Subject, pairs: &[(&str, &str)]) -> Vec<(Noun, i64)> {
    let mut tx = story.tx().await;
    tx.set_attributes(subject, &of(pairs)).await.unwrap();
    let committed = tx.commit(at(1)).await.unwrap();
    committed.changes.iter().map(|change| (change.noun, change.id)).collect()
}

on_both! {
    async fn attributes_come_back_in_their_order_and_touch_what_is_cached(story: Story) {
        let (_, account) = story.account("ann").await;
        let (router, _) = story.router("192.0.2.1").await;
        let routes = [("Framed-Route", "10.2.0.0/24 0.0.0.0 1"), ("Framed-Route", "10.1.0.0/24 0.0.0.0 1")];
        assert_eq!(set(story, Subject::Account(account), &routes).await, [(Noun::Account, account.0)]);
        assert_eq!(set(story, Subject::Router(router), &[("Filter-Id", "x.in")]).await, [(Noun::Router, router.0)]);
        let reader = story.store.reader();
        let kept = reader.attributes(Subject::Account(account)).await.unwrap();
        assert_eq!(shown(&kept), ["Framed-Route=10.2.0.0/24 0.0.0.0 1", "Framed-Route=10.1.0.0/24 0.0.0.0 1"]);
        assert_eq!(*reader.entry(account).await.unwrap().unwrap().attributes, kept);
        assert_eq!(reader.account_attributes().await.unwrap().get(&account), Some(&kept));
        let routers = reader.routers().await.unwrap().routers;
        assert_eq!(shown(&routers[0].attributes), ["Filter-Id=x.in"]);

        set(story, Subject::Account(account), &[("Mikrotik-Group", "staff")]).await;
        assert_eq!(shown(&reader.attributes(Subject::Account(account)).await.unwrap()), ["Mikrotik-Group=staff"]);
    }
}

on_both! {
    async fn an_accounts_own_come_before_its_groups(story: Story) {
        let (_, account) = story.account("ann").await;
        let raw = story.raw().await;
        sqlx::query("insert into groups (name, name_key, created_at) values ('Staff', 'staff', 0)").execute(&raw).await.unwrap();
        sqlx::query("update accounts set group_id = (select min(id) from groups)").execute(&raw).await.unwrap();
        let group = story.store.reader().account(account).await.unwrap().unwrap().group.unwrap();
        assert_eq!(story.tx().await.subject_name(Subject::Group(group)).await.unwrap().as_deref(), Some("Staff"));
        assert_eq!(story.tx().await.subject_name(Subject::Group(GroupId(999))).await.unwrap(), None);
        let touched = set(story, Subject::Group(group), &[("Mikrotik-Group", "staff"), ("Idle-Timeout", "600")]).await;
        assert_eq!(touched, [(Noun::Setting, 0)], "every account is forgotten");
        set(story, Subject::Account(account), &[("Mikrotik-Group", "boss")]).await;
        let entry = story.store.reader().entry(account).await.unwrap().unwrap();
        assert_eq!(shown(&entry.attributes), ["Mikrotik-Group=boss", "Idle-Timeout=600"]);
    }
}

on_both! {
    async fn they_go_with_whose_they_are(story: Story) {
        let (_, account) = story.account("ann").await;
        let (router, _) = story.router("192.0.2.1").await;
        set(story, Subject::Account(account), &[("Mikrotik-Group", "staff")]).await;
        set(story, Subject::Router(router), &[("Mikrotik-Group", "staff")]).await;
        let mut tx = story.tx().await;
        tx.delete_account(account).await.unwrap();
        tx.delete_router(router).await.unwrap();
        tx.commit(START).await.unwrap();
        for subject in [Subject::Account(account), Subject::Router(router)] {
            assert!(story.store.reader().attributes(subject).await.unwrap().is_empty());
        }
    }
}

on_both! {
    async fn one_that_is_not_understood_is_an_error_with_its_row(story: Story) {
        let (_, account) = story.account("ann").await;
        set(story, Subject::Account(account), &[("Framed-IP-Address", "10.8.0.5")]).await;
        let raw = story.raw().await;
        sqlx::query("update attributes set value = 'nowhere'").execute(&raw).await.unwrap();
        let read = story.store.reader().entry(account).await;
        assert!(matches!(read, Err(StoreError::Corrupt { table: "attributes", column: "value", .. })));
    }
}
