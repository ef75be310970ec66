//! The proof of a password, as far as it is held here (`design` §3.4): whatever is known of a name, its refusal costs the same
//! and is counted alike.

use super::Gate;
use super::directory::{Found, Known};
use super::guess::Suspects;
use crate::clock::Timestamp;
use crate::domain::access::Request;
use crate::domain::connection::Place;
use crate::domain::credential::{Credential, Proof, Proven, prove};
use crate::domain::reason::Reason;
use crate::domain::session::Admission;

impl Gate {
    /// Whether the password is proven (§3.4). An unknown name takes the same steps with a decoy, so it costs the same, and
    /// so does an account whose kept form of a password cannot prove this one.
    pub(super) fn proven(&self, request: &Request, found: &Found) -> Result<Proven, Reason> {
        if self.is_guessing(request, found) {
            return Err(Reason::Guessing);
        }
        let proof = request.proof.as_ref().ok_or(Reason::NoProof)?;
        let of_decoy = || prove(&self.decoy, proof, &request.user_name);
        let (proven, reason) = match found {
            Found::Nobody => (of_decoy(), Reason::UnknownName),
            Found::Account(known) => match &known.entry.credential {
                Credential::None => (of_decoy(), Reason::WrongPassword),
                Credential::NtHash(_) if matches!(proof, Proof::Chap { .. }) => (of_decoy(), Reason::HashOnly),
                kept @ (Credential::NtHash(_) | Credential::Password { .. }) => {
                    match prove(kept, proof, &request.user_name) {
                        Ok(proven) => return Ok(proven),
                        wrong => (wrong, Reason::WrongPassword),
                    }
                }
            },
        };
        // Whatever the decoy says: nobody is let in by it.
        drop(std::hint::black_box(proven));
        self.count_guess(request, Suspects::of(request, found));
        Err(reason)
    }

    /// Whether passwords were guessed so often, by the caller or for the name, that this one is not even looked at.
    pub(super) fn is_guessing(&self, request: &Request, found: &Found) -> bool {
        let now = request.arrived;
        if self.guesses.is_quiet(now) {
            return false;
        }
        let suspects = Suspects::of(request, found);
        self.guesses.is_locked(&suspects.caller, now)
            || (self.guesses.is_locked(&suspects.name, now) && !self.expects(request, found))
    }

    /// Whether the dial comes from a caller that the open session knows: guesses of strangers do not keep it out.
    pub(super) fn expects(&self, request: &Request, found: &Found) -> bool {
        match found {
            Found::Account(known) => is_expected(known, request.place().as_ref(), request.arrived),
            Found::Nobody => false,
        }
    }
}

/// Whether the dial comes from a caller that the open session knows: guesses of strangers at the account do not keep it out.
fn is_expected(known: &Known, place: Option<&Place>, now: Timestamp) -> bool {
    known.entry.session.as_ref().is_some_and(|session| {
        session.is_valid(now) && matches!(session.admission(place, known.policy.new_address), Admission::Known(_))
    })
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::domain::access::Service;
    use crate::domain::credential::PROVED;
    use crate::domain::router::NasKey;
    use crate::gate::access::Answer;
    use crate::gate::fixture::Site;
    use crate::secret::Secret;

    #[tokio::test]
    async fn a_refusal_costs_one_look_at_a_password_whatever_is_known_of_the_name() {
        let site = Site::new().await;
        let now = site.gate.now();
        let mut tx = site.gate.store.begin().await.unwrap();
        let ann = tx.add_account("ann", None, now).await.unwrap();
        tx.set_password(ann, &Secret::new("the password")).await.unwrap();
        tx.add_account("without-password", None, now).await.unwrap();
        tx.commit(now).await.unwrap();
        site.gate.directory.read_routers().await.unwrap();
        let router = site.gate.directory.routers().router(site.router).unwrap().clone();
        let address = IpAddr::from([192, 0, 2, 1]);
        let proofs = [
            Proof::Pap(Secret::new("a guess")),
            Proof::Chap { ident: 1, challenge: vec![2; 16], response: [3; 16] },
            Proof::MsChap1 { ident: 1, challenge: [2; 8], nt_response: [3; 24] },
            Proof::MsChap2 { ident: 1, challenge: [2; 16], peer_challenge: [3; 16], nt_response: [4; 24] },
        ];
        for name in ["ann", "without-password", "nobody"] {
            for (number, proof) in proofs.iter().enumerate() {
                let request = Request {
                    nas: NasKey { router: site.router, address, identifier: "box".to_owned() },
                    user_name: name.into(),
                    proof: Some(proof.clone()),
                    service: Service::Vpn,
                    station: Some(format!("198.51.100.{number}")),
                    acct_session_id: None,
                    nas_ip: None,
                    server: None,
                    arrived: now,
                };
                let before = PROVED.get();
                let answer = site.gate.access(&request, &router).await;
                assert!(matches!(answer, Answer::Reject(refusal) if refusal.told.is_guess()), "{name}: {answer:?}");
                assert_eq!(PROVED.get() - before, 1, "{name}, {}", proof.method());
            }
        }
    }
}
