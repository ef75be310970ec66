//! Accounts and slots packed for keeping: what the door needs of an account in some 200 octets, opened again at each
//! log-in in less than a microsecond. What cannot be read is as if it was not kept.

use std::net::IpAddr;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::packer::{Packer, Unpacker};
use crate::domain::access::Slot;
use crate::domain::account::{Account, Holder, Lock, Source, Switch};
use crate::domain::attribute::ReplyAttributes;
use crate::domain::connection::{OpenConnection, Place, Presence};
use crate::domain::credential::{Credential, NtHash};
use crate::domain::id::{AccountId, ConnectionId, GroupId, RouterId, SessionId, UserId};
use crate::domain::router::NasKey;
use crate::domain::session::{Caller, Held, Origin, Session, Standing, State};
use crate::domain::user::{User, UserState};
use crate::secret::Secret;
use crate::store::entry::Entry;
use crate::text::Language;

/// A packed [`Entry`]. It holds a password, so it is wiped when it is dropped.
pub(super) struct Packed(Zeroizing<Box<[u8]>>);

impl Packed {
    /// `None` for what is not kept packed: a session that is over, which no open one is.
    pub(super) fn of(entry: &Entry) -> Option<Self> {
        // Every field has its name here: a new one must be packed, too.
        let Entry { as_of, account, name_key, credential, user, session, open, rules, attributes: _ } = entry;
        let mut into = Packer(Zeroizing::new(Vec::with_capacity(256)));
        into.int(*as_of);
        into.account(account);
        into.name_key(name_key, account);
        into.credential(credential);
        into.maybe(user.as_ref(), Packer::user);
        if session.as_ref().is_some_and(|session| !session.is_open()) {
            return None;
        }
        into.maybe(session.as_ref(), Packer::session);
        into.each(open, Packer::connection);
        into.each(rules, |into, router| into.int(router.0));
        // As long as it is, not as long as it might have become. The longer one is wiped when it goes.
        Some(Self(Zeroizing::new(into.0.as_slice().into())))
    }

    /// Up to which number all changes are in it.
    pub(super) fn as_of(&self) -> Option<i64> {
        Unpacker(&self.0).int()
    }

    /// The entry again; `None` if it cannot be read.
    pub(super) fn open(&self, attributes: &Arc<ReplyAttributes>) -> Option<Entry> {
        let mut from = Unpacker(&self.0);
        let (as_of, account) = (from.int()?, from.account()?);
        let entry = Entry {
            as_of,
            name_key: from.name_key(&account)?,
            account,
            credential: from.credential()?,
            user: from.maybe(Unpacker::user)?,
            session: from.maybe(Unpacker::session)?,
            open: from.each(Unpacker::connection)?,
            rules: from.each(|from| from.int().map(RouterId))?,
            attributes: attributes.clone(),
        };
        from.0.is_empty().then_some(entry)
    }
}

/// The packed [`Slot`]s of an account: a quarter of what they are open.
pub(super) struct PackedSlots(Box<[u8]>);

impl PackedSlots {
    pub(super) fn of(slots: &[Slot]) -> Self {
        let mut into = Packer(Zeroizing::new(Vec::with_capacity(128)));
        into.each(slots, Packer::slot);
        Self(into.0.as_slice().into())
    }

    /// The slots again, in their order.
    pub(super) fn open(&self) -> Vec<Slot> {
        // It was packed here, so it can be read.
        Unpacker(&self.0).each(Unpacker::slot).unwrap_or_default()
    }
}

impl Packer {
    /// Mostly a name is its key.
    fn name_key(&mut self, key: &str, account: &Account) {
        self.maybe((key != account.name).then_some(key), Self::text);
    }

    fn account(&mut self, account: &Account) {
        let Account { id, name, user, group, switch, lock, source, holder } = account;
        self.int(id.0);
        self.text(name);
        self.maybe(*user, |into, user| into.int(user.0));
        self.maybe(*group, |into, group| into.int(group.0));
        self.flag(*switch == Switch::Enabled);
        self.flag(*lock == Lock::Locked);
        self.choice(&Source::ALL, *source);
        self.flag(*holder == Holder::Machine);
    }

