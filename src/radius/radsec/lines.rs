//! The connections that are up: whose they are, and which boxes speak over them.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::line::Line;
use crate::domain::id::RouterId;
use crate::domain::router::NasKey;

/// Connections of one router; above it the oldest leaves: it is mostly one that the router has given up.
pub(super) const OF_ROUTER: usize = 16;
/// Boxes (NAS-Identifiers) that are remembered to speak over one connection.
pub(super) const BOXES: usize = 64;

/// The connections, each with a number of its own, the oldest first.
#[derive(Default)]
pub struct Lines(Mutex<Book>);

#[derive(Default)]
struct Book {
    next: u64,
    lines: BTreeMap<u64, Entry>,
}

struct Entry {
    router: RouterId,
    line: Arc<Line>,
    boxes: HashSet<NasKey>,
}

/// A connection in the book; dropping it takes it out.
pub(super) struct Opened {
    lines: Arc<Lines>,
    number: u64,
}

impl Lines {
    fn lock(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A router is connected.
    pub(super) fn open(self: &Arc<Self>, router: RouterId, line: &Arc<Line>) -> Opened {
        let book = &mut *self.lock();
        let of_router =
            book.lines.values().filter(|entry| entry.router == router && !entry.line.crowded.is_cancelled());
        let excess = (of_router.clone().count() + 1).saturating_sub(OF_ROUTER);
        of_router.take(excess).for_each(|entry| entry.line.crowded.cancel());
        book.next += 1;
        book.lines.insert(book.next, Entry { router, line: line.clone(), boxes: HashSet::new() });
        Opened { lines: self.clone(), number: book.next }
    }

    /// The newest connection over which this box speaks.
    pub(in crate::radius) fn of(&self, nas: &NasKey) -> Option<Arc<Line>> {
        self.lock().lines.values().rev().find(|entry| entry.boxes.contains(nas)).map(|entry| entry.line.clone())
    }
}

impl Opened {
    /// A box speaks over it.
    pub(super) fn serve(&self, nas: &NasKey) {
        let mut book = self.lines.lock();
        if let Some(entry) = book.lines.get_mut(&self.number)
            && entry.boxes.len() < BOXES
        {
            entry.boxes.insert(nas.clone());
        }
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.lines.lock().lines.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn nas(identifier: &str) -> NasKey {
        NasKey { router: RouterId(1), address: IpAddr::from([192, 0, 2, 1]), identifier: identifier.to_owned() }
    }

    #[test]
    fn the_newest_connection_of_a_box_is_found_until_it_is_gone() {
        let lines = Arc::new(Lines::default());
        let ((old, _old), (new, _new)) = (Line::new(), Line::new());
        let (first, second) = (lines.open(RouterId(1), &old), lines.open(RouterId(1), &new));
        assert!(lines.of(&nas("office")).is_none());
        first.serve(&nas("office"));
        assert!(Arc::ptr_eq(&lines.of(&nas("office")).unwrap(), &old));
        second.serve(&nas("office"));
        assert!(Arc::ptr_eq(&lines.of(&nas("office")).unwrap(), &new));
        drop(second);
        assert!(Arc::ptr_eq(&lines.of(&nas("office")).unwrap(), &old));
        drop(first);
        assert!(lines.of(&nas("office")).is_none());
    }

    #[test]
    fn the_oldest_of_a_router_makes_room_and_other_routers_do_not_count() {
        let lines = Arc::new(Lines::default());
        let all: Vec<_> = (0..OF_ROUTER + 3).map(|_| Line::new().0).collect();
        let _other = lines.open(RouterId(2), &Line::new().0);
        let _opened: Vec<_> = all.iter().map(|line| lines.open(RouterId(1), line)).collect();
        let crowded: Vec<bool> = all.iter().map(|line| line.crowded.is_cancelled()).collect();
        assert_eq!(crowded.iter().filter(|crowded| **crowded).count(), 3);
        assert!(crowded.starts_with(&[true, true, true]));
    }

    #[test]
    fn boxes_of_a_connection_are_bounded() {
        let lines = Arc::new(Lines::default());
        let (line, _outgoing) = Line::new();
        let opened = lines.open(RouterId(1), &line);
        (0..100).for_each(|count| opened.serve(&nas(&count.to_string())));
        let found = (0..100).filter(|count| lines.of(&nas(&count.to_string())).is_some()).count();
        assert_eq!(found, BOXES);
    }
}
