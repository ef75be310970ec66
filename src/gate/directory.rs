//! The directory: what the path of an Access-Request needs, in memory, proven fresh.
//!
//! Every commit that touches a cached row numbers it in `changes`. An entry knows the number up to which it is true; a
//! change with a higher number drops it, and an entry that was being read meanwhile is not kept. If the changes could not
//! be read for [`FRESH`], nothing here is trusted and every question goes to the database.

use std::cmp::Reverse;
use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use moka::sync::Cache;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Gate;
use super::hold::Holds;
use super::policies::Policies;
use super::shelf::{Looked, Shelf};
use crate::domain::attribute::ReplyAttributes;
use crate::domain::habits::Habits;
use crate::domain::id::{AccountId, GroupId, RouterId};
use crate::domain::policy::Policy;
use crate::domain::router::{Nas, NasKey, Router, Signs};
use crate::store::entry::Entry;
use crate::store::{Change, Committed, Noun, Reader, StoreError};

/// Accounts in memory, about half a kilobyte each; above it some are read again.
const ENTRIES: usize = 200_000;
/// Accounts read into memory before log-ins are taken, so that the first flood finds it warm. The rest follows behind the log-ins.
pub const AT_START: usize = 20_000;
/// Accounts that are looked for at once while the rest is read.
const PORTION: usize = 1_000;
/// Accounts that are read in the same statements while memory is filled.
const AT_ONCE: usize = 128;
/// Names of no account in memory.
const UNKNOWN_NAMES: u64 = 10_000;
/// How often the changes are read.
const POLL: Duration = Duration::from_millis(250);
/// How long the caches are trusted after the changes were last read.
pub const FRESH: Duration = Duration::from_secs(2);
/// Changes kept to tell whether an entry was outdated while it was being read.
const RECENT: usize = 4_096;

/// An account with its policy, as of one number of change.
#[derive(Debug)]
pub struct Known {
    /// What is stored.
    pub entry: Entry,
    /// What holds for it.
    pub policy: Arc<Policy>,
    /// By which memory knows it again.
    pub(super) stamp: u64,
}

/// What a name leads to.
#[derive(Debug, Clone)]
pub enum Found {
    /// An account.
    Account(Arc<Known>),
    /// No account has the name.
    Nobody,
}

/// The routers, ready to be looked up by address.
#[derive(Debug, Default)]
pub struct RouterTable {
    routers: Vec<Arc<Router>>,
    nas: HashMap<NasKey, Nas>,
}

impl RouterTable {
    fn new(mut routers: Vec<Arc<Router>>, nas: Vec<Nas>) -> Self {
        // The longest prefix first, and in one network the entries that name a NAS-Identifier, so that the first that takes
        // a packet is the nearest.
        routers.sort_by_key(|router| (Reverse(router.address.prefix_len()), router.nas_identifier.is_none()));
        Self { routers, nas: nas.into_iter().map(|nas| (nas.key.clone(), nas)).collect() }
    }

    /// The router that packets from `source` without a NAS-Identifier belong to: the longest prefix wins.
    pub fn of(&self, source: IpAddr) -> Option<&Arc<Router>> {
        self.sender(source, String::new)
    }

    /// The router that a packet from `source` belongs to: the longest prefix wins, and in one network the entry that names
    /// the packet's NAS-Identifier, before the one that names none. It is read only where an entry names one. Nobody has
    /// signed it yet: the secret of this one entry decides whether the packet is taken.
    pub fn sender(&self, source: IpAddr, identifier: impl Fn() -> String) -> Option<&Arc<Router>> {
        let source = source.to_canonical();
        let mut read = None;
        self.routers.iter().find(|router| {
            router.address.contains(&source)
                && (router.nas_identifier.is_none() || router.takes(read.get_or_insert_with(&identifier)))
        })
    }

    /// All boxes, in no order.
    pub(super) fn boxes(&self) -> impl Iterator<Item = &Nas> {
        self.nas.values()
    }

    /// All routers.
    pub fn routers(&self) -> &[Arc<Router>] {
        &self.routers
    }

