//! Who waits when more comes than is handled at once: a line for each router, and the lines are served in turn. So a flood that
//! bears one router's address delays that router alone, and what cannot wait is dropped there and counted. No clock and no I/O.

use std::collections::{HashMap, VecDeque};

use crate::domain::id::RouterId;

/// Datagrams of one router that wait on one socket: two sockets of RouterOS with all their identifiers.
const PER_ROUTER: usize = 512;
/// Datagrams that wait on one socket in all; with 4,096 octets each, 16 MB at their fullest.
const ALL: usize = 4_096;

/// The line of its router, or all of them, are full.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full;

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
    /// Puts what `item` makes at the end of its router's line.
    ///
    /// # Errors
    /// There is no room for it.
    pub(super) fn put(&mut self, router: RouterId, item: impl FnOnce() -> T) -> Result<(), Full> {
        if self.count >= ALL {
            return Err(Full);
        }
        let line = self.lines.entry(router).or_default();
        if line.len() >= PER_ROUTER {
            return Err(Full);
        }
        if line.is_empty() {
            self.turns.push_back(router);
        }
        line.push_back(item());
        self.count += 1;
        Ok(())
    }

    /// The first in the line of the router whose turn it is.
    pub(super) fn take(&mut self) -> Option<T> {
        let router = self.turns.pop_front()?;
        let line = self.lines.get_mut(&router)?;
        let first = line.pop_front()?;
        if line.is_empty() {
            self.lines.remove(&router);
        } else {
            self.turns.push_back(router);
        }
        self.count -= 1;
        Some(first)
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
            assert_eq!(crowd.put(RouterId(router), || name), Ok(()));
        }
        assert_eq!(order(&mut crowd), ["a", "x", "k", "b", "l", "c"]);
        assert!(crowd.lines.is_empty() && crowd.turns.is_empty() && crowd.count == 0);
    }

    #[test]
    fn a_flood_fills_the_line_of_its_own_router() {
        let mut crowd = Crowd::default();
        let taken = (0..10_000).filter(|_| crowd.put(RouterId(1), || "flood").is_ok()).count();
        assert_eq!(taken, PER_ROUTER);
        assert_eq!(crowd.put(RouterId(2), || "good"), Ok(()));
        assert_eq!(order(&mut crowd).iter().position(|name| *name == "good"), Some(1));
    }

    #[test]
    fn all_lines_together_are_bounded() {
        let mut crowd = Crowd::default();
        let routers = (0..40).flat_map(|router| std::iter::repeat_n(RouterId(router), PER_ROUTER));
        assert_eq!(routers.filter(|router| crowd.put(*router, || ()).is_ok()).count(), ALL);
        assert_eq!(order(&mut crowd).len(), ALL);
    }
}
