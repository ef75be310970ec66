//! Slots: Accepts that wait for their Start, in memory, so that a second dial cannot slip in between.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::packed::PackedSlots;
use crate::clock::Timestamp;
use crate::domain::access::{SLOT, Slot};
use crate::domain::id::{AccountId, SessionId};

/// Slots of one account; above it the oldest is forgotten. Only an account without a limit of connections has that many, and
/// all are looked through at each of its dials.
const PER_ACCOUNT: usize = 256;
/// Parts, each behind a lock of its own: log-ins of different accounts seldom wait for each other.
const PARTS: usize = 16;

/// The accounts that have some.
#[derive(Default)]
struct Part(HashMap<AccountId, PackedSlots>);

/// The slots of every account that has some.
#[derive(Default)]
pub(super) struct Slots([Mutex<Part>; PARTS]);

impl Part {
    fn of(&self, account: AccountId) -> Vec<Slot> {
        self.0.get(&account).map(PackedSlots::open).unwrap_or_default()
    }

    fn put(&mut self, account: AccountId, slots: &[Slot]) {
        if slots.is_empty() {
            self.0.remove(&account);
        } else {
            self.0.insert(account, PackedSlots::of(slots));
        }
    }
}

impl Slots {
    fn lock(&self, account: AccountId) -> MutexGuard<'_, Part> {
        let part = &self.0[account.0.unsigned_abs() as usize % PARTS];
        part.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a slot for `slot` if `decide` permits it, seeing the slots as they are: no second dial comes in between.
    /// A slot of the same caller is replaced: that dial was given up.
    pub(super) fn take<T>(
        &self,
        account: AccountId,
        now: Timestamp,
        decide: impl FnOnce(&[Slot]) -> (T, Option<Slot>),
    ) -> T {
        let mut all = self.lock(account);
        let mut slots = all.of(account);
        slots.retain(|slot| now < slot.at + SLOT);
        let (decision, taken) = decide(&slots);
        if let Some(taken) = taken {
            slots.retain(|slot| taken.place.is_none() || slot.place != taken.place);
            if slots.len() >= PER_ACCOUNT {
                slots.remove(0);
            }
            slots.push(taken);
            all.put(account, &slots);
        }
        decision
    }

    /// The Start came: its slot is free.
    pub(super) fn release(&self, account: AccountId, acct_session_id: &str) {
        let mut all = self.lock(account);
        let mut slots = all.of(account);
        let count = slots.len();
        slots.retain(|slot| slot.acct_session_id.as_deref() != Some(acct_session_id));
        if slots.len() < count {
            all.put(account, &slots);
        }
    }

    /// Takes away the slots that speak of a session; they are to be disconnected.
    pub(super) fn drain(&self, account: AccountId, session: SessionId) -> Vec<Slot> {
        let mut all = self.lock(account);
        let (drained, kept): (Vec<Slot>, Vec<Slot>) =
            all.of(account).into_iter().partition(|slot| slot.session == Some(session));
        if !drained.is_empty() {
            all.put(account, &kept);
        }
        drained
    }

    /// Forgets slots that have run out.
    pub(super) fn sweep(&self, now: Timestamp) {
        for part in &self.0 {
            let mut part = part.lock().unwrap_or_else(PoisonError::into_inner);
            part.0.retain(|_, packed| {
                let mut slots = packed.open();
                let count = slots.len();
                slots.retain(|slot| now < slot.at + SLOT);
                if slots.len() < count {
                    *packed = PackedSlots::of(&slots);
                }
                !slots.is_empty()
            });
            // A flood of dials is over: what it took is given back.
            let room = part.0.len() * 2;
            part.0.shrink_to(room);
        }
    }
}
