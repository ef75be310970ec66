//! What is wanted on routers, and rules: the last word wins, and what was changed meanwhile is not overwritten.

use radgram::domain::api::{Api, ApiAddress, Fingerprint, OldLogIn, Trust};
use radgram::domain::id::{AccountId, RouterId};
use radgram::domain::router::{Leases, Scheme};
use radgram::domain::want::{Thing, WantedState};
use radgram::secret::Secret;
use radgram::store::StoreError;
use radgram::store::router::Reach;
use radgram::store::want::{NewWant, Still, Want};

use super::{START, Story, at};

fn rule(router: RouterId, account: AccountId, state: WantedState) -> NewWant {
    // A comment in CP1251: bytes, not text.
    let thing = Thing::Rule { comment: b"2FA \xe8\xe2\xe0\xed".to_vec(), id: "*A".to_owned() };
    NewWant { router, thing, state, account: Some(account), connection: None }
}

impl Story {
    async fn want(&self, new: &NewWant, seconds: u64) -> Want {
        let mut tx = self.tx().await;
        tx.want(new, at(seconds)).await.unwrap();
        tx.commit(at(seconds)).await.unwrap();
        self.only_want(new.router).await
    }

    async fn only_want(&self, router: RouterId) -> Want {
        let wants = self.store.reader().wants_of_router(router).await.unwrap();
        let [want] = wants.try_into().expect("one want");
        want
    }
}

on_both! {
    async fn the_last_word_about_a_thing_wins(story: Story) {
        let (_, account) = story.account("ann").await;
        let (router, _) = story.router("192.0.2.1").await;
        let on = story.want(&rule(router, account, WantedState::On), 1).await;
        assert_eq!((on.since, on.due_at, on.proven_at), (at(1), Some(at(1)), None));
        // The same again is nothing new.
        assert_eq!(story.want(&rule(router, account, WantedState::On), 5).await, on);
        let off = story.want(&rule(router, account, WantedState::Off), 9).await;
        assert_eq!((off.id, off.state, off.since), (on.id, WantedState::Off, at(9)));
        // Whoever was at it when the word changed does not prove the new one.
        let mut tx = story.tx().await;
        assert_eq!(tx.prove_want(&on, at(10), None).await.unwrap(), Still::Changed);
        assert_eq!(tx.retry_want(&on, "no answer", at(99)).await.unwrap(), Still::Changed);
        assert_eq!(tx.finish_want(&on).await.unwrap(), Still::Changed);
        tx.commit(at(10)).await.unwrap();
        assert_eq!(story.only_want(router).await, off);
    }
}

on_both! {
    async fn what_is_due_is_read_router_by_router(story: Story) {
        let (_, account) = story.account("ann").await;
        let (first, _) = story.router("192.0.2.1").await;
        let (second, _) = story.router("192.0.2.2").await;
        story.want(&rule(first, account, WantedState::On), 5).await;
        let later = story.want(&rule(second, account, WantedState::On), 3).await;
        let reader = story.store.reader();
        assert_eq!(reader.routers_with_due_wants(at(10)).await.unwrap(), [second, first]);
        assert_eq!(reader.next_due_want().await.unwrap(), Some(at(3)));
        let mut tx = story.tx().await;
        assert_eq!(tx.prove_want(&later, at(11), None).await.unwrap(), Still::Wanted);
        tx.postpone_wants(first, "no answer", (at(11), at(60))).await.unwrap();
        tx.commit(at(11)).await.unwrap();
        assert_eq!(reader.routers_with_due_wants(at(12)).await.unwrap(), []);
        let [pending] = reader.pending_wants().await.unwrap().try_into().expect("one is not proven");
        assert_eq!((pending.router, pending.outcome.as_deref(), pending.since), (first, Some("no answer"), at(5)));
        // The router is back: not a minute later.
        let mut tx = story.tx().await;
        tx.hasten_wants(first, at(13)).await.unwrap();
        tx.commit(at(13)).await.unwrap();
        assert_eq!(reader.due_wants(first, at(13), 10).await.unwrap().len(), 1);
        assert_eq!(reader.due_wants(second, at(13), 10).await.unwrap(), []);
    }
}

