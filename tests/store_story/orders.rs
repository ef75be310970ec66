//! Orders: one for a connection, the last wish in place of the one before, and whose connections are meant; and the secrets
//! of a router while one is being changed.

use std::net::IpAddr;
use std::time::Duration;

use radgram::clock::Timestamp;
use radgram::domain::attribute::Subject;
use radgram::domain::connection::{Authentic, Record, Report, Traffic, Via};
use radgram::domain::id::{AccountId, ConnectionId, NasId, RouterId};
use radgram::domain::order::OrderState;
use radgram::domain::router::{Demand, NasKey, OldSecret, SecretAge, SecretSeen, source_network};
use radgram::secret::Secret;
use radgram::store::StoreError;
use radgram::store::booking::Booking;
use radgram::store::connection::ClassSeen;
use radgram::store::order::{Order, Told, Whose};
use radgram::store::router::RouterForm;

use super::{START, Story, at};

const ADDRESS: &str = "192.0.2.1";

impl Story {
    /// An open connection of an account on a router.
    async fn tunnel(
        &self,
        (router, nas): (RouterId, NasId),
        account: AccountId,
        acct_session_id: &str,
        (via, class): (Via, ClassSeen),
    ) -> ConnectionId {
        let address: IpAddr = ADDRESS.parse().unwrap();
        let record = Record {
            report: Report::Start,
            nas: NasKey { router, address, identifier: "office".to_owned() },
            acct_session_id: acct_session_id.to_owned(),
            user_name: b"ann".to_vec(),
            class: None,
            station: None,
            nas_ip: None,
            framed_ip: None,
            server: None,
            authentic: Authentic::Radius,
            arrived: START,
            delay: Duration::ZERO,
            lasted: Duration::ZERO,
            traffic: Traffic::default(),
            via,
        };
        let mut tx = self.tx().await;
        tx.book(&Booking { record: &record, nas, account: Some(account), session: None, class }).await.unwrap();
        tx.commit(START).await.unwrap();
        let rows = self.store.reader().connections().await.unwrap();
        rows.into_iter().find(|row| row.acct_session_id == acct_session_id).unwrap().id
    }

    async fn order(&self, connection: ConnectionId) -> Order {
        let orders = self.store.reader().orders().await.unwrap();
        orders.into_iter().find(|order| order.connection == connection).unwrap()
    }

    async fn limits(&self, connection: ConnectionId, until: Timestamp, now: Timestamp) {
        let mut tx = self.tx().await;
        tx.order_limit(connection, until, "extended", now).await.unwrap();
        tx.commit(now).await.unwrap();
    }

    async fn tells(&self, whose: Whose, now: Timestamp) -> u64 {
        let mut tx = self.tx().await;
        let count = tx.order_attributes(whose, "operator", now).await.unwrap();
        tx.commit(now).await.unwrap();
        count
    }
}

on_both! {
    async fn the_last_wish_counts_and_what_came_of_the_one_before_does_not(story: Story) {
        let place = story.router(ADDRESS).await;
        let (_, account) = story.account("ann").await;
        let connection = story.tunnel(place, account, "81500001", (Via::Radius, ClassSeen::Ours)).await;
        story.limits(connection, at(100), START).await;
        let first = story.order(connection).await;
        assert_eq!((first.until, first.attributes, first.state), (Some(at(100)), Told::Nothing, OrderState::Pending));
        assert_eq!(story.store.reader().routers_with_due_orders(START).await.unwrap(), [place.0]);
        assert_eq!(story.store.reader().next_due_order().await.unwrap(), Some(START));

        // While it is tried, another limit and the attributes are wanted.
        story.limits(connection, at(200), at(1)).await;
        assert_eq!(story.tells(Whose::Connection(connection), at(2)).await, 1);
        let newer = story.order(connection).await;
        assert_eq!((newer.until, newer.attributes), (Some(at(200)), Told::Attributes), "both are pending");
        assert_eq!((newer.id, newer.version), (first.id, first.version + 2));
        let mut tx = story.tx().await;
        assert!(!tx.finish_order(&first, OrderState::Acknowledged, "acknowledged", at(3)).await.unwrap());
        tx.retry_order(&first, "no answer", at(8)).await.unwrap();
        tx.commit(at(3)).await.unwrap();
        assert_eq!(story.order(connection).await, newer);

        let mut tx = story.tx().await;
        tx.retry_order(&newer, "no answer", at(8)).await.unwrap();
        assert!(tx.mark_warned(&newer, at(4)).await.unwrap());
        assert!(!tx.mark_warned(&newer, at(4)).await.unwrap(), "once");
        tx.commit(at(4)).await.unwrap();
        assert!(story.store.reader().due_orders(place.0, at(7), 10).await.unwrap().is_empty());
        let [due] = story.store.reader().due_orders(place.0, at(8), 10).await.unwrap().try_into().unwrap();
        assert_eq!((due.tries, due.outcome.as_deref()), (1, Some("no answer")));
        let mut tx = story.tx().await;
        assert!(tx.finish_order(&due, OrderState::Acknowledged, "acknowledged", at(9)).await.unwrap());
        tx.set_runs_until(connection, at(200)).await.unwrap();
        tx.commit(at(9)).await.unwrap();
        assert_eq!(story.store.reader().next_due_order().await.unwrap(), None);
        let row = story.store.reader().connection_row(connection).await.unwrap().unwrap();
        assert_eq!(row.runs_until, Some(at(200)));

        // What is done is not wanted again by a later wish for something else.
        story.tells(Whose::Connection(connection), at(10)).await;
        let last = story.order(connection).await;
        assert_eq!((last.until, last.attributes, last.tries), (None, Told::Attributes, 0));
    }
}

