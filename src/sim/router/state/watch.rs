//! Who listens to which menu, and which of its rows they have not heard of yet.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use tokio::sync::Notify;

use super::table::Id;

/// Names one watcher.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct WatchId(u64);

/// A queue of rows without repetition: no longer than the menu has, or had, rows since it was last emptied.
struct Watcher {
    path: &'static str,
    queue: VecDeque<Id>,
    queued: HashSet<Id>,
    wake: Arc<Notify>,
}

/// All of them.
#[derive(Default)]
pub(crate) struct Watchers {
    last: u64,
    watchers: HashMap<WatchId, Watcher>,
}

impl Watchers {
    /// From now on every change of a row of this menu is noted and `wake` is called.
    pub(crate) fn watch(&mut self, path: &'static str, wake: Arc<Notify>) -> WatchId {
        self.last += 1;
        let id = WatchId(self.last);
        let (queue, queued) = Default::default();
        self.watchers.insert(id, Watcher { path, queue, queued, wake });
        id
    }

    pub(crate) fn leave(&mut self, id: WatchId) {
        self.watchers.remove(&id);
    }

    pub(crate) fn changed(&mut self, path: &str, id: Id) {
        for watcher in self.watchers.values_mut().filter(|watcher| watcher.path == path) {
            if watcher.queued.insert(id) {
                watcher.queue.push_back(id);
            }
            watcher.wake.notify_one();
        }
    }

    /// The next row that changed, or is gone; what became of it is for the asker to look up.
    pub(crate) fn next(&mut self, id: WatchId) -> Option<Id> {
        let watcher = self.watchers.get_mut(&id)?;
        let changed = watcher.queue.pop_front()?;
        watcher.queued.remove(&changed);
        Some(changed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_changes_twice_is_told_of_once() {
        let mut watchers = Watchers::default();
        let one = watchers.watch("/a", Arc::default());
        let other = watchers.watch("/b", Arc::default());
        for id in [Id(1), Id(2), Id(1)] {
            watchers.changed("/a", id);
        }
        assert_eq!([watchers.next(one), watchers.next(one), watchers.next(one)], [Some(Id(1)), Some(Id(2)), None]);
        assert_eq!(watchers.next(other), None);
        watchers.changed("/a", Id(1));
        assert_eq!(watchers.next(one), Some(Id(1)));
        watchers.leave(one);
        assert_eq!(watchers.next(one), None);
    }
}
