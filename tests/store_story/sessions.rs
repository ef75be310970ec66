//! Sessions and their callers: one open session per account, whoever else tries.

use radgram::domain::connection::Place;
use radgram::domain::session::{Caller, EndReason, Origin, Session, Standing, State};
use radgram::store::StoreError;
use radgram::store::session::NewSession;

use super::{START, Story, at, granted};

fn ended(session: &Session) -> Session {
    Session { state: State::Ended { reason: EndReason::ByOperator, at: at(10) }, ..session.clone() }
}

on_both! {
    async fn an_account_has_one_open_session(story: Story) {
        let (_, account) = story.account("ann").await;
        let session = story.session(account).await;
        let mut tx = story.tx().await;
        assert!(matches!(tx.add_session(&granted(account), at(1)).await, Err(StoreError::Conflict)));
        drop(tx);
        let mut tx = story.tx().await;
        tx.save_session(&ended(&session), at(10), at(10)).await.unwrap();
        tx.add_session(&granted(account), at(11)).await.unwrap();
        tx.commit(at(11)).await.unwrap();
        assert_eq!(story.store.reader().open_session_count().await.unwrap(), 1);
        assert_eq!(story.session_row(session.id).await.state, ended(&session).state);
    }
}

on_both! {
    async fn an_ended_session_takes_no_other_end(story: Story) {
        let (_, account) = story.account("ann").await;
        let session = story.session(account).await;
        let mut tx = story.tx().await;
        tx.save_session(&ended(&session), at(10), at(10)).await.unwrap();
        tx.commit(at(10)).await.unwrap();
        // Another instance had read it while it was open: it must look again.
        let extended = Session { until: at(7200), ..session.clone() };
        let mut tx = story.tx().await;
        assert!(matches!(tx.save_session(&extended, at(7200), at(11)).await, Err(StoreError::Conflict)));
        drop(tx);
        assert_eq!(story.session_row(session.id).await.until, at(3600));
    }
}

on_both! {
    async fn of_many_grants_at_once_one_holds(story: Story) {
        let (_, account) = story.account("ann").await;
        let mut grants = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let store = story.store.clone();
            grants.spawn(async move {
                let mut tx = store.begin().await.unwrap();
                match tx.add_session(&granted(account), START).await {
                    Ok(_) => tx.commit(START).await.map(|_| true),
                    Err(StoreError::Conflict) => Ok(false),
                    Err(error) => Err(error),
                }
            });
        }
        let held: Vec<bool> = grants.join_all().await.into_iter().map(Result::unwrap).collect();
        assert_eq!(held.iter().filter(|held| **held).count(), 1);
    }
}

on_both! {
    async fn callers_come_and_change_their_standing(story: Story) {
        let (_, account) = story.account("ann").await;
        let (router, _) = story.router("192.0.2.1").await;
        let place = |station: &str| Place { router, station: station.to_owned() };
        let new = NewSession { origin: Origin::Knock, caller: Some(place("203.0.113.7")), ..granted(account) };
        let mut tx = story.tx().await;
        let mut session = tx.add_session(&new, START).await.unwrap();
        assert_eq!(session.callers.first().unwrap().standing, Standing::Confirmed);
        session.callers.push(Caller { place: place("198.51.100.9"), standing: Standing::Admitted });
        session.state = State::Active;
        tx.save_session(&session, at(3600), at(1)).await.unwrap();
        tx.commit(at(1)).await.unwrap();
        let mut read = story.session_row(session.id).await;
        assert_eq!((read.state, read.callers.len()), (State::Active, 2));
        for caller in &mut read.callers {
            caller.standing = Standing::Refused;
        }
        let mut tx = story.tx().await;
        tx.save_session(&read, at(3600), at(2)).await.unwrap();
        tx.commit(at(2)).await.unwrap();
        let callers = story.session_row(session.id).await.callers;
        assert!(callers.len() == 2 && callers.iter().all(|caller| caller.standing == Standing::Refused));
    }
}

on_both! {
    async fn what_is_due_is_found_in_its_order(story: Story) {
        let ((_, ann), (_, bob)) = (story.account("ann").await, story.account("bob").await);
        let mut tx = story.tx().await;
        tx.add_session(&NewSession { due: at(20), ..granted(ann) }, START).await.unwrap();
        tx.add_session(&NewSession { due: at(10), ..granted(bob) }, START).await.unwrap();
        tx.commit(START).await.unwrap();
        assert_eq!(story.store.reader().next_due_session().await.unwrap(), Some(at(10)));
        let due = async |now| story.store.reader().due_sessions(now).await.unwrap();
        assert_eq!(due(at(9)).await, []);
        assert_eq!(due(at(20)).await, [bob, ann]);
        let mut tx = story.tx().await;
        tx.make_all_due(at(5)).await.unwrap();
        tx.commit(at(5)).await.unwrap();
        assert_eq!(due(at(5)).await.len(), 2);
    }
}

on_both! {
    async fn deleting_an_account_deletes_its_sessions(story: Story) {
        let (_, account) = story.account("ann").await;
        let session = story.session(account).await;
        let mut tx = story.tx().await;
        tx.delete_account(account).await.unwrap();
        tx.commit(at(1)).await.unwrap();
        assert!(story.store.reader().session(session.id).await.unwrap().is_none());
    }
}