    /// The router of this id.
    pub fn router(&self, id: RouterId) -> Option<&Arc<Router>> {
        self.routers.iter().find(|router| router.id == id)
    }

    /// The box of this key, if it is known.
    pub fn nas(&self, key: &NasKey) -> Option<&Nas> {
        self.nas.get(key)
    }

    /// The box of this id, with its router.
    pub fn nas_by_id(&self, id: crate::domain::id::NasId) -> Option<(&Nas, &Arc<Router>)> {
        let nas = self.nas.values().find(|nas| nas.id == id)?;
        let router = self.routers.iter().find(|router| router.id == nas.key.router)?;
        Some((nas, router))
    }

    /// Whether the box was seen to sign its requests.
    pub fn signs(&self, key: &NasKey) -> Signs {
        self.nas.get(key).map_or(Signs::NotYet, |nas| nas.signs)
    }
}

/// The settings, ready to be used.
struct Settings {
    as_of: i64,
    policies: Policies,
    /// Of routers without values of their own.
    habits: Arc<Habits>,
    /// Of those with some.
    own_habits: HashMap<RouterId, Arc<Habits>>,
}

/// The caches.
pub struct Directory {
    reader: Reader,
    shelf: Shelf,
    unknown: Cache<String, i64>,
    routers: ArcSwap<RouterTable>,
    settings: ArcSwap<Settings>,
    /// What was last read to be said of an account of each group: mostly it is the group's own, and one copy serves all.
    said: Mutex<HashMap<GroupId, Arc<ReplyAttributes>>>,
    recent: Mutex<Recent>,
    holds: Holds,
    started: Instant,
    /// Milliseconds from `started` to the beginning of the last poll that succeeded.
    proven: AtomicU64,
}

/// The last changes, by number.
#[derive(Default)]
struct Recent {
    changes: VecDeque<(i64, Change)>,
    /// Changes up to this number may have been forgotten here.
    floor: i64,
    /// Changes up to this number were read by the poll.
    seen: i64,
}

impl Recent {
    fn push(&mut self, seq: i64, change: Change) {
        self.changes.push_back((seq, change));
        if self.changes.len() > RECENT
            && let Some((seq, _)) = self.changes.pop_front()
        {
            self.floor = self.floor.max(seq);
        }
    }

    /// Whether something read as of `as_of` may be outdated by a change of `noun` (and `id`, where it counts).
    fn outdates(&self, as_of: i64, noun: Noun, id: Option<i64>) -> bool {
        as_of < self.floor
            || self
                .changes
                .iter()
                .any(|(seq, change)| *seq > as_of && change.noun == noun && id.is_none_or(|id| change.id == id))
    }
}

impl Directory {
    /// Reads routers and settings; accounts come when they are asked for.
    pub(super) async fn open(reader: Reader) -> Result<Directory, StoreError> {
        let started = Instant::now();
        let seen = reader.last_change().await?;
        let directory = Directory {
            shelf: Shelf::new(ENTRIES),
            unknown: Cache::new(UNKNOWN_NAMES),
            routers: ArcSwap::from_pointee(read_routers(&reader).await?),
            settings: ArcSwap::from_pointee(read_settings(&reader).await?),
            said: Mutex::default(),
            recent: Mutex::new(Recent { floor: seen, seen, ..Recent::default() }),
            holds: Holds::default(),
            started,
            proven: AtomicU64::new(0),
            reader,
        };
        Ok(directory)
    }

    /// Whether the caches are proven to be what the database says.
    pub fn is_fresh(&self) -> bool {
        let proven = Duration::from_millis(self.proven.load(Ordering::Acquire));
        self.started.elapsed().saturating_sub(proven) <= FRESH
    }

    /// The routers.
    pub fn routers(&self) -> Arc<RouterTable> {
        self.routers.load_full()
    }

    /// The habits of a router.
    pub fn habits(&self, router: RouterId) -> Arc<Habits> {
        let settings = self.settings.load();
        settings.own_habits.get(&router).unwrap_or(&settings.habits).clone()
    }

    /// The dials that are held; they are woken by what changes here.
    pub(super) fn holds(&self) -> &Holds {
        &self.holds
    }