    fn credential(&mut self, credential: &Credential) {
        let (password, nt_hash) = match credential {
            Credential::Password { password, nt_hash } => (Some(password), Some(nt_hash)),
            Credential::NtHash(nt_hash) => (None, Some(nt_hash)),
            Credential::None => (None, None),
        };
        self.maybe(nt_hash, |into, nt_hash| into.0.extend_from_slice(&nt_hash.0));
        self.maybe(password, |into, password| into.bytes(password.expose()));
    }

    fn user(&mut self, user: &User) {
        let User { id, telegram_id, name, state, language } = user;
        self.int(id.0);
        self.int(*telegram_id);
        self.text(name);
        self.choice(&UserState::ALL, *state);
        self.choice(&Language::ALL, *language);
    }

    fn session(&mut self, session: &Session) {
        let Session {
            id,
            account,
            user,
            origin,
            state,
            created_at,
            until,
            ends_at,
            extensions,
            reminded_for,
            callers,
            connections,
        } = session;
        self.int(id.0);
        self.int(account.0);
        self.maybe(*user, |into, user| into.int(user.0));
        self.choice(&Origin::ALL, *origin);
        self.flag(*state == State::Active);
        self.time(*created_at);
        self.time(*until);
        self.maybe(*ends_at, Self::time);
        self.int(i64::from(*extensions));
        self.maybe(*reminded_for, Self::time);
        self.each(callers, |into, Caller { place, standing }| {
            into.place(place);
            into.choice(&Standing::ALL, *standing);
        });
        self.each(connections, |into, Held { id, place, presence }| {
            into.int(id.0);
            into.maybe(place.as_ref(), Self::place);
            into.presence(*presence);
        });
    }

    fn place(&mut self, Place { router, station }: &Place) {
        self.int(router.0);
        self.text(station);
    }

    fn address(&mut self, address: IpAddr) {
        match address {
            IpAddr::V4(address) => self.bytes(&address.octets()),
            IpAddr::V6(address) => self.bytes(&address.octets()),
        }
    }

    fn slot(&mut self, slot: &Slot) {
        let Slot { session, nas, acct_session_id, user_name, place, nas_ip, server, at } = slot;
        let NasKey { router, address, identifier } = nas;
        self.maybe(*session, |into, session| into.int(session.0));
        self.int(router.0);
        self.address(*address);
        self.text(identifier);
        self.maybe(acct_session_id.as_deref(), Self::text);
        self.bytes(user_name);
        self.maybe(place.as_ref(), Self::place);
        self.maybe(*nas_ip, Self::address);
        self.maybe(*server, Self::address);
        self.time(*at);
    }

    fn presence(&mut self, presence: Presence) {
        let (asked, confirmed) = match presence {
            Presence::NotAsked => (None, None),
            Presence::Asked { until } => (Some(until), None),
            Presence::Confirmed { at } => (None, Some(at)),
        };
        self.maybe(asked, Self::time);
        self.maybe(confirmed, Self::time);
    }

    fn connection(&mut self, connection: &OpenConnection) {
        let OpenConnection { id, session, place, acct_session_id, started } = connection;
        self.int(id.0);
        self.maybe(*session, |into, session| into.int(session.0));
        self.maybe(place.as_ref(), Self::place);
        self.text(acct_session_id);
        self.time(*started);
    }
}

