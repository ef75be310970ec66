//! The proof of a password: what a dial brings, what is kept, and whether the one fits the other (RFC 2865, 2433, 2759).

use super::home::Granted;
use crate::crypto::{self, chap, mschap};
use crate::secret::Secret;

/// What is kept of an account's password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// The password itself; serves every method. The NT hash is derived once.
    Password {
        /// The password.
        password: Secret,
        /// Its NT hash (16 bytes).
        nt_hash: NtHash,
    },
    /// Only the NT hash; serves PAP and MS-CHAP, not CHAP.
    NtHash(NtHash),
    /// None: nothing can be proven.
    None,
}

/// An NT hash: as good as the password for MS-CHAP, so as secret.
#[derive(Clone, PartialEq, Eq)]
pub struct NtHash(pub [u8; 16]);

impl std::fmt::Debug for NtHash {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("NtHash(…)")
    }
}

impl Drop for NtHash {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.0);
    }
}

impl Credential {
    /// From a password; passwords of RADIUS log-ins are UTF-8.
    pub fn of_password(password: Secret) -> Credential {
        match password.expose_str() {
            Some(text) => {
                let nt_hash = NtHash(mschap::nt_hash(text));
                Credential::Password { password, nt_hash }
            }
            None => Credential::None,
        }
    }

    fn nt_hash(&self) -> Option<&NtHash> {
        match self {
            Self::Password { nt_hash, .. } | Self::NtHash(nt_hash) => Some(nt_hash),
            Self::None => None,
        }
    }
}

/// What a dial brings as proof of its password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// The password itself (User-Password, revealed).
    Pap(Secret),
    /// CHAP-Password.
    Chap {
        /// CHAP identifier.
        ident: u8,
        /// CHAP-Challenge, or else the Request Authenticator.
        challenge: Vec<u8>,
        /// The response.
        response: [u8; 16],
    },
    /// MS-CHAP-Response with the NT flag.
    MsChap1 {
        /// Identifier.
        ident: u8,
        /// MS-CHAP-Challenge.
        challenge: [u8; 8],
        /// NT-Response.
        nt_response: [u8; 24],
    },
    /// MS-CHAPv2 inside EAP. As [`Proof::MsChap2`], but the challenge is ours and the reply is EAP's.
    EapMsChap2 {
        /// MS-CHAPv2-ID.
        ident: u8,
        /// Our challenge.
        challenge: [u8; 16],
        /// Peer-Challenge.
        peer_challenge: [u8; 16],
        /// NT-Response.
        nt_response: [u8; 24],
    },
    /// MS-CHAP2-Response.
    MsChap2 {
        /// Identifier.
        ident: u8,
        /// MS-CHAP-Challenge.
        challenge: [u8; 16],
        /// Peer-Challenge.
        peer_challenge: [u8; 16],
        /// NT-Response.
        nt_response: [u8; 24],
    },
}

impl Proof {
    /// The method's name in attempts and logs.
    pub const fn method(&self) -> &'static str {
        match self {
            Self::Pap(_) => "pap",
            Self::Chap { .. } => "chap",
            Self::MsChap1 { .. } => "mschapv1",
            Self::MsChap2 { .. } => "mschapv2",
            Self::EapMsChap2 { .. } => "eap-mschapv2",
        }
    }
}

/// A proof that fits, with what the reply needs of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proven {
    /// PAP or CHAP: nothing more.
    Plain,
    /// MS-CHAPv1: the key of MS-CHAP-MPPE-Keys.
    MsChap1(NtHash),
    /// MS-CHAPv2: MS-CHAP2-Success and the MPPE keys.
    MsChap2 {
        /// Identifier of the response.
        ident: u8,
        /// `S=` and forty upper-case hex digits (RFC 2759 §8.7).
        success: [u8; 42],
        /// From which the MPPE keys are derived.
        nt_hash: NtHash,
        /// As above.
        nt_response: [u8; 24],
    },
    /// By the home server, with what it grants.
    ByHome(Granted),
}

/// A proof that does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unproven {
    /// Not this password.
    Wrong,
    /// CHAP needs the password itself, and only its hash is kept.
    NeedsPassword,
}

#[cfg(test)]
thread_local! {
    /// How often this thread held a proof against a password: a refusal must not show by that which names there are.
    pub(crate) static PROVED: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
}

/// Whether `proof` fits `credential`. `user_name` is the raw User-Name; MS-CHAPv2 hashes it without `DOMAIN\` first.
///
/// # Errors
/// [`Unproven`] says why not.
pub fn prove(credential: &Credential, proof: &Proof, user_name: &[u8]) -> Result<Proven, Unproven> {
    #[cfg(test)]
    PROVED.set(PROVED.get() + 1);
    match proof {
        Proof::Pap(password) => prove_pap(credential, password),
        Proof::Chap { ident, challenge, response } => match credential {
            Credential::Password { password, .. } => {
                let fits = chap::proves(*ident, password.expose(), challenge, response);
                if fits { Ok(Proven::Plain) } else { Err(Unproven::Wrong) }
            }
            Credential::NtHash(_) => Err(Unproven::NeedsPassword),
            Credential::None => Err(Unproven::Wrong),
        },
        Proof::MsChap1 { challenge, nt_response, .. } => {
            let nt_hash = credential.nt_hash().ok_or(Unproven::Wrong)?;
            let fits = mschap::proves_v1(challenge, &nt_hash.0, nt_response);
            if fits { Ok(Proven::MsChap1(nt_hash.clone())) } else { Err(Unproven::Wrong) }
        }
        Proof::MsChap2 { ident, challenge, peer_challenge, nt_response }
        | Proof::EapMsChap2 { ident, challenge, peer_challenge, nt_response } => {
            let nt_hash = credential.nt_hash().ok_or(Unproven::Wrong)?;
            prove_mschap2(nt_hash, (*ident, challenge, peer_challenge, nt_response), user_name)
        }
    }
}

fn prove_pap(credential: &Credential, typed: &Secret) -> Result<Proven, Unproven> {
    let fits = match credential {
        Credential::Password { password, .. } => password == typed,
        Credential::NtHash(nt_hash) => {
            typed.expose_str().is_some_and(|text| crypto::same(&mschap::nt_hash(text), &nt_hash.0))
        }
        Credential::None => false,
    };
    if fits { Ok(Proven::Plain) } else { Err(Unproven::Wrong) }
}

type MsChap2<'a> = (u8, &'a [u8; 16], &'a [u8; 16], &'a [u8; 24]);

fn prove_mschap2(nt_hash: &NtHash, response: MsChap2<'_>, user_name: &[u8]) -> Result<Proven, Unproven> {
    let (ident, challenge, peer_challenge, nt_response) = response;
    for name in hashed_names(user_name) {
        let exchange = mschap::Exchange { peer: peer_challenge, authenticator: challenge, user: name };
        if mschap::proves_v2(&exchange, &nt_hash.0, nt_response) {
            let success = mschap::authenticator_response(&exchange, &nt_hash.0, nt_response);
            return Ok(Proven::MsChap2 { ident, success, nt_hash: nt_hash.clone(), nt_response: *nt_response });
        }
    }
    Err(Unproven::Wrong)
}

/// The names that a client may have hashed: without `DOMAIN\` first, then as they are (RFC 2759 §4).
fn hashed_names(user_name: &[u8]) -> impl Iterator<Item = &[u8]> {
    let bare = user_name.iter().position(|byte| *byte == b'\\').and_then(|at| user_name.get(at + 1..));
    bare.into_iter().chain(std::iter::once(user_name))
}
