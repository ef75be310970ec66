//! One command that is being answered: what of its answer is still to come.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::clock::Timestamp;
use crate::proto::routeros::Sentence;
use crate::sim::router::command::print::{Item, Rows};
use crate::sim::router::command::trap::Trap;
use crate::sim::router::command::{Monitored, Repeat, Reply};
use crate::sim::router::state::State;
use crate::sim::router::trace::Ret;
use crate::sim::router::{Inner, lock};

/// How often `monitor` shows its numbers.
const MONITOR_EVERY: Duration = Duration::from_secs(1);

/// A command in work.
pub(super) struct Job {
    pub(super) tag: Option<Vec<u8>>,
    work: Work,
    /// Whether what it says is held back until another command is answered.
    pub(super) held: bool,
    pub(super) ret: Ret,
}

enum Work {
    /// Sentences that are ready; the command ends with the last.
    Ready(VecDeque<Sentence>),
    /// Rows, then the end.
    Rows(Rows),
    /// Rows, then what changes.
    Watch(Rows),
    /// Numbers now and then.
    Monitor(Monitored, Repeat, Instant),
}

/// What a job has to say now.
pub(super) enum Said {
    Sentence(Sentence),
    /// The last sentence.
    Last(Sentence),
    /// Nothing, for the time being.
    Nothing,
}

impl Job {
    pub(super) fn new(tag: Option<Vec<u8>>, reply: Result<Reply, Trap>) -> Self {
        let work = match reply {
            Ok(Reply::Done) => Work::Ready(VecDeque::from([done()])),
            Ok(Reply::Ret(ret)) => Work::Ready(VecDeque::from([done().with("ret", ret)])),
            Ok(Reply::Rows(rows)) => Work::Rows(rows),
            Ok(Reply::Watch(rows)) => Work::Watch(rows),
            Ok(Reply::Monitor(what, repeat)) => Work::Monitor(what, repeat, Instant::now()),
            Err(trap) => Work::Ready(VecDeque::from([refusal(&trap), done()])),
        };
        Self { tag, work, held: false, ret: Ret::Shown }
    }

    /// Whether it goes on until it is cancelled.
    pub(super) fn is_endless(&self) -> bool {
        match &self.work {
            Work::Watch(_) | Work::Monitor(_, Repeat::UntilCancelled, _) => true,
            Work::Ready(_) | Work::Rows(_) | Work::Monitor(_, Repeat::Once, _) => false,
        }
    }

    /// Ends it as `/cancel` does.
    pub(super) fn cancel(&mut self, state: &mut State) {
        self.leave(state);
        self.work = Work::Ready(VecDeque::from([refusal(&Trap::interrupted()), done()]));
    }

    /// Lets go of what it holds in the state.
    pub(super) fn leave(&mut self, state: &mut State) {
        match &mut self.work {
            Work::Rows(rows) | Work::Watch(rows) => rows.leave(state),
            Work::Ready(_) | Work::Monitor(..) => {}
        }
    }

    /// When it has something to say by the machine's clock.
    pub(super) fn due(&self) -> Option<Instant> {
        match &self.work {
            Work::Monitor(_, _, next) => Some(*next),
            Work::Ready(_) | Work::Rows(_) | Work::Watch(_) => None,
        }
    }

    /// Waits for news of its rows; for ever if it does not listen.
    pub(super) fn wake(&self) -> Option<std::sync::Arc<tokio::sync::Notify>> {
        match &self.work {
            Work::Watch(rows) => Some(rows.wake.clone()),
            Work::Ready(_) | Work::Rows(_) | Work::Monitor(..) => None,
        }
    }

    /// The next sentence.
    pub(super) fn say(&mut self, router: &Inner, now: Timestamp) -> Said {
        if self.held {
            return Said::Nothing;
        }
        let said = self.next(router, now);
        let tagged = |sentence: Sentence| match &self.tag {
            Some(tag) => with_tag(&sentence, tag),
            None => sentence,
        };
        match said {
            Said::Sentence(sentence) => Said::Sentence(tagged(sentence)),
            Said::Last(sentence) => Said::Last(tagged(sentence)),
            Said::Nothing => Said::Nothing,
        }
    }

    fn next(&mut self, router: &Inner, now: Timestamp) -> Said {
        match &mut self.work {
            Work::Ready(sentences) => match sentences.pop_front() {
                Some(sentence) if sentences.is_empty() => Said::Last(sentence),
                Some(sentence) => Said::Sentence(sentence),
                None => Said::Last(done()),
            },
            Work::Rows(rows) => {
                let state = lock(&router.state);
                if let Some(item) = rows.next(&state, now) {
                    return Said::Sentence(row(item));
                }
                let is_empty = rows.showed_nothing() && state.version().says_empty();
                if !is_empty {
                    return Said::Last(done());
                }
                self.work = Work::Ready(VecDeque::from([done()]));
                Said::Sentence(Sentence::reply("!empty"))
            }
            Work::Watch(rows) => {
                let mut state = lock(&router.state);
                state.advance(now);
                let item = rows.next(&state, now).or_else(|| rows.news(&mut state, now));
                item.map_or(Said::Nothing, |item| Said::Sentence(row(item)))
            }
            Work::Monitor(what, repeat, next) => {
                if *next > Instant::now() {
                    return Said::Nothing;
                }
                *next = Instant::now() + MONITOR_EVERY;
                let numbers = router.numbers(what);
                match repeat {
                    Repeat::Once => self.work = Work::Ready(VecDeque::from([done()])),
                    Repeat::UntilCancelled => {}
                }
                let words = numbers.into_iter();
                Said::Sentence(words.fold(Sentence::reply("!re"), |sentence, (name, value)| sentence.with(name, value)))
            }
        }
    }
}

fn done() -> Sentence {
    Sentence::reply("!done")
}

fn row(item: Item) -> Sentence {
    item.into_iter().fold(Sentence::reply("!re"), |sentence, (name, value)| sentence.with(name, value))
}

fn refusal(trap: &Trap) -> Sentence {
    let sentence = Sentence::reply("!trap");
    let sentence = match trap.category {
        Some(category) => sentence.with("category", category.0.to_string()),
        None => sentence,
    };
    sentence.with("message", &trap.message)
}

/// The tag stands right behind the reply word.
fn with_tag(sentence: &Sentence, tag: &[u8]) -> Sentence {
    let head = Sentence::reply(sentence.first()).tagged(tag);
    sentence.rest().iter().fold(head, |built, word| built.with_word(word.clone()))
}
