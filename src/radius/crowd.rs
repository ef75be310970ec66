//! Who waits when more comes than is handled at once: a line for each router, and the lines are served in turn. Where there is no
//! room, the last in the longest line leaves: so a flood that bears one router's address delays and loses that router's packets
//! alone, and a router that is alone has all the room. No clock and no I/O.

use std::collections::{HashMap, VecDeque};

use crate::domain::id::RouterId;

/// Datagrams that wait on one socket. With 4,096 octets each 16 MB, and about 1 MB of what routers send; at 20 µs each the last
/// one is served after a tenth of a second.
const ROOM: usize = 4_096;

/// The lines; `T` is what waits.
pub(super) struct Crowd<T> {
    lines: HashMap<RouterId, VecDeque<T>>,
    /// Who has a line, in the order in which it is served.
    turns: VecDeque<RouterId>,
    count: usize,
}

impl<T> Default for Crowd<T> {
    fn default() -> Self {
        Self { lines: HashMap::new(), turns: VecDeque::new(), count: 0 }
    }
}

impl<T> Crowd<T> {
    /// Puts an item at the end of its router's line, and gives back what has to leave for it, perhaps the item itself.
    pub(super) fn put(&mut self, router: RouterId, item: T) -> Option<T> {
        let leaves = if self.count >= ROOM { self.longest() } else { None };
        if leaves == Some(router) {
            return Some(item);
        }
        let line = self.lines.entry(router).or_default();
        if line.is_empty() {
            self.turns.push_back(router);
        }
        line.push_back(item);
        match leaves.and_then(|longest| self.lines.get_mut(&longest)) {
            // The longest of several lines that are full together has more than this one.
            Some(longest) => longest.pop_back(),
            None => {
                self.count += 1;
                None
            }
        }
    }

    fn longest(&self) -> Option<RouterId> {
        self.lines.iter().max_by_key(|(_, line)| line.len()).map(|(router, _)| *router)
    }

    /// The first in the line of the router whose turn it is.
    pub(super) fn take(&mut self) -> Option<T> {
        loop {
            let router = self.turns.pop_front()?;
            // All of a line may have left for others.
            let Some(line) = self.lines.get_mut(&router) else { continue };
            let first = line.pop_front();
            if line.is_empty() {
                self.lines.remove(&router);
            } else {
                self.turns.push_back(router);
            }
            if first.is_some() {
                self.count -= 1;
                return first;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order<T>(crowd: &mut Crowd<T>) -> Vec<T> {
        std::iter::from_fn(|| crowd.take()).collect()
    }

    #[test]
    fn routers_are_served_in_turn_and_each_in_its_order() {
        let mut crowd = Crowd::default();
        for (router, name) in [(1, "a"), (1, "b"), (1, "c"), (2, "x"), (3, "k"), (3, "l")] {
            assert_eq!(crowd.put(RouterId(router), name), None);
        }
        assert_eq!(order(&mut crowd), ["a", "x", "k", "b", "l", "c"]);
        assert!(crowd.lines.is_empty() && crowd.turns.is_empty() && crowd.count == 0);
    }

    #[test]
    fn who_is_alone_has_all_the_room_until_others_come() {
        let mut crowd = Crowd::default();
        let left = (0..10_000).filter_map(|number| crowd.put(RouterId(1), number)).collect::<Vec<i32>>();
        assert_eq!(left, (4_096..10_000).collect::<Vec<i32>>(), "the last leave");
        for number in 0..ROOM as i32 / 2 {
            let left = crowd.put(RouterId(2), -1 - number);
            assert!(left.is_some_and(|left| left > 0), "one of the longer line leaves, not {left:?}");
        }
        assert!(crowd.put(RouterId(3), i32::MIN).is_some_and(|left| left != i32::MIN));
        let served = order(&mut crowd);
        assert_eq!(served.len(), ROOM);
        assert_eq!(served[..3], [0, -1, i32::MIN], "whoever floods, the others are next");
    }

    #[test]
    fn a_line_that_all_have_left_is_passed_over() {
        let mut crowd = Crowd::default();
        let routers = || (0..ROOM as i64).map(RouterId);
        assert!(routers().all(|router| crowd.put(router, "one of each").is_none()));
        assert_eq!(crowd.put(RouterId(-1), "one more"), Some("one of each"));
        assert!(routers().all(|router| crowd.put(router, "again").is_some()));
        assert_eq!(order(&mut crowd).len(), ROOM);
        assert!(crowd.lines.is_empty() && crowd.turns.is_empty() && crowd.count == 0);
    }
}