on_both! {
    async fn only_open_connections_that_were_let_in_here_are_meant(story: Story) {
        let (office, annex) = (story.router(ADDRESS).await, story.router("192.0.2.2").await);
        let ((_, ann), (_, bob)) = (story.account("ann").await, story.account("bob").await);
        let ours = (Via::Radius, ClassSeen::Ours);
        story.tunnel(office, ann, "81500001", ours).await;
        story.tunnel(annex, ann, "81500002", ours).await;
        story.tunnel(office, bob, "81500003", ours).await;
        story.tunnel(office, bob, "81500004", (Via::Radius, ClassSeen::None)).await;
        story.tunnel(office, bob, "81500005", (Via::Api, ClassSeen::Ours)).await;
        let account = Subject::Account(ann);
        for (whose, count) in [
            (Whose::Of(account), 2),
            (Whose::On(account, annex.0), 1),
            (Whose::Of(Subject::Router(office.0)), 2),
            (Whose::On(Subject::Router(office.0), annex.0), 0),
            (Whose::Of(Subject::Group(radgram::domain::id::GroupId(1))), 0),
        ] {
            assert_eq!(story.tells(whose, START).await, count, "{whose:?}");
        }
        assert_eq!(story.store.reader().orders().await.unwrap().len(), 3);
    }
}

on_both! {
    async fn an_old_secret_is_sealed_kept_and_wiped(story: Story) {
        let (router, nas) = story.router(ADDRESS).await;
        let read = async || {
            let read = story.store.reader().routers().await.unwrap();
            (read.routers.into_iter().next().unwrap(), read.nas.into_iter().next().unwrap())
        };
        let old = OldSecret { secret: Secret::new("a shared secret"), until: at(3600) };
        let mut tx = story.tx().await;
        tx.set_router_secret(router, &Secret::new("another")).await.unwrap();
        tx.set_old_secret(router, Some((&old, at(1)))).await.unwrap();
        tx.commit(at(1)).await.unwrap();
        let (row, known) = read().await;
        assert_eq!((row.secret.expose_str(), row.old_secret.as_ref()), (Some("another"), Some(&old)));
        let seen = SecretSeen { age: SecretAge::Old, at: at(1) };
        assert_eq!((known.secret, row.secret_of(&known, at(2))), (Some(seen), &old.secret));
        assert_eq!(row.secret_of(&known, at(3600)).expose_str(), Some("another"), "its time is over");

        // What a box uses is noted for the router as it was seen, not for one that was changed since.
        let newer = SecretSeen { age: SecretAge::Current, at: at(5) };
        let mut tx = story.tx().await;
        assert!(!tx.mark_secret(nas, newer, row.version - 1).await.unwrap());
        assert!(tx.mark_secret(nas, newer, row.version).await.unwrap());
        tx.commit(at(5)).await.unwrap();
        assert_eq!(read().await.1.secret, Some(newer));

        let mut tx = story.tx().await;
        tx.set_old_secret(router, None).await.unwrap();
        tx.commit(at(6)).await.unwrap();
        let (row, known) = read().await;
        assert_eq!((row.old_secret, known.secret), (None, None));
    }
}

on_both! {
    async fn routers_at_one_address_differ_by_their_identifier(story: Story) {
        story.router(ADDRESS).await;
        let form = |identifier: Option<&str>, name: &str| RouterForm {
            name: name.to_owned(),
            address: source_network(ADDRESS).unwrap(),
            nas_identifier: identifier.map(str::to_owned),
            coa_port: 3799,
            message_authenticator: Demand::Auto,
        };
        let add = async |identifier, name| {
            let mut tx = story.tx().await;
            let added = tx.add_router(&form(identifier, name), &Secret::new("s"), START).await;
            if added.is_ok() {
                tx.commit(START).await.unwrap();
            }
            added
        };
        let branch = add(Some("Branch 7 ü"), "branch").await.unwrap();
        assert!(matches!(add(Some("Branch 7 ü"), "other").await, Err(StoreError::Taken(_))));
        assert!(matches!(add(None, "other").await, Err(StoreError::Taken(_))));
        add(Some("branch 7 ü"), "other").await.unwrap();
        let routers = story.store.reader().routers().await.unwrap().routers;
        let row = routers.into_iter().find(|router| router.id == branch).unwrap();
        assert_eq!((row.address, row.nas_identifier.as_deref()), (source_network(ADDRESS).unwrap(), Some("Branch 7 ü")));
    }
}

on_both! {
    async fn what_is_known_of_a_box_that_signs_is_forgotten_once(story: Story) {
        let (_, nas) = story.router(ADDRESS).await;
        let mut tx = story.tx().await;
        tx.mark_signs(nas, at(1)).await.unwrap();
        tx.commit(at(1)).await.unwrap();
        assert_eq!(story.store.reader().nas_lines().await.unwrap()[0].signs_since, Some(at(1)));
        let mut tx = story.tx().await;
        assert!(tx.forget_signs(nas).await.unwrap());
        assert!(!tx.forget_signs(nas).await.unwrap());
        tx.commit(at(2)).await.unwrap();
        assert_eq!(story.store.reader().nas_lines().await.unwrap()[0].signs_since, None);
    }
}
