//! Changes in the order of the commits, leadership, marks, and what is forgotten.

use std::collections::HashMap;
use std::time::Duration;

use radgram::domain::connection::{Authentic, Record, Report, Traffic, Via};
use radgram::domain::id::{AccountId, UserId};
use radgram::domain::prompt::{Kind, State};
use radgram::domain::router::NasKey;
use radgram::domain::session::{EndReason, Session, State as SessionState};
use radgram::store::attempt::{Attempt, Verdict};
use radgram::store::booking::Booking;
use radgram::store::connection::ClassSeen;
use radgram::store::outbox::{NewMessage, Urgency};
use radgram::store::prompt::NewPrompt;
use radgram::store::{Change, Noun, Reader, Store};
use radgram::text::Language;

use super::{START, Story, at};

/// Writers at once, and commits of each.
const WRITERS: usize = 8;
const COMMITS: usize = 25;

on_both! {
    async fn changes_are_numbered_in_the_order_of_the_commits(story: Story) {
        let mut people = Vec::new();
        for number in 0..WRITERS {
            people.push(story.account(&format!("writer{number}")).await);
        }
        let seen = story.store.reader().last_change().await.unwrap();
        let total = WRITERS * COMMITS;
        let follower = tokio::spawn(follow(story.store.reader().clone(), people.clone(), seen, total));
        let mut writers = tokio::task::JoinSet::new();
        for person in people {
            writers.spawn(write(story.store.clone(), person));
        }
        let mut numbers = writers.join_all().await.concat();
        follower.await.unwrap();
        numbers.sort_unstable();
        let expected: Vec<i64> = (seen + 1..).take(total).collect();
        assert_eq!(numbers, expected, "no number is given twice, none is left out");
    }
}

/// Renames the person of an account again and again, to the number of the commit; gives the numbers of the changes.
async fn write(store: Store, (user, _): (UserId, AccountId)) -> Vec<i64> {
    let mut numbers = Vec::new();
    for commit in 1..=COMMITS {
        let mut tx = store.begin().await.unwrap();
        tx.describe_user(user, &commit.to_string(), Language::En).await.unwrap();
        let last = tx.commit(START).await.unwrap().last;
        assert!(numbers.last().is_none_or(|before| *before < last), "the numbers of one writer grow");
        numbers.push(last);
    }
    numbers
}

/// Follows the changes as an instance does: every stretch goes on where the last one ended, and the rows are at least as
/// new as the number says.
async fn follow(reader: Reader, people: Vec<(UserId, AccountId)>, mut seen: i64, total: usize) {
    let users: HashMap<i64, UserId> = people.into_iter().map(|(user, account)| (account.0, user)).collect();
    let mut told: HashMap<i64, usize> = HashMap::new();
    while told.values().sum::<usize>() < total {
        let changes = reader.changes(seen).await.unwrap();
        let rows = changes.rows.expect("what follows a number that was seen is whole");
        for (number, Change { noun, id }) in &rows {
            assert_eq!(
                (*number, *noun),
                (seen + 1, Noun::Account),
                "a number that was passed turned up, or one is missing"
            );
            seen = *number;
            *told.entry(*id).or_default() += 1;
        }
        assert_eq!(changes.last, seen);
        for (account, count) in &told {
            let name = reader.user(users[account]).await.unwrap().unwrap().name;
            assert!(name.parse::<usize>().unwrap() >= *count, "{name} is older than change {count}");
        }
    }
}

on_both! {
    async fn a_commit_tells_each_row_once(story: Story) {
        let mut tx = story.tx().await;
        for (noun, id) in [(Noun::Account, 1), (Noun::Router, 1), (Noun::Account, 1), (Noun::Account, 2)] {
            tx.touch(noun, id);
        }
        let committed = tx.commit(START).await.unwrap();
        let expected = [(Noun::Account, 1), (Noun::Router, 1), (Noun::Account, 2)].map(|(noun, id)| Change { noun, id });
        assert_eq!(committed.changes, expected);
        let rows = story.store.reader().changes(committed.last - 3).await.unwrap().rows.unwrap();
        assert_eq!(rows.into_iter().map(|(_, change)| change).collect::<Vec<_>>(), expected);
        assert_eq!(story.tx().await.commit(START).await.unwrap().last, 0, "nothing cached has changed");
    }
}

on_both! {
    async fn who_missed_forgotten_changes_is_told_so(story: Story) {
        for seconds in [0, 10, 20] {
            let mut tx = story.tx().await;
            tx.touch(Noun::Account, 1);
            tx.commit(at(seconds)).await.unwrap();
        }
        let last = story.store.reader().last_change().await.unwrap();
        let mut tx = story.tx().await;
        assert_eq!(tx.prune_changes(at(20)).await.unwrap(), 2);
        tx.commit(at(20)).await.unwrap();
        assert!(story.store.reader().changes(last - 3).await.unwrap().rows.is_none());
        assert_eq!(story.store.reader().changes(last - 1).await.unwrap().rows.unwrap().len(), 1);
    }
}

on_both! {
    async fn one_leads_until_its_time_lapses(story: Story) {
        let lead = async |owner, now, until| story.store.lead("poll", owner, at(now), at(until)).await.unwrap();
        assert!(lead("a", 0, 15).await);
        assert!(!lead("b", 5, 20).await);
        assert!(lead("a", 10, 25).await, "its owner keeps it");
        assert!(!lead("b", 24, 39).await);
        assert!(lead("b", 25, 40).await, "it has lapsed");
        assert!(!lead("a", 26, 41).await);
        assert!(story.store.lead("sweep", "a", at(26), at(41)).await.unwrap(), "another role is another matter");
        story.store.resign("b").await.unwrap();
        assert!(lead("a", 27, 42).await, "it was given up");
        assert!(!story.store.lead("sweep", "b", at(27), at(42)).await.unwrap());
    }
}

