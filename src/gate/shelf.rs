//! The shelf: accounts in memory, found by name and by id.
//!
//! Of our own, since it must be exact: what is dropped is gone for whoever asks next, and whether somebody still holds what
//! lies here is asked with each log-in. A lock is held for a look into a table, and there are several, by name and by id.
//!
//! A name is kept once, in its account; the table of names has its hash. Where two names have one, the account that was put
//! here last is found by it, and the other one is read again at each log-in.

use std::collections::hash_map::RandomState;
use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::directory::Known;
use super::packed::Packed;
use crate::domain::attribute::ReplyAttributes;
use crate::domain::id::AccountId;
use crate::domain::policy::Policy;

/// Parts, each behind a lock of its own.
const PARTS: usize = 16;
/// Accounts of one part that are kept as they are, 512 in all: one to two kilobytes each. Further ones are packed, and
/// cost half a microsecond more with each log-in.
const WHOLE: usize = 32;

/// What a name leads to.
pub(super) enum Looked {
    /// This account.
    Here(Arc<Known>),
    /// An account that has to be read again.
    Gone,
    /// Nothing that was ever put here.
    Never,
}

/// Accounts by name and by id; above a number those that were put here first leave.
pub(super) struct Shelf {
    names: Vec<Mutex<HashMap<NameHash, AccountId>>>,
    parts: Vec<Mutex<Part>>,
    hashes: RandomState,
    most: usize,
    stamps: AtomicU64,
}

#[derive(Default)]
struct Part {
    places: HashMap<AccountId, Place>,
    order: VecDeque<AccountId>,
    /// How many are whole.
    whole: usize,
}

/// By a key of this process: nobody can choose names that share one.
type NameHash = u64;

/// The place of an account stays when it is dropped: most come back at once.
struct Place {
    name: NameHash,
    kept: Kept,
}

/// How an account is kept.
enum Kept {
    /// Not at all: it has to be read again.
    No,
    /// As it is.
    Whole(Arc<Known>),
    /// Packed, with what it shares with others.
    Packed { packed: Packed, attributes: Arc<ReplyAttributes>, policy: Arc<Policy>, stamp: u64 },
}

impl Kept {
    fn is_whole(&self) -> bool {
        matches!(self, Self::Whole(_))
    }

    /// Up to which number all changes are in it.
    fn as_of(&self) -> Option<i64> {
        match self {
            Self::No => None,
            Self::Whole(known) => Some(known.entry.as_of),
            Self::Packed { packed, .. } => packed.as_of(),
        }
    }

    fn stamp(&self) -> Option<u64> {
        match self {
            Self::No => None,
            Self::Whole(known) => Some(known.stamp),
            Self::Packed { stamp, .. } => Some(*stamp),
        }
    }

    fn known(&self) -> Option<Arc<Known>> {
        match self {
            Self::No => None,
            Self::Whole(known) => Some(known.clone()),
            Self::Packed { packed, attributes, policy, stamp } => {
                let entry = packed.open(attributes)?;
                Some(Arc::new(Known { entry, policy: policy.clone(), stamp: *stamp }))
            }
        }
    }
}

impl Part {
    /// Packed if there are whole ones enough.
    fn keep(&self, known: Arc<Known>) -> Kept {
        if self.whole < WHOLE {
            return Kept::Whole(known);
        }
        let (attributes, policy, stamp) = (known.entry.attributes.clone(), known.policy.clone(), known.stamp);
        match Packed::of(&known.entry) {
            Some(packed) => Kept::Packed { packed, attributes, policy, stamp },
            None => Kept::Whole(known),
        }
    }

    fn set(&mut self, id: AccountId, kept: Kept) {
        let Some(place) = self.places.get_mut(&id) else { return };
        self.whole += usize::from(kept.is_whole());
        self.whole -= usize::from(place.kept.is_whole());
        place.kept = kept;
    }

    fn remove(&mut self, id: AccountId) -> Option<NameHash> {
        let place = self.places.remove(&id)?;
        self.whole -= usize::from(place.kept.is_whole());
        Some(place.name)
    }
}

impl Shelf {
    /// For about so many accounts.
    pub(super) fn new(most: usize) -> Self {
        let names = (0..PARTS).map(|_| Mutex::default()).collect();
        let parts = (0..PARTS).map(|_| Mutex::default()).collect();
        Self { names, parts, hashes: RandomState::new(), most: most.div_ceil(PARTS), stamps: AtomicU64::new(0) }
    }

