//! Groups: a noun with its life, and the accounts in them.

use radgram::domain::attribute::{ReplyAttributes, Subject};
use radgram::domain::group::Group;
use radgram::domain::id::GroupId;
use radgram::domain::setting::Level;
use radgram::store::{Change, Noun, StoreError};

use super::{START, Story, at};

async fn group(story: &Story, name: &str) -> GroupId {
    let mut tx = story.tx().await;
    let id = tx.add_group(name, START).await.unwrap();
    assert_eq!(tx.commit(START).await.unwrap().changes, [], "nobody is in it yet");
    id
}

on_both! {
    async fn a_name_is_one_group_whatever_its_case(story: Story) {
        let staff = group(story, "Штат").await;
        let guests = group(story, "Guests").await;
        let mut tx = story.tx().await;
        assert!(matches!(tx.add_group("шТАТ", START).await, Err(StoreError::Taken("the group's name"))));
        drop(tx);
        let mut tx = story.tx().await;
        assert!(matches!(tx.rename_group(guests, "штат").await, Err(StoreError::Taken("the group's name"))));
        drop(tx);
        let mut tx = story.tx().await;
        tx.rename_group(guests, "GUESTS").await.unwrap();
        assert_eq!(tx.group_count().await.unwrap(), 2);
        tx.commit(START).await.unwrap();
        let reader = story.store.reader();
        let expected = Group { id: staff, name: "Штат".to_owned() };
        assert_eq!(reader.group_named("шТаТ").await.unwrap(), Some(expected.clone()));
        assert_eq!(reader.group(staff).await.unwrap(), Some(expected));
        assert_eq!(reader.group(GroupId(999)).await.unwrap(), None);
        let lines = reader.groups().await.unwrap();
        let lines: Vec<_> = lines.iter().map(|line| (line.group.name.as_str(), line.accounts)).collect();
        assert_eq!(lines, [("GUESTS", 0), ("Штат", 0)]);
    }
}

on_both! {
    async fn accounts_are_put_in_and_taken_out_and_each_is_touched(story: Story) {
        let staff = group(story, "staff").await;
        let (_, ann) = story.account("ann").await;
        let (_, bob) = story.account("Bob").await;
        story.account("carl").await;
        let mut tx = story.tx().await;
        tx.put_into_group(ann, Some(staff)).await.unwrap();
        tx.put_into_group(bob, Some(staff)).await.unwrap();
        let changes = tx.commit(at(1)).await.unwrap().changes;
        assert_eq!(changes, [ann, bob].map(|account| Change { noun: Noun::Account, id: account.0 }));
        let reader = story.store.reader();
        assert_eq!(reader.groups().await.unwrap()[0].accounts, 2);
        let names = async |after| -> Vec<String> {
            reader.accounts_in(staff, after).await.unwrap().into_iter().map(|line| line.account.name).collect()
        };
        assert_eq!((names("").await, names("ann").await), (vec!["ann".to_owned(), "Bob".to_owned()], vec!["Bob".to_owned()]));
        assert_eq!(reader.account_line(bob).await.unwrap().unwrap().group_name.as_deref(), Some("staff"));
        let all = reader.accounts("").await.unwrap();
        let all: Vec<_> = all.iter().map(|line| line.group_name.as_deref()).collect();
        assert_eq!(all, [Some("staff"), Some("staff"), None]);

        let mut tx = story.tx().await;
        tx.put_into_group(ann, None).await.unwrap();
        tx.commit(at(2)).await.unwrap();
        assert_eq!(names("").await, ["Bob"]);
        assert_eq!(reader.entry(ann).await.unwrap().unwrap().account.group, None);
    }
}

on_both! {
    async fn a_group_goes_with_what_was_said_of_it_and_leaves_its_accounts(story: Story) {
        let (staff, guests) = (group(story, "staff").await, group(story, "guests").await);
        let (_, ann) = story.account("ann").await;
        let said = ReplyAttributes::parse(&[("Mikrotik-Group", "staff")]).unwrap();
        let mut tx = story.tx().await;
        tx.put_into_group(ann, Some(staff)).await.unwrap();
        for group in [staff, guests] {
            tx.set_setting("session_hours", Level::Group(group.0), "2", START).await.unwrap();
            tx.set_attributes(Subject::Group(group), &said).await.unwrap();
            assert_eq!(tx.level_name(Level::Group(group.0)).await.unwrap(), tx.subject_name(Subject::Group(group)).await.unwrap());
        }
        tx.commit(START).await.unwrap();
        let mut tx = story.tx().await;
        assert_eq!(tx.delete_group(staff).await.unwrap(), 1);
        let changes = tx.commit(at(1)).await.unwrap().changes;
        assert_eq!(changes, [Change { noun: Noun::Setting, id: 0 }], "every account is forgotten");
        let reader = story.store.reader();
        let entry = reader.entry(ann).await.unwrap().unwrap();
        assert!(entry.account.group.is_none() && entry.attributes.is_empty());
        let values = reader.settings().await.unwrap();
        let levels: Vec<Level> = values.levels().collect();
        assert_eq!((levels, values.count_at(Level::Group(guests.0))), (vec![Level::Group(guests.0)], 1));
        assert!(reader.attributes(Subject::Group(staff)).await.unwrap().is_empty());
        assert_eq!(reader.attributes(Subject::Group(guests)).await.unwrap(), said);
    }
}

on_both! {
    async fn only_the_open_session_of_the_account_becomes_due(story: Story) {
        let (_, ann) = story.account("ann").await;
        let (_, bob) = story.account("bob").await;
        story.session(ann).await;
        story.session(bob).await;
        let mut tx = story.tx().await;
        tx.make_due(ann, at(5)).await.unwrap();
        assert_eq!(tx.commit(at(5)).await.unwrap().changes, [Change { noun: Noun::Work, id: 0 }]);
        assert_eq!(story.store.reader().due_sessions(at(5)).await.unwrap(), [ann]);
        assert_eq!(story.store.reader().next_due_session().await.unwrap(), Some(at(5)));
    }
}
