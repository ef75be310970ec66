//! What a worker has under way on routers: so much in all, and so much on each, so that none keeps the others waiting.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use crate::domain::id::RouterId;

/// Under way at once, on all routers.
const AT_ONCE: usize = 256;
/// Under way at once on one router: it answers one after the other anyway.
const AT_ONCE_PER_ROUTER: usize = 16;
/// What is due on one router and read at once: what is under way, which is still due, and as much again.
pub(super) const LOOK_AHEAD: i64 = 32;

/// What is under way, by its id.
pub(super) struct UnderWay<Id> {
    ids: HashSet<Id>,
    routers: HashMap<RouterId, usize>,
    /// How much one router may have.
    share: usize,
}

impl<Id> Default for UnderWay<Id> {
    fn default() -> Self {
        Self { ids: HashSet::new(), routers: HashMap::new(), share: AT_ONCE_PER_ROUTER }
    }
}

impl<Id: Eq + Hash> UnderWay<Id> {
    /// So many routers share what may be under way.
    pub(super) fn share_among(&mut self, routers: usize) {
        self.share = (AT_ONCE / routers.max(1)).clamp(1, AT_ONCE_PER_ROUTER);
    }

    /// Whether nothing more may begin on this router.
    pub(super) fn is_full(&self, router: RouterId) -> bool {
        self.ids.len() >= AT_ONCE || self.routers.get(&router).is_some_and(|count| *count >= self.share)
    }

    /// Whether it begins; not if it is under way already, or nothing more may be.
    pub(super) fn begin(&mut self, id: Id, router: RouterId) -> bool {
        if self.is_full(router) || !self.ids.insert(id) {
            return false;
        }
        *self.routers.entry(router).or_default() += 1;
        true
    }

    /// It has come to its end.
    pub(super) fn end(&mut self, (id, router): (Id, RouterId)) {
        self.ids.remove(&id);
        if let Some(count) = self.routers.get_mut(&router) {
            *count = count.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of a thousand begin on a router, beside so many dead ones that have taken what they can.
    #[track_caller]
    fn check(dead: i64, expected: usize) {
        let mut under_way = UnderWay::default();
        under_way.share_among(usize::try_from(dead).unwrap() + 1);
        let ids = |router: i64| (0..1_000).map(move |number| router * 1_000 + number);
        for router in 1..=dead {
            let began = ids(router).filter(|id| under_way.begin(*id, RouterId(router))).count();
            assert!(began > 0);
        }
        assert_eq!(ids(0).filter(|id| under_way.begin(*id, RouterId(0))).count(), expected);
    }

    #[test]
    fn dead_routers_leave_the_others_their_share() {
        check(0, 16);
        check(1, 16);
        check(15, 16);
        check(50, 5);
        check(200, 1);
    }

    #[test]
    fn what_is_under_way_begins_once() {
        let mut under_way = UnderWay::default();
        assert!(under_way.begin(7, RouterId(1)));
        assert!(!under_way.begin(7, RouterId(1)));
        under_way.end((7, RouterId(1)));
        assert!(under_way.begin(7, RouterId(1)));
    }
}