    /// What holds for the system.
    pub fn system_policy(&self) -> Arc<Policy> {
        self.settings.load().policies.system().clone()
    }

    /// What the names lead to, from memory alone; `None` if memory does not know or is not proven fresh.
    pub fn recall(&self, names: &[String]) -> Option<Found> {
        if !self.is_fresh() {
            return None;
        }
        for name in names {
            match self.shelf.find(name) {
                Looked::Here(known) => return Some(Found::Account(known)),
                Looked::Gone => return None,
                Looked::Never if self.unknown.contains_key(name) => {}
                Looked::Never => return None,
            }
        }
        Some(Found::Nobody)
    }

    /// What the names lead to, by the database; remembered if nothing changed meanwhile.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn look_up(&self, names: &[String]) -> Result<Found, StoreError> {
        for name in names {
            let as_of = self.reader.last_change().await?;
            match self.reader.account_id(name).await? {
                Some(id) => {
                    if let Some(known) = self.read(id).await?
                        && known.entry.name_key == *name
                    {
                        return Ok(Found::Account(known));
                    }
                }
                None => self.remember_unknown(name, as_of),
            }
        }
        Ok(Found::Nobody)
    }

    /// The account, by the database; remembered if nothing changed meanwhile.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn read(&self, id: AccountId) -> Result<Option<Arc<Known>>, StoreError> {
        let known = self.read_all(&[id]).await?.pop();
        if known.is_none() {
            self.shelf.take_away(id);
        }
        Ok(known)
    }

    /// Those of the accounts that are there, as [`Directory::read`] reads one.
    ///
    /// # Errors
    /// As [`Directory::read`], for one of them.
    pub(super) async fn read_all(&self, ids: &[AccountId]) -> Result<Vec<Arc<Known>>, StoreError> {
        let settings = self.current_settings().await?;
        let all = self.known_by(&settings, self.reader.entries(ids).await?)?;
        self.keep(&settings, &all);
        Ok(all)
    }

    /// Accounts as a transaction left them, so that nobody has to read them again; those for which that is not sure, because
    /// another one came between, are read.
    ///
    /// # Errors
    /// As [`Directory::read`], for one of them.
    pub(super) async fn keep_all(&self, left: Vec<Entry>, committed: &Committed) -> Result<(), StoreError> {
        let settings = self.current_settings().await?;
        let left = left.into_iter().map(|entry| Entry { as_of: committed.known_up_to(entry.as_of), ..entry }).collect();
        let unsure = self.keep(&settings, &self.known_by(&settings, left)?);
        if !unsure.is_empty() {
            self.read_all(&unsure).await?;
        }
        Ok(())
    }

    fn known_by(&self, settings: &Settings, entries: Vec<Entry>) -> Result<Vec<Arc<Known>>, StoreError> {
        let known = entries.into_iter().map(|mut entry| {
            self.share_attributes(&mut entry);
            let policy = settings.policies.of_entry(&entry)?;
            Ok(Arc::new(Known { entry, policy, stamp: self.shelf.stamp() }))
        });
        known.collect()
    }

    /// Keeps what nothing came after; gives the others.
    fn keep(&self, settings: &Settings, all: &[Arc<Known>]) -> Vec<AccountId> {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let mut outdated = Vec::new();
        for known in all {
            let as_of = known.entry.as_of.min(settings.as_of);
            let is_outdated = recent.outdates(known.entry.as_of, Noun::Account, Some(known.entry.account.id.0))
                || recent.outdates(settings.as_of, Noun::Setting, None)
                || as_of < recent.floor;
            if is_outdated {
                outdated.push(known.entry.account.id);
            } else {
                self.shelf.put(known.clone());
            }
        }
        outdated
    }

    /// Thousands of accounts of a group need not hold what is said of all of them each for itself.
    fn share_attributes(&self, entry: &mut Entry) {
        let Some(group) = entry.account.group else { return };
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        match said.get(&group) {
            Some(shared) if *shared == entry.attributes => entry.attributes = shared.clone(),
            // An account with some of its own, or the group's were changed.
            Some(_) | None => {
                said.insert(group, entry.attributes.clone());
            }
        }
    }

    /// Whether `known` is still what memory holds: nothing that it says was changed by a commit seen here.
    pub fn is_current(&self, known: &Arc<Known>) -> bool {
        if self.shelf.holds(known) {
            return true;
        }
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        !recent.outdates(known.entry.as_of, Noun::Account, Some(known.entry.account.id.0))
    }

    /// Fills memory with at most `most` accounts after `after`, by id; gives the last of them. Where the database ceases to answer
    /// there are no more: the others are read when they are dialled.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn warm(&self, after: AccountId, most: usize) -> Result<Option<AccountId>, StoreError> {
        let ids = self.reader.account_ids(after, most).await?;
        for some in ids.chunks(AT_ONCE) {
            if self.read_all(some).await.is_err() && !self.read_each(some).await {
                return Ok(None);
            }
        }
        Ok(ids.last().copied())
    }

    /// Reads accounts one by one; gives whether the database answered. One that cannot be read is told when it is dialled; it
    /// keeps nobody else out.
    async fn read_each(&self, ids: &[AccountId]) -> bool {
        for id in ids {
            match self.read(*id).await {
                Ok(_) => {}
                Err(error @ StoreError::Driver(_)) => {
                    tracing::warn!(%error, "not all accounts are in memory");
                    return false;
                }
                Err(error) => tracing::error!(account = id.0, %error, "an account cannot be read"),
            }
        }
        true
    }

    /// Goes on after `last`, the last of [`AT_START`], up to as many accounts as memory keeps.
    pub async fn warm_rest(&self, mut last: AccountId) {
        for _ in (AT_START..ENTRIES).step_by(PORTION) {
            match self.warm(last, PORTION).await {
                Ok(Some(next)) => last = next,
                Ok(None) => return,
                Err(error) => {
                    tracing::warn!(%error, "not all accounts are in memory");
                    return;
                }
            }
        }
    }

    fn remember_unknown(&self, name: &str, as_of: i64) {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if !recent.outdates(as_of, Noun::Account, None) {
            self.unknown.insert(name.to_owned(), as_of);
        }
    }

    async fn current_settings(&self) -> Result<Arc<Settings>, StoreError> {
        let held = self.settings.load_full();
        let outdated = {
            let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
            recent.outdates(held.as_of, Noun::Setting, None)
        };
        if self.is_fresh() && !outdated {
            return Ok(held);
        }
        let read = Arc::new(read_settings(&self.reader).await?);
        self.settings.store(read.clone());
        Ok(read)
    }

    /// Drops what a commit of this instance changed, at once.
    pub(super) fn forget(&self, committed: &Committed) {
        let count = i64::try_from(committed.changes.len()).unwrap_or(0);
        let first = committed.last - count + 1;
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        for (seq, change) in (first..).zip(&committed.changes) {
            recent.push(seq, *change);
            self.drop_entry(seq, *change);
        }
        self.drop_unknown(&committed.changes);
        // What the poll would only find again; settings and routers are read by it.
        let is_done = |change: &Change| matches!(change.noun, Noun::Account | Noun::Work);
        if recent.seen == first - 1 && committed.changes.iter().all(is_done) {
            recent.seen = recent.seen.max(committed.last);
        }
    }

    /// An account that is added or renamed may be one that was not known.
    fn drop_unknown<'c>(&self, changes: impl IntoIterator<Item = &'c Change>) {
        if changes.into_iter().any(|change| change.noun == Noun::Account) {
            self.unknown.invalidate_all();
        }
    }

    fn drop_entry(&self, seq: i64, change: Change) {
        match change.noun {
            Noun::Account => {
                self.shelf.drop_one(AccountId(change.id), seq);
                self.holds.wake(AccountId(change.id));
            }
            // Both are read again as a whole by the poll; until then accounts go to the database.
            Noun::Setting => {
                self.shelf.drop_all();
                self.holds.wake_all();
            }
            Noun::Router | Noun::Guess | Noun::Work => {}
        }
    }

    /// Reads the routers at once, for who goes on with what was just stored of them.
    ///
    /// # Errors
    /// The database does not answer.
    pub(super) async fn read_routers(&self) -> Result<(), StoreError> {
        self.routers.store(Arc::new(read_routers(&self.reader).await?));
        Ok(())
    }

    /// Reads what changed since the last time and drops it; gives whether somebody may have something to do.
    ///
    /// # Errors
    /// The database does not answer: the caches go stale.
    pub(super) async fn follow(&self) -> Result<Followed, StoreError> {
        let began = self.started.elapsed();
        let seen = self.recent.lock().unwrap_or_else(PoisonError::into_inner).seen;
        let changes = self.reader.changes(seen).await?;
        let nouns = match &changes.rows {
            Some(rows) => self.drop_changes(rows),
            None => self.drop_everything(changes.last),
        };
        if nouns.contains(&Noun::Setting) {
            self.settings.store(Arc::new(read_settings(&self.reader).await?));
            // With a group goes what was said of its accounts.
            self.said.lock().unwrap_or_else(PoisonError::into_inner).clear();
            self.shelf.drop_all();
        }
        if nouns.contains(&Noun::Router) {
            self.routers.store(Arc::new(read_routers(&self.reader).await?));
        }
        // Only now: had one of those reads failed, the same changes must be found again.
        {
            let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
            recent.seen = recent.seen.max(changes.last);
        }
        self.proven.fetch_max(u64::try_from(began.as_millis()).unwrap_or(u64::MAX), Ordering::AcqRel);
        Ok(if nouns.is_empty() { Followed::Nothing } else { Followed::Changes(nouns) })
    }

    fn drop_changes(&self, rows: &[(i64, Change)]) -> Vec<Noun> {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let mut nouns = Vec::new();
        for (seq, change) in rows {
            recent.push(*seq, *change);
            self.drop_entry(*seq, *change);
            if !nouns.contains(&change.noun) {
                nouns.push(change.noun);
            }
        }
        self.drop_unknown(rows.iter().map(|(_, change)| change));
        nouns
    }

    fn drop_everything(&self, last: i64) -> Vec<Noun> {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.changes.clear();
        recent.floor = recent.floor.max(last);
        self.shelf.drop_all();
        self.unknown.invalidate_all();
        self.holds.wake_all();
        vec![Noun::Account, Noun::Setting, Noun::Router, Noun::Guess, Noun::Work]
    }

    /// Remembers at once that a box signs, before the database says so.
    pub(super) fn learn_nas(&self, nas: Nas) {
        self.routers.rcu(|table| {
            let mut nas_table = table.nas.clone();
            nas_table.insert(nas.key.clone(), nas.clone());
            RouterTable { routers: table.routers.clone(), nas: nas_table }
        });
    }
}

