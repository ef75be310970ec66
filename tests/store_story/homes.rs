//! Home servers of routers, and accounts whose passwords they keep.

use std::sync::Arc;
use std::time::Duration;

use radgram::domain::account::Source;
use radgram::domain::home::Home;
use radgram::domain::router::Demand;
use radgram::secret::Secret;

use super::{START, Story};

on_both! {
    async fn a_home_server_is_sealed_and_read_back(story: Story) {
        let (router, _) = story.router("192.0.2.1").await;
        let (_, ann) = story.account("ann").await;
        let home = Home {
            address: "[2001:db8::1]:11812".parse().unwrap(),
            secret: Secret::new("Geheim-for-home"),
            timeout: Duration::from_millis(700),
            message_authenticator: Demand::Require,
        };
        let mut tx = story.tx().await;
        let before = tx.routers().await.unwrap().remove(0);
        tx.set_router_home(router, Some(&home)).await.unwrap();
        tx.set_source(ann, Source::UserManager).await.unwrap();
        tx.commit(START).await.unwrap();
        let read = story.store.reader().routers().await.unwrap().routers.remove(0);
        assert_eq!((before.home, read.home), (None, Some(Arc::new(home))));
        assert!(read.version > before.version);
        assert_eq!(story.store.reader().account(ann).await.unwrap().unwrap().source, Source::UserManager);
        let sealed: Vec<u8> = sqlx::query_scalar("select sealed_home_secret from routers")
            .fetch_one(&story.raw().await)
            .await
            .unwrap();
        assert!(!String::from_utf8_lossy(&sealed).contains("Geheim"));
        let mut tx = story.tx().await;
        tx.set_router_home(router, None).await.unwrap();
        tx.commit(START).await.unwrap();
        assert_eq!(story.store.reader().routers().await.unwrap().routers.remove(0).home, None);
    }
}
