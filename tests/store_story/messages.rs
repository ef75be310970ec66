//! Prompts, buttons and the outbox: asked once, answered once, delivered in order.

use radgram::domain::id::{AccountId, PromptId, UserId};
use radgram::domain::prompt::{Action, Kind, State};
use radgram::store::StoreError;
use radgram::store::outbox::{NewMessage, OutboxRow, Urgency};
use radgram::store::prompt::{NewPrompt, StoredButton};

use super::{START, Story, at};

fn knock(user: UserId, account: AccountId) -> NewPrompt<'static> {
    NewPrompt {
        user,
        account,
        kind: Kind::Knock,
        session: None,
        connection: None,
        place: None,
        deadline: at(300),
        resend_at: None,
        chat_id: 1001,
        question: "Let in?",
    }
}

fn message(text: &str, urgency: Urgency) -> NewMessage<'_> {
    NewMessage { chat_id: 1001, prompt: None, edits: None, text, keyboard: "", urgency, expires_at: None }
}

async fn asked(story: &Story) -> (UserId, AccountId, PromptId) {
    let (user, account) = story.account("ann").await;
    let mut tx = story.tx().await;
    let id = tx.add_prompt(&knock(user, account), START).await.unwrap().unwrap();
    tx.commit(START).await.unwrap();
    (user, account, id)
}

async fn due(story: &Story, seconds: u64) -> Vec<OutboxRow> {
    story.store.reader().due_messages(at(seconds)).await.unwrap()
}

fn texts(rows: &[OutboxRow]) -> Vec<&str> {
    rows.iter().map(|row| row.text.as_str()).collect()
}

on_both! {
    async fn one_question_of_a_kind_is_pending_for_an_account(story: Story) {
        let (user, account, id) = asked(story).await;
        let mut tx = story.tx().await;
        assert_eq!(tx.add_prompt(&knock(user, account), at(1)).await.unwrap(), None);
        let reminder = NewPrompt { kind: Kind::Reminder, deadline: at(600), ..knock(user, account) };
        assert!(tx.add_prompt(&reminder, at(1)).await.unwrap().is_some(), "another kind is another question");
        tx.settle_prompt(id, State::Answered, (Some(Action::Yes), "Yes"), at(2)).await.unwrap();
        assert!(tx.add_prompt(&knock(user, account), at(3)).await.unwrap().is_some());
        assert_eq!(tx.pending_prompts(account).await.unwrap().len(), 2);
        assert_eq!(tx.prompts_since(account, Kind::Knock, at(2)).await.unwrap(), 1);
    }
}

on_both! {
    async fn of_many_dials_at_once_one_question_comes(story: Story) {
        let (user, account) = story.account("ann").await;
        let mut dials = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let store = story.store.clone();
            dials.spawn(async move {
                let mut tx = store.begin().await.unwrap();
                let id = tx.add_prompt(&knock(user, account), START).await.unwrap();
                tx.commit(START).await.unwrap();
                id
            });
        }
        assert_eq!(dials.join_all().await.into_iter().flatten().count(), 1);
    }
}

on_both! {
    async fn a_question_is_settled_once(story: Story) {
        let (_, account, id) = asked(story).await;
        let mut tx = story.tx().await;
        tx.settle_prompt(id, State::Answered, (Some(Action::Yes), "Yes"), at(1)).await.unwrap();
        let again = tx.settle_prompt(id, State::Lapsed, (None, "late"), at(300)).await;
        assert!(matches!(again, Err(StoreError::Conflict)));
        let prompt = tx.prompt(id).await.unwrap().unwrap();
        assert_eq!((prompt.prompt.state, prompt.outcome.as_deref()), (State::Answered, Some("Yes")));
        assert_eq!(tx.pending_prompts(account).await.unwrap(), []);
    }
}

on_both! {
    async fn a_question_is_due_when_it_lapses_or_is_sent_again(story: Story) {
        let (user, account) = story.account("ann").await;
        let mut tx = story.tx().await;
        let presence = NewPrompt { kind: Kind::Presence, resend_at: Some(at(60)), ..knock(user, account) };
        let id = tx.add_prompt(&presence, START).await.unwrap().unwrap();
        tx.commit(START).await.unwrap();
        assert_eq!(story.store.reader().next_due_prompt().await.unwrap(), Some(at(60)));
        let due = async |now| story.store.reader().due_prompts(now).await.unwrap();
        assert_eq!(due(at(59)).await, []);
        assert_eq!(due(at(60)).await.len(), 1);
        let mut tx = story.tx().await;
        tx.mark_resent(id, None).await.unwrap();
        assert_eq!(tx.prompt(id).await.unwrap().unwrap().resends, 1);
        tx.commit(at(60)).await.unwrap();
        assert_eq!(due(at(299)).await, []);
        assert_eq!(due(at(300)).await, [(id, account)]);
    }
}