    /// A number that nothing else read has.
    pub(super) fn stamp(&self) -> u64 {
        self.stamps.fetch_add(1, Ordering::Relaxed)
    }

    /// The account of this folded name.
    pub(super) fn find(&self, name: &str) -> Looked {
        let hash = self.hash(name);
        let Some(id) = self.names(hash).get(&hash).copied() else { return Looked::Never };
        let known = self.part(id).places.get(&id).and_then(|place| place.kept.known());
        // It may be called otherwise by now.
        match known.filter(|known| known.entry.name_key == name) {
            Some(known) => Looked::Here(known),
            None => Looked::Gone,
        }
    }

    /// Puts an account in its place.
    pub(super) fn put(&self, known: Arc<Known>) {
        let id = known.entry.account.id;
        let name = self.hash(&known.entry.name_key);
        let left = self.put_in_place(id, name, known);
        left.iter().for_each(|(name, id)| self.forget_name(*name, *id));
        self.names(name).insert(name, id);
    }

    /// Gives the names that lead nowhere any more with the accounts that had them.
    fn put_in_place(&self, id: AccountId, name: NameHash, known: Arc<Known>) -> Vec<(NameHash, AccountId)> {
        let mut part = self.part(id);
        let mut left = Vec::new();
        match part.places.get_mut(&id) {
            Some(place) if place.name == name => {}
            Some(place) => left.push((std::mem::replace(&mut place.name, name), id)),
            None => {
                part.places.insert(id, Place { name, kept: Kept::No });
                part.order.push_back(id);
            }
        }
        let kept = part.keep(known);
        part.set(id, kept);
        while part.order.len() > self.most {
            let Some(oldest) = part.order.pop_front() else { break };
            left.extend(part.remove(oldest).map(|name| (name, oldest)));
        }
        left
    }

    /// The account has to be read again, unless the change of this number is in what lies here: what this instance has
    /// changed and read again is found among the changes once more.
    pub(super) fn drop_one(&self, id: AccountId, change: i64) {
        let mut part = self.part(id);
        let has_it = part.places.get(&id).and_then(|place| place.kept.as_of()).is_some_and(|as_of| as_of >= change);
        if !has_it {
            part.set(id, Kept::No);
        }
    }

    /// There is no such account any more.
    pub(super) fn take_away(&self, id: AccountId) {
        let name = {
            let mut part = self.part(id);
            part.order.retain(|other| *other != id);
            part.remove(id)
        };
        if let Some(name) = name {
            self.forget_name(name, id);
        }
    }

    /// Every account has to be read again.
    pub(super) fn drop_all(&self) {
        for part in &self.parts {
            let mut part = part.lock().unwrap_or_else(PoisonError::into_inner);
            part.places.values_mut().for_each(|place| place.kept = Kept::No);
            part.whole = 0;
        }
    }

    /// Whether this is what lies here: nothing newer came, and it was not dropped.
    pub(super) fn holds(&self, known: &Known) -> bool {
        let id = known.entry.account.id;
        self.part(id).places.get(&id).and_then(|place| place.kept.stamp()) == Some(known.stamp)
    }

    /// Unless another account has the name by now.
    fn forget_name(&self, name: NameHash, id: AccountId) {
        let mut names = self.names(name);
        if names.get(&name) == Some(&id) {
            names.remove(&name);
        }
    }

    fn hash(&self, name: &str) -> NameHash {
        self.hashes.hash_one(name)
    }

    fn names(&self, name: NameHash) -> MutexGuard<'_, HashMap<NameHash, AccountId>> {
        self.names[name as usize % PARTS].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn part(&self, id: AccountId) -> MutexGuard<'_, Part> {
        self.parts[id.0.unsigned_abs() as usize % PARTS].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::account::{Account, Holder, Lock, Source, Switch};
    use crate::domain::credential::Credential;
    use crate::domain::policy::Values;
    use crate::domain::setting::Level;
    use crate::store::entry::Entry;

    static STAMPS: AtomicU64 = AtomicU64::new(0);

