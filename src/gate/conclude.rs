//! The end of a dial that goes on after its decision (EAP): the password is proven and the gate has decided, and then the
//! client has to look at our own proof before there is an Access-Accept.

use super::Gate;
use super::access::{Accept, Answer, door_of};
use super::directory::Found;
use crate::clock::Timestamp;
use crate::domain::access::Request;
use crate::domain::account::candidates;
use crate::domain::reason::Reason;
use crate::store::StoreError;

impl Gate {
    /// What a dial that was granted is answered in the end: what it was granted, less the time since, if the right to it
    /// still stands. Asked of the database, as nothing is known of how long the client took. An attempt was kept when it
    /// was granted; a refusal now is a second one.
    pub async fn conclude(&self, request: &Request, granted: &Accept, now: Timestamp) -> Answer {
        // The slot is held anew before the look: whoever ends the session is seen here, or sees the slot.
        self.hold_slot(request, granted, now);
        let end = match self.end_of(request, granted, now).await {
            Ok(end) => end,
            Err(error) => {
                tracing::error!(%error, "no answer to a log-in: the database cannot be asked");
                self.metrics.dropped("no_database");
                return Answer::Silence;
            }
        };
        let spent = now.since(request.arrived);
        match end.map(|end| granted.timeout.saturating_sub(spent).min(end.since(now))) {
            Some(timeout) if timeout.as_secs() > 0 => Answer::Accept(Box::new(Accept { timeout, ..granted.clone() })),
            Some(_) | None => self.give_up(request, granted, Reason::NoSession, now),
        }
    }

    /// A dial that was granted comes to nothing.
    pub fn give_up(&self, request: &Request, granted: &Accept, reason: Reason, now: Timestamp) -> Answer {
        if let Some(acct_session_id) = &request.acct_session_id {
            self.slots.release(granted.mark.account, acct_session_id);
        }
        self.refuse_unasked(request, reason, now)
    }

    /// A dial that never came to its proof is refused, counted and kept as an attempt.
    pub fn refuse_unasked(&self, request: &Request, reason: Reason, now: Timestamp) -> Answer {
        let request = Request { arrived: now, ..request.clone() };
        let found = self.directory.recall(&candidates(&request.user_name));
        self.settled(&request, &found.unwrap_or(Found::Nobody), reason.into())
    }

    fn hold_slot(&self, request: &Request, granted: &Accept, now: Timestamp) {
        let request = Request { arrived: now, ..request.clone() };
        let (account, session) = (granted.mark.account, granted.mark.session);
        let slot = request.slot(session, request.place());
        self.slots.take(account, now, |_| ((), Some(slot)));
    }

    /// Until when the right stands that a dial was granted by; `None` if it does not any more.
    async fn end_of(
        &self,
        request: &Request,
        granted: &Accept,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        let Some(known) = self.directory.read(granted.mark.account).await? else { return Ok(None) };
        let Some(session) = granted.mark.session else {
            let stands = door_of(&known.entry, &known.policy, &[]).lets_machine_in();
            return Ok(stands.then(|| request.arrived + granted.timeout));
        };
        Ok(known.entry.session.as_ref().filter(|open| open.id == session && open.is_valid(now)).map(|open| open.until))
    }
}