impl Unpacker<'_> {
    fn account(&mut self) -> Option<Account> {
        Some(Account {
            id: AccountId(self.int()?),
            name: self.text()?,
            user: self.maybe(|from| from.int().map(UserId))?,
            group: self.maybe(|from| from.int().map(GroupId))?,
            switch: if self.flag()? { Switch::Enabled } else { Switch::Disabled },
            lock: if self.flag()? { Lock::Locked } else { Lock::Open },
            source: self.choice(&Source::ALL)?,
            holder: if self.flag()? { Holder::Machine } else { Holder::Person },
        })
    }

    fn name_key(&mut self, account: &Account) -> Option<String> {
        Some(self.maybe(Self::text)?.unwrap_or_else(|| account.name.clone()))
    }

    fn credential(&mut self) -> Option<Credential> {
        let nt_hash = self.maybe(|from| from.take(16)?.try_into().ok().map(NtHash))?;
        let password = self.maybe(|from| from.bytes().map(Secret::new))?;
        match (password, nt_hash) {
            (Some(password), Some(nt_hash)) => Some(Credential::Password { password, nt_hash }),
            (None, Some(nt_hash)) => Some(Credential::NtHash(nt_hash)),
            (None, None) => Some(Credential::None),
            (Some(_), None) => None,
        }
    }

    fn user(&mut self) -> Option<User> {
        Some(User {
            id: UserId(self.int()?),
            telegram_id: self.int()?,
            name: self.text()?,
            state: self.choice(&UserState::ALL)?,
            language: self.choice(&Language::ALL)?,
        })
    }

    fn session(&mut self) -> Option<Session> {
        Some(Session {
            id: SessionId(self.int()?),
            account: AccountId(self.int()?),
            user: self.maybe(|from| from.int().map(UserId))?,
            origin: self.choice(&Origin::ALL)?,
            state: if self.flag()? { State::Active } else { State::Granted },
            created_at: self.time()?,
            until: self.time()?,
            ends_at: self.maybe(Self::time)?,
            extensions: u32::try_from(self.int()?).ok()?,
            reminded_for: self.maybe(Self::time)?,
            callers: self.each(|from| Some(Caller { place: from.place()?, standing: from.choice(&Standing::ALL)? }))?,
            connections: self.each(|from| {
                Some(Held {
                    id: ConnectionId(from.int()?),
                    place: from.maybe(Self::place)?,
                    presence: from.presence()?,
                })
            })?,
        })
    }

    fn place(&mut self) -> Option<Place> {
        Some(Place { router: RouterId(self.int()?), station: self.text()? })
    }

    fn address(&mut self) -> Option<IpAddr> {
        let octets = self.bytes()?;
        let v4 = <[u8; 4]>::try_from(octets).map(IpAddr::from);
        v4.or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from)).ok()
    }

    fn slot(&mut self) -> Option<Slot> {
        Some(Slot {
            session: self.maybe(|from| from.int().map(SessionId))?,
            nas: NasKey { router: RouterId(self.int()?), address: self.address()?, identifier: self.text()? },
            acct_session_id: self.maybe(Self::text)?,
            user_name: self.bytes()?.to_vec(),
            place: self.maybe(Self::place)?,
            nas_ip: self.maybe(Self::address)?,
            server: self.maybe(Self::address)?,
            at: self.time()?,
        })
    }

    fn presence(&mut self) -> Option<Presence> {
        match (self.maybe(Self::time)?, self.maybe(Self::time)?) {
            (None, None) => Some(Presence::NotAsked),
            (Some(until), None) => Some(Presence::Asked { until }),
            (None, Some(at)) => Some(Presence::Confirmed { at }),
            (Some(_), Some(_)) => None,
        }
    }

    fn connection(&mut self) -> Option<OpenConnection> {
        Some(OpenConnection {
            id: ConnectionId(self.int()?),
            session: self.maybe(|from| from.int().map(SessionId))?,
            place: self.maybe(Self::place)?,
            acct_session_id: self.text()?,
            started: self.time()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    const AT: Timestamp = Timestamp::from_millis(1_795_428_000_000);

    fn place(station: &str) -> Place {
        Place { router: RouterId(3), station: station.to_owned() }
    }

    fn bare() -> Entry {
        Entry {
            as_of: 7,
            account: Account {
                id: AccountId(300),
                name: "Ann".to_owned(),
                user: None,
                group: None,
                switch: Switch::Disabled,
                lock: Lock::Open,
                source: Source::UserManager,
                holder: Holder::Machine,
            },
            name_key: "ann".to_owned(),
            credential: Credential::None,
            user: None,
            session: None,
            open: Vec::new(),
            rules: Vec::new(),
            attributes: Arc::default(),
        }
    }

    fn session() -> Session {
        let held = |id, presence| Held { id: ConnectionId(id), place: Some(place("203.0.113.7")), presence };
        Session {
            id: SessionId(i64::MAX),
            account: AccountId(300),
            user: Some(UserId(-1)),
            origin: Origin::Knock,
            state: State::Active,
            created_at: AT,
            until: AT,
            ends_at: Some(AT),
            extensions: 2,
            reminded_for: Some(Timestamp::from_millis(-5)),
            callers: vec![Caller { place: place("203.0.113.7"), standing: Standing::Confirmed }],
            connections: vec![
                held(1, Presence::NotAsked),
                held(2, Presence::Asked { until: AT }),
                Held { place: None, ..held(3, Presence::Confirmed { at: AT }) },
            ],
        }
    }

    fn full() -> Entry {
        let (name, state, language) = ("Аня".to_owned(), UserState::Approved, Language::Ru);
        let open = OpenConnection {
            id: ConnectionId(1),
            session: Some(SessionId(9)),
            place: Some(place("")),
            acct_session_id: "81500001".to_owned(),
            started: AT,
        };
        let bare = bare();
        let account = Account { user: Some(UserId(1)), group: Some(GroupId(2)), ..bare.account };
        Entry {
            account: Account { switch: Switch::Enabled, lock: Lock::Locked, ..account },
            credential: Credential::of_password(Secret::new("clientPass")),
            user: Some(User { id: UserId(1), telegram_id: 7_000_000_000, name, state, language }),
            session: Some(session()),
            open: vec![open.clone(), OpenConnection { session: None, place: None, ..open }],
            rules: vec![RouterId(1), RouterId(2)],
            ..bare
        }
    }

    #[test]
    fn what_is_packed_is_opened_as_it_was() {
        let hashed = Entry { credential: Credential::NtHash(NtHash([7; 16])), ..bare() };
        for entry in [bare(), hashed, full()] {
            let packed = Packed::of(&entry).unwrap();
            assert_eq!(packed.open(&Arc::default()), Some(entry));
        }
    }

    #[test]
    fn a_usual_account_takes_two_hundred_octets() {
        let entry = full();
        let session = Session { connections: Vec::new(), ..session() };
        let entry = Entry { session: Some(session), open: Vec::new(), rules: Vec::new(), ..entry };
        let length = Packed::of(&entry).unwrap().0.len();
        assert!(length <= 200, "{length}");
    }

    #[test]
    fn packed_slots_are_opened_as_they_were() {
        let nas = NasKey { router: RouterId(3), address: [192, 0, 2, 1].into(), identifier: "hq".to_owned() };
        let full = Slot {
            session: Some(SessionId(9)),
            nas: nas.clone(),
            acct_session_id: Some("81500001".to_owned()),
            user_name: b"EXAMPLE\\\xffann".to_vec(),
            place: Some(place("203.0.113.7")),
            nas_ip: Some([10, 0, 0, 1].into()),
            server: Some("2001:db8::1".parse().unwrap()),
            at: AT,
        };
        let bare = Slot {
            session: None,
            nas,
            acct_session_id: None,
            user_name: Vec::new(),
            place: None,
            nas_ip: None,
            server: None,
            at: AT,
        };
        for slots in [vec![], vec![full.clone()], vec![bare.clone(), full, bare]] {
            assert_eq!(PackedSlots::of(&slots).open(), slots);
        }
    }

    #[test]
    fn a_session_that_is_over_is_not_packed() {
        let state = State::Ended { reason: crate::domain::session::EndReason::Expired, at: AT };
        assert!(Packed::of(&Entry { session: Some(Session { state, ..session() }), ..full() }).is_none());
    }

    #[test]
    fn what_cannot_be_read_is_nothing() {
        let Packed(bytes) = Packed::of(&full()).unwrap();
        for length in 0..bytes.len() {
            let cut = Packed(Zeroizing::new(bytes[..length].into()));
            assert!(cut.open(&Arc::default()).is_none(), "{length}");
        }
        let longer = Packed(Zeroizing::new([&bytes[..], &[0]].concat().into()));
        assert!(longer.open(&Arc::default()).is_none());
    }
}