on_both! {
    async fn a_button_works_once(story: Story) {
        let (_, account, id) = asked(story).await;
        let button = StoredButton {
            telegram_id: 1001,
            action: Action::Yes,
            prompt: Some(id),
            account: Some(account),
            session: None,
            used_at: None,
            created_at: START,
        };
        let mut tx = story.tx().await;
        tx.add_button("token", &button).await.unwrap();
        tx.commit(START).await.unwrap();
        let mut presses = tokio::task::JoinSet::new();
        for _ in 0..6 {
            let store = story.store.clone();
            presses.spawn(async move {
                let mut tx = store.begin().await.unwrap();
                let used = tx.use_button("token", at(1)).await;
                tx.commit(at(1)).await.unwrap();
                used
            });
        }
        let used = presses.join_all().await;
        assert_eq!(used.iter().filter(|used| used.is_ok()).count(), 1);
        assert!(used.iter().all(|used| matches!(used, Ok(()) | Err(StoreError::Conflict))), "{used:?}");
        let mut tx = story.tx().await;
        assert_eq!(tx.button("token").await.unwrap(), Some(StoredButton { used_at: Some(at(1)), ..button }));
        assert_eq!(tx.button("forged").await.unwrap(), None);
        assert!(matches!(tx.use_button("forged", at(2)).await, Err(StoreError::Conflict)));
    }
}

on_both! {
    async fn questions_go_first_and_the_rest_in_order(story: Story) {
        let (_, _, prompt) = asked(story).await;
        let mut tx = story.tx().await;
        for (text, urgency) in [("one", Urgency::Notice), ("two", Urgency::Notice), ("three", Urgency::Notice)] {
            tx.send(&message(text, urgency), at(0)).await.unwrap();
        }
        tx.send(&NewMessage { prompt: Some(prompt), ..message("question", Urgency::Prompt) }, at(1)).await.unwrap();
        tx.commit(at(1)).await.unwrap();
        let rows = due(story, 1).await;
        assert_eq!(texts(&rows), ["question", "one", "two", "three"]);
        let [question, one, two, _] = rows.try_into().unwrap();
        let mut tx = story.tx().await;
        tx.delivered(&question, 77, at(2)).await.unwrap();
        tx.retry_message(&one, "asked to wait", at(30)).await.unwrap();
        tx.finish_message(two.id, "blocked", at(2)).await.unwrap();
        assert_eq!(tx.prompt(prompt).await.unwrap().unwrap().message_id, Some(77));
        tx.commit(at(2)).await.unwrap();
        // What waits behind it in its chat waits with it.
        assert!(texts(&due(story, 29).await).is_empty());
        assert_eq!(texts(&due(story, 30).await), ["one", "three"]);
        assert_eq!(story.store.reader().waiting_messages().await.unwrap(), 2);
    }
}

on_both! {
    async fn a_withdrawn_question_is_not_sent(story: Story) {
        let (_, _, prompt) = asked(story).await;
        let mut tx = story.tx().await;
        tx.send(&NewMessage { prompt: Some(prompt), ..message("question", Urgency::Prompt) }, at(0)).await.unwrap();
        tx.unsend(prompt, at(1)).await.unwrap();
        tx.commit(at(1)).await.unwrap();
        assert_eq!(due(story, 1).await, []);
    }
}

on_both! {
    async fn a_dialogue_is_remembered_until_it_is_over(story: Story) {
        let mut tx = story.tx().await;
        tx.set_dialogue(1001, Some("name"), at(0)).await.unwrap();
        tx.set_dialogue(1001, Some("other"), at(1)).await.unwrap();
        tx.commit(at(1)).await.unwrap();
        let mut tx = story.tx().await;
        assert_eq!(tx.dialogue(1001).await.unwrap().as_deref(), Some("other"));
        tx.set_dialogue(1001, None, at(2)).await.unwrap();
        assert_eq!(tx.dialogue(1001).await.unwrap(), None);
    }
}
