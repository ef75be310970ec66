//! Slots: Accepts that wait for their Start, in memory, so that a second dial cannot slip in between.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::clock::Timestamp;
use crate::domain::access::{SLOT, Slot};
use crate::domain::id::{AccountId, SessionId};

/// Slots of one account; above it the oldest is forgotten. Only an account without a limit of connections has that many, and
/// a slot is 200 octets that are looked through at each of its dials.
const PER_ACCOUNT: usize = 256;
/// Parts, each behind a lock of its own: log-ins of different accounts seldom wait for each other.
const PARTS: usize = 16;

type Part = HashMap<AccountId, Vec<Slot>>;

/// The slots of every account that has some.
#[derive(Default)]
pub(super) struct Slots([Mutex<Part>; PARTS]);

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
        let slots = all.entry(account).or_default();
        slots.retain(|slot| now < slot.at + SLOT);
        let (decision, taken) = decide(slots);
        if let Some(taken) = taken {
            slots.retain(|slot| taken.place.is_none() || slot.place != taken.place);
            if slots.len() >= PER_ACCOUNT {
                slots.remove(0);
            }
            // Most accounts have one at a time, and a large site many accounts.
            slots.reserve_exact(1);
            slots.push(taken);
        }
        if slots.is_empty() {
            all.remove(&account);
        }
        decision
    }

    /// The Start came: its slot is free.
    pub(super) fn release(&self, account: AccountId, acct_session_id: &str) {
        let mut all = self.lock(account);
        if let Some(slots) = all.get_mut(&account) {
            slots.retain(|slot| slot.acct_session_id.as_deref() != Some(acct_session_id));
            if slots.is_empty() {
                all.remove(&account);
            }
        }
    }

    /// Takes away the slots that speak of a session; they are to be disconnected.
    pub(super) fn drain(&self, account: AccountId, session: SessionId) -> Vec<Slot> {
        let mut all = self.lock(account);
        let Some(slots) = all.remove(&account) else { return Vec::new() };
        let (drained, kept): (Vec<Slot>, Vec<Slot>) = slots.into_iter().partition(|slot| slot.session == Some(session));
        if !kept.is_empty() {
            all.insert(account, kept);
        }
        drained
    }

    /// Forgets slots that have run out.
    pub(super) fn sweep(&self, now: Timestamp) {
        for part in &self.0 {
            part.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, slots| {
                slots.retain(|slot| now < slot.at + SLOT);
                !slots.is_empty()
            });
        }
    }
}