/// Whether the locks of who guesses are known as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Locks {
    Read,
    Unread,
}

/// Whether a poll found something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Followed {
    /// Nothing changed.
    Nothing,
    /// Something of these nouns did.
    Changes(Vec<Noun>),
}

async fn read_settings(reader: &Reader) -> Result<Settings, StoreError> {
    let as_of = reader.last_change().await?;
    let values = reader.settings().await?;
    let habits = Arc::new(values.habits(None)?);
    let own = |router| Ok::<_, StoreError>((router, Arc::new(values.habits(Some(router))?)));
    let own_habits = values.routers().into_iter().map(own).collect::<Result<_, _>>()?;
    Ok(Settings { as_of, policies: Policies::of(values)?, habits, own_habits })
}

async fn read_routers(reader: &Reader) -> Result<RouterTable, StoreError> {
    let read = reader.routers().await?;
    let routers = read.routers.into_iter().map(Arc::new).collect();
    Ok(RouterTable::new(routers, read.nas))
}

impl Gate {
    /// Follows the changes of every instance and of the command line.
    pub(super) async fn follow_changes(self: Arc<Self>, cancel: CancellationToken) {
        let (mut failing, mut locks) = (false, Locks::Unread);
        while !cancel.is_cancelled() {
            match self.directory.follow().await {
                Ok(Followed::Changes(nouns)) => {
                    if nouns.contains(&Noun::Guess) {
                        locks = Locks::Unread;
                    }
                    self.wake_workers();
                }
                Ok(Followed::Nothing) => {}
                Err(error) if !failing => {
                    tracing::error!(%error, "changes cannot be read; asking the database each time")
                }
                Err(_) => {}
            }
            if locks == Locks::Unread {
                match self.read_locks().await {
                    Ok(()) => locks = Locks::Read,
                    Err(error) => tracing::warn!(%error, "the locks of who guesses cannot be read; trying again"),
                }
            }
            failing = !self.directory.is_fresh();
            tokio::select! {
                () = cancel.cancelled() => return,
                () = tokio::time::sleep(POLL) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::attribute::ReplyAttributes;
    use crate::domain::audit::Actor;
    use crate::domain::router::{Demand, Leases, Scheme, source_network};
    use crate::domain::setting::Level;
    use crate::gate::fixture::{NOW, Site};
    use crate::secret::Secret;

    #[tokio::test]
    async fn what_this_instance_changed_is_not_read_again_but_what_another_did_is() {
        let site = Site::new().await;
        let add = async |name| site.gate.add_account(&Actor::CommandLine, name, None, None).await.unwrap();
        let follow = async || site.gate.directory.follow().await.unwrap();
        follow().await;
        let ann = add("ann").await;
        assert_eq!(follow().await, Followed::Nothing);
        let mut another = site.gate.store.begin().await.unwrap();
        another.touch(Noun::Account, ann.0);
        another.commit(NOW).await.unwrap();
        add("bob").await;
        assert_eq!(follow().await, Followed::Changes(vec![Noun::Account]));
        // What is read as a whole is read by the poll, whoever changed it.
        site.gate.set_setting(&Actor::CommandLine, "session_hours", Level::System, "4").await.unwrap();
        assert!(matches!(follow().await, Followed::Changes(nouns) if nouns.contains(&Noun::Setting)));
        assert_eq!(follow().await, Followed::Nothing);
    }

    fn router(id: i64, network: &str, nas_identifier: Option<&str>) -> Arc<Router> {
        Arc::new(Router {
            id: RouterId(id),
            name: format!("router {id}"),
            address: source_network(network).unwrap(),
            nas_identifier: nas_identifier.map(str::to_owned),
            secret: Secret::new("secret"),
            old_secret: None,
            coa_port: 3799,
            message_authenticator: Demand::Auto,
            scheme: Scheme::Radius,
            api: None,
            leases: Leases::Off,
            version: 1,
            attributes: Arc::new(ReplyAttributes::default()),
            home: None,
            radsec: None,
        })
    }

    #[test]
    fn the_nearest_network_and_then_the_identifier_decide() {
        let table = RouterTable::new(
            vec![
                router(1, "203.0.113.0/24", None),
                router(2, "203.0.113.0/25", Some("hq")),
                router(3, "203.0.113.7", None),
                router(4, "203.0.113.7", Some("hq")),
                router(5, "203.0.113.7", Some("branch")),
                router(6, "198.51.100.9", Some("hq")),
            ],
            Vec::new(),
        );
        let of = |address: &str, identifier: &str| {
            table.sender(address.parse().unwrap(), || identifier.to_owned()).map(|router| router.id.0)
        };
        assert_eq!(of("203.0.113.7", "hq"), Some(4));
        assert_eq!(of("203.0.113.7", "branch"), Some(5));
        assert_eq!(of("203.0.113.7", "other"), Some(3), "the entry without one takes the others");
        assert_eq!(of("203.0.113.7", ""), Some(3));
        assert_eq!(of("203.0.113.9", "hq"), Some(2));
        assert_eq!(of("203.0.113.9", "HQ"), Some(1), "the next wider network, if the nearest names another");
        assert_eq!(of("203.0.113.200", "hq"), Some(1));
        assert_eq!(of("198.51.100.9", ""), None, "no entry takes it: dropped, never tried with another's secret");
        assert_eq!(of("192.0.2.1", "hq"), None);
    }

    #[test]
    fn the_identifier_is_read_only_where_an_entry_names_one() {
        let table = RouterTable::new(vec![router(1, "203.0.113.7", None)], Vec::new());
        let unread = || unreachable!("nobody asks for it");
        assert!(table.sender(IpAddr::from([203, 0, 113, 7]), unread).is_some());
    }
}