on_both! {
    async fn of_many_candidates_one_leads(story: Story) {
        let mut candidates = tokio::task::JoinSet::new();
        for number in 0..8 {
            let store = story.store.clone();
            candidates.spawn(async move { store.lead("poll", &format!("owner{number}"), at(0), at(15)).await.unwrap() });
        }
        assert_eq!(candidates.join_all().await.into_iter().filter(|leads| *leads).count(), 1);
    }
}

on_both! {
    async fn a_mark_is_raised_and_never_lowered(story: Story) {
        let mut tx = story.tx().await;
        assert_eq!(tx.raise_mark("clock", 100).await.unwrap(), 100);
        assert_eq!(tx.raise_mark("clock", 50).await.unwrap(), 100);
        tx.set_mark("update", 7).await.unwrap();
        tx.set_mark("update", 5).await.unwrap();
        tx.commit(START).await.unwrap();
        assert_eq!(story.store.reader().mark("clock").await.unwrap(), Some(100));
        assert_eq!(story.store.reader().mark("update").await.unwrap(), Some(5));
        assert_eq!(story.store.reader().mark("other").await.unwrap(), None);
    }
}

on_both! {
    async fn what_is_over_is_forgotten_and_what_is_open_stays(story: Story) {
        let (router, nas) = story.router("192.0.2.1").await;
        let ((user, ann), (_, bob)) = (story.account("ann").await, story.account("bob").await);
        let (over, open) = (story.session(ann).await, story.session(bob).await);
        let key = NasKey { router, address: "192.0.2.1".parse().unwrap(), identifier: "office".to_owned() };
        let mut tx = story.tx().await;
        let state = SessionState::Ended { reason: EndReason::Expired, at: at(10) };
        tx.save_session(&Session { state, ..over }, at(10), at(10)).await.unwrap();
        for (id, report) in [("81500001", Report::Stop(None)), ("81500002", Report::Start)] {
            let record = Record {
                report,
                nas: key.clone(),
                acct_session_id: id.to_owned(),
                user_name: b"ann".to_vec(),
                class: None,
                station: None,
                nas_ip: None,
                framed_ip: None,
                server: None,
                authentic: Authentic::Radius,
                arrived: at(10),
                delay: Duration::ZERO,
                lasted: Duration::ZERO,
                traffic: Traffic::default(),
            via: Via::Radius,
            };
            let class = ClassSeen::None;
            tx.book(&Booking { record: &record, nas, account: Some(ann), session: None, class }).await.unwrap();
        }
        for seconds in [10, 30] {
            tx.add_attempt(&attempt(&key, seconds)).await.unwrap();
        }
        for (kind, state) in [(Kind::Knock, State::Lapsed), (Kind::Reminder, State::Pending)] {
            let prompt = NewPrompt {
                user,
                account: ann,
                kind,
                session: None,
                connection: None,
                place: None,
                deadline: at(10),
                resend_at: None,
                chat_id: 1,
                question: "?",
            };
            let id = tx.add_prompt(&prompt, at(10)).await.unwrap().unwrap();
            if state != State::Pending {
                tx.settle_prompt(id, state, (None, ""), at(10)).await.unwrap();
            }
        }
        let message = NewMessage {
            chat_id: 1,
            prompt: None,
            edits: None,
            text: "",
            keyboard: "",
            urgency: Urgency::Notice,
            expires_at: None,
        };
        tx.send(&message, at(10)).await.unwrap();
        tx.send(&message, at(11)).await.unwrap();
        tx.commit(at(10)).await.unwrap();
        let sent = story.store.reader().due_messages(at(10)).await.unwrap().remove(0);
        let mut tx = story.tx().await;
        tx.finish_message(sent.id, "blocked", at(10)).await.unwrap();
        assert_eq!(tx.prune_sessions(at(10)).await.unwrap(), 0, "at the limit it is kept");
        let limit = at(20);
        assert_eq!(tx.prune_sessions(limit).await.unwrap(), 1);
        assert_eq!(tx.prune_connections(limit).await.unwrap(), 1);
        assert_eq!(tx.prune_attempts(limit).await.unwrap(), 1);
        assert_eq!(tx.prune_prompts(limit).await.unwrap(), 1);
        assert_eq!(tx.prune_outbox(limit).await.unwrap(), 1);
        assert_eq!(tx.pending_prompts(ann).await.unwrap().len(), 1);
        tx.commit(limit).await.unwrap();
        let reader = story.store.reader();
        assert_eq!(story.session_row(open.id).await.state, SessionState::Granted);
        assert_eq!(reader.open_connection_count().await.unwrap(), 1);
        assert_eq!(reader.attempts().await.unwrap().len(), 1);
        assert_eq!(reader.waiting_messages().await.unwrap(), 1);
    }
}

fn attempt(nas: &NasKey, seconds: u64) -> Attempt {
    Attempt {
        at: at(seconds),
        router: nas.router,
        nas_address: nas.address,
        nas_identifier: nas.identifier.clone(),
        nas_ip: None,
        server: None,
        user_name: b"ann".to_vec(),
        account: None,
        user: None,
        session: None,
        station: None,
        method: "pap",
        verdict: Verdict::Reject,
        reason: Some("wrong_password"),
        acct_session_id: None,
    }
}