    fn known(id: i64, name: &str) -> Arc<Known> {
        let account = Account {
            id: AccountId(id),
            name: name.to_owned(),
            user: None,
            group: None,
            switch: Switch::Enabled,
            lock: Lock::Open,
            source: Source::Local,
            holder: Holder::Person,
        };
        let entry = Entry {
            as_of: 0,
            account,
            name_key: name.to_owned(),
            credential: Credential::None,
            user: None,
            session: None,
            open: Vec::new(),
            rules: Vec::new(),
            attributes: Arc::default(),
        };
        let policy = Values::default().policy(&[Level::System]).unwrap();
        Arc::new(Known { entry, policy: Arc::new(policy), stamp: STAMPS.fetch_add(1, Ordering::Relaxed) })
    }

    #[track_caller]
    fn check(shelf: &Shelf, name: &str, id: Option<i64>) {
        let found = match shelf.find(name) {
            Looked::Here(known) => Some(known.entry.account.id.0),
            Looked::Gone | Looked::Never => None,
        };
        assert_eq!(found, id, "{name}");
    }

    #[test]
    fn what_is_dropped_is_not_held_any_more() {
        let shelf = Shelf::new(100);
        let ann = known(1, "ann");
        shelf.put(ann.clone());
        assert!(shelf.holds(&ann));
        check(&shelf, "ann", Some(1));
        shelf.drop_one(AccountId(1), 0);
        assert!(shelf.holds(&ann), "what it was read after is in it");
        shelf.drop_one(AccountId(1), 1);
        assert!(!shelf.holds(&ann) && matches!(shelf.find("ann"), Looked::Gone));
        shelf.put(known(1, "ann"));
        assert!(!shelf.holds(&ann), "a newer one lies there");
        check(&shelf, "ann", Some(1));
        shelf.drop_all();
        check(&shelf, "ann", None);
        assert!(matches!(shelf.find("bob"), Looked::Never));
        shelf.take_away(AccountId(1));
        assert!(matches!(shelf.find("ann"), Looked::Never));
    }

    #[test]
    fn a_name_leads_to_whom_it_belongs_now() {
        let shelf = Shelf::new(100);
        shelf.put(known(1, "ann"));
        shelf.put(known(1, "anna"));
        check(&shelf, "ann", None);
        check(&shelf, "anna", Some(1));
        shelf.put(known(2, "ann"));
        shelf.put(known(1, "anne"));
        check(&shelf, "ann", Some(2));
    }

    #[test]
    fn what_does_not_lie_here_whole_lies_here_packed() {
        let shelf = Shelf::new(PARTS * WHOLE * 2);
        let part = |number: usize| i64::try_from(number * PARTS).unwrap();
        let all: Vec<Arc<Known>> = (0..=WHOLE).map(|number| known(part(number), &format!("user{number}"))).collect();
        all.iter().for_each(|known| shelf.put(known.clone()));
        let Looked::Here(packed) = shelf.find(&format!("user{WHOLE}")) else { panic!("not here") };
        assert!(!Arc::ptr_eq(&packed, &all[WHOLE]) && packed.entry == all[WHOLE].entry);
        assert!(shelf.holds(&packed) && shelf.holds(&all[WHOLE]));
        shelf.drop_one(AccountId(part(WHOLE)), 0);
        assert!(shelf.holds(&packed));
        shelf.drop_one(AccountId(part(WHOLE)), 1);
        assert!(!shelf.holds(&packed));
        // One that is dropped leaves its room to another.
        shelf.drop_one(AccountId(0), 1);
        shelf.put(all[WHOLE].clone());
        let Looked::Here(whole) = shelf.find(&format!("user{WHOLE}")) else { panic!("not here") };
        assert!(Arc::ptr_eq(&whole, &all[WHOLE]));
        shelf.drop_all();
        assert!(shelf.parts.iter().all(|part| part.lock().unwrap().whole == 0));
    }

    #[test]
    fn who_came_first_makes_room() {
        let shelf = Shelf::new(PARTS * 2);
        let here = |number: i64| matches!(shelf.find(&format!("user{number}")), Looked::Here(_));
        for number in 0..1_000 {
            shelf.put(known(number, &format!("user{number}")));
        }
        assert_eq!((0..1_000).filter(|number| here(*number)).count(), PARTS * 2);
        assert!(here(999) && !here(0));
        let names: usize = shelf.names.iter().map(|names| names.lock().unwrap().len()).sum();
        assert_eq!(names, PARTS * 2, "no name is left behind");
    }
}