on_both! {
    async fn a_rule_is_bound_once_and_its_want_outlives_its_account(story: Story) {
        let (_, ann) = story.account("ann").await;
        let (_, bob) = story.account("bob").await;
        let (router, _) = story.router("192.0.2.1").await;
        let mut tx = story.tx().await;
        tx.bind_rule(router, ann, ("*A", b"2FA ann"), START).await.unwrap();
        tx.commit(START).await.unwrap();
        for (account, comment) in [(bob, &b"2FA ann"[..]), (ann, b"2FA ann at home")] {
            let mut tx = story.tx().await;
            let taken = tx.bind_rule(router, account, ("*B", comment), START).await;
            assert!(matches!(taken, Err(StoreError::Taken(_))), "{taken:?}");
        }
        story.want(&rule(router, ann, WantedState::Off), 1).await;
        let mut tx = story.tx().await;
        assert!(tx.is_bound(router, b"2FA ann").await.unwrap());
        tx.delete_account(ann).await.unwrap();
        tx.commit(at(2)).await.unwrap();
        assert_eq!(story.store.reader().rules().await.unwrap(), []);
        let left = story.only_want(router).await;
        assert_eq!((left.account, left.state), (None, WantedState::Off), "it is still to be switched off");
    }
}

on_both! {
    async fn the_log_in_to_a_router_is_sealed_and_read_back(story: Story) {
        let (router, _) = story.router("192.0.2.1").await;
        let api = Api {
            address: ApiAddress { host: "router.example".to_owned(), port: Some(8729) },
            user: "radgram".to_owned(),
            password: Secret::new("Geheim-for-the-API"),
            trust: Trust::Pinned(Some(Fingerprint([7; 32]))),
            old_log_in: OldLogIn::Allowed,
        };
        let reach = Reach { scheme: Scheme::Api, api: Some(api.clone()), leases: Leases::On };
        let mut tx = story.tx().await;
        tx.set_router_reach(router, &reach).await.unwrap();
        tx.commit(START).await.unwrap();
        let read = story.store.reader().routers().await.unwrap().routers.remove(0);
        assert_eq!((read.scheme, read.leases, read.api), (Scheme::Api, Leases::On, Some(api)));
        let sealed: Vec<u8> = sqlx::query_scalar("select sealed_api_password from routers")
            .fetch_one(&story.raw().await)
            .await
            .unwrap();
        assert!(!String::from_utf8_lossy(&sealed).contains("Geheim"));
        let mut tx = story.tx().await;
        tx.set_router_reach(router, &Reach { api: None, scheme: Scheme::Radius, ..reach }).await.unwrap();
        tx.commit(START).await.unwrap();
        assert_eq!(story.store.reader().routers().await.unwrap().routers.remove(0).api, None);
    }
}

on_both! {
    async fn what_is_another_accounts_by_now_is_left_alone(story: Story) {
        let (_, ann) = story.account("ann").await;
        let (_, bob) = story.account("bob").await;
        let (router, _) = story.router("192.0.2.1").await;
        // A tunnel address goes from one to the other while the first is still being looked at.
        let lease = |account, state| NewWant {
            thing: Thing::Lease("10.8.0.5".parse().unwrap()),
            ..rule(router, account, state)
        };
        let anns = story.want(&lease(ann, WantedState::On), 1).await;
        let bobs = story.want(&lease(bob, WantedState::On), 1).await;
        let mut tx = story.tx().await;
        tx.turn_off_want(&anns, at(2)).await.unwrap();
        tx.forget_want(&anns).await.unwrap();
        tx.commit(at(2)).await.unwrap();
        assert_eq!(story.only_want(router).await, bobs);
        let mut tx = story.tx().await;
        tx.turn_off_want(&bobs, at(2)).await.unwrap();
        tx.commit(at(2)).await.unwrap();
        let off = story.only_want(router).await;
        assert_eq!((off.state, off.due_at, off.account), (WantedState::Off, Some(at(2)), Some(bob)));
        assert_eq!(story.store.reader().accounts_on(router).await.unwrap(), []);
    }
}

on_both! {
    async fn what_may_be_on_is_what_is_not_proven_off(story: Story) {
        let (_, ann) = story.account("ann").await;
        let (router, _) = story.router("192.0.2.1").await;
        let on = story.want(&rule(router, ann, WantedState::On), 1).await;
        assert_eq!(story.store.reader().accounts_on(router).await.unwrap(), [ann]);
        let mut tx = story.tx().await;
        assert_eq!(tx.prove_want(&on, at(2), None).await.unwrap(), Still::Wanted);
        assert_eq!(tx.wants_left_on(router).await.unwrap().len(), 1);
        tx.commit(at(2)).await.unwrap();
        let off = story.want(&rule(router, ann, WantedState::Off), 3).await;
        let mut tx = story.tx().await;
        assert_eq!(tx.wants_left_on(router).await.unwrap().len(), 1, "it may be on still");
        assert_eq!(tx.prove_want(&off, at(4), None).await.unwrap(), Still::Wanted);
        assert_eq!(tx.wants_left_on(router).await.unwrap(), []);
    }
}
