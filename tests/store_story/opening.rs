//! Opening: migrations run once, a newer schema and another master key are refused.

use radgram::domain::credential::Credential;
use radgram::secret::Secret;
use radgram::store::StoreError;

use super::{KEY, START, Story, open};

on_both! {
    async fn opening_again_finds_what_was_there(story: Story) {
        let (_, account) = story.account("ann").await;
        let again = open(&story.url, KEY).await.unwrap();
        assert_eq!(again.reader().account_id("ann").await.unwrap(), Some(account));
    }
}

on_both! {
    async fn a_newer_schema_is_refused(story: Story) {
        let later = "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
             select 9999, 'later', success, checksum, execution_time from _sqlx_migrations where version = 1";
        sqlx::query(later).execute(&story.raw().await).await.unwrap();
        assert!(matches!(open(&story.url, KEY).await, Err(StoreError::Migrate(_))));
    }
}

on_both! {
    async fn the_wrong_master_key_is_refused_and_the_right_one_opens(story: Story) {
        let (_, account) = story.account("ann").await;
        let mut tx = story.tx().await;
        tx.set_password(account, &Secret::new("Korrekt-Horse-1")).await.unwrap();
        tx.commit(START).await.unwrap();
        story.store.close().await;
        assert!(matches!(open(&story.url, [8; 32]).await, Err(StoreError::WrongKey)));
        let store = open(&story.url, KEY).await.unwrap();
        let entry = store.reader().entry(account).await.unwrap().unwrap();
        assert_eq!(entry.credential, Credential::of_password(Secret::new("Korrekt-Horse-1")));
    }
}

on_both! {
    async fn a_sealed_password_opens_nowhere_else(story: Story) {
        let ((_, ann), (_, bob)) = (story.account("ann").await, story.account("bob").await);
        let mut tx = story.tx().await;
        tx.set_password(ann, &Secret::new("Korrekt-Horse-1")).await.unwrap();
        tx.commit(START).await.unwrap();
        let copy = "update accounts set sealed_password = (select sealed_password from accounts where name_key = 'ann')
             where name_key = 'bob'";
        sqlx::query(copy).execute(&story.raw().await).await.unwrap();
        let refused = story.store.reader().entry(bob).await;
        assert!(matches!(refused, Err(StoreError::Sealed { table: "accounts", .. })), "{refused:?}");
        story.store.reader().entry(ann).await.unwrap().unwrap();
    }
}

on_both! {
    async fn nothing_is_readable_of_a_secret(story: Story) {
        let (_, account) = story.account("ann").await;
        let mut tx = story.tx().await;
        tx.set_password(account, &Secret::new("Korrekt-Horse-1")).await.unwrap();
        tx.commit(START).await.unwrap();
        let sealed: Vec<u8> = sqlx::query_scalar("select sealed_password from accounts")
            .fetch_one(&story.raw().await)
            .await
            .unwrap();
        assert_eq!(sealed.len(), 4 + 24 + "Korrekt-Horse-1".len() + 16, "key id, nonce, text, tag");
        assert!(!sealed.windows(7).any(|part| part == b"Korrekt"));
    }
}

/// Both instances of a new installation may be started at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_open_a_new_database_at_once() {
    let database = crate::postgres::Database::fresh().await;
    let mut opening = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let url = database.url().to_owned();
        opening.spawn(async move { open(&url, KEY).await });
    }
    for store in opening.join_all().await {
        store.unwrap().reader().ping().await.unwrap();
    }
}

/// Of two that made a key each, one goes on: the other would seal what nobody else can open.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_several_master_keys_one_is_remembered() {
    let database = crate::postgres::Database::fresh().await;
    let mut opening = tokio::task::JoinSet::new();
    for key in 1..=4 {
        let url = database.url().to_owned();
        opening.spawn(async move { open(&url, [key; 32]).await.map(drop) });
    }
    let opened = opening.join_all().await;
    assert_eq!(opened.iter().filter(|opened| opened.is_ok()).count(), 1, "{opened:?}");
    assert!(opened.iter().all(|opened| matches!(opened, Ok(()) | Err(StoreError::WrongKey))), "{opened:?}");
}
