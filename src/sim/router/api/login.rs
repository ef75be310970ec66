//! `/login`: who it is, in the form of the version.

use std::net::IpAddr;

use super::LoginForm;
use super::port::{Service, admits};
use crate::clock::Timestamp;
use crate::crypto::{chap, hex, same};
use crate::entropy::{Entropy, SystemEntropy};
use crate::sim::router::command::Command;
use crate::sim::router::command::rights::Rights;
use crate::sim::router::radius::secret;
use crate::sim::router::state::table::Id;
use crate::sim::router::state::value::Value;
use crate::sim::router::state::{State, path};

/// Who a connection is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct User {
    pub(super) name: String,
    /// Its row of `/user/active`.
    pub(super) active: Option<Id>,
}

/// What `/login` comes to.
pub(super) enum Answer {
    Welcome(User),
    /// `=ret=` of the old form.
    Challenge(Vec<u8>),
    /// The text of a trap.
    Refused(&'static str),
}

/// One connection on its way in.
pub(super) struct Entrance {
    pub(super) form: LoginForm,
    pub(super) peer: IpAddr,
    pub(super) service: Service,
    pub(super) challenge: Option<[u8; 16]>,
}

impl Entrance {
    pub(super) fn login(&mut self, state: &mut State, command: &Command, now: Timestamp) -> Answer {
        let name = command.text("name").unwrap_or_default();
        let is_right = match self.form {
            LoginForm::Plain => {
                let given = command.attribute("password").unwrap_or_default();
                let password = password_of(state, &name);
                password.is_some_and(|password| same(&password, given)) // constant time, as for any password
            }
            LoginForm::Challenge => match (command.attribute("response"), self.challenge.take()) {
                (Some(response), Some(challenge)) => {
                    password_of(state, &name).is_some_and(|password| response == proof(&password, &challenge))
                }
                _ => return self.challenge(),
            },
        };
        if is_right && self.lets_in(state, &name) {
            return Answer::Welcome(self.welcome(state, name, now));
        }
        let line = format!("login failure for user {name} from {} via api", self.peer);
        state.log(now, "system,error,critical", line);
        Answer::Refused(match self.form {
            LoginForm::Plain => "invalid user name or password (6)",
            LoginForm::Challenge => "cannot log in",
        })
    }

    fn challenge(&mut self) -> Answer {
        let entropy: &dyn Entropy = &SystemEntropy;
        let challenge: [u8; 16] = entropy.bytes();
        self.challenge = Some(challenge);
        Answer::Challenge(hex::encode(&challenge).into_bytes())
    }

    /// A user that is not disabled, from an address that it may come from, of a group with `api`.
    fn lets_in(&self, state: &State, name: &str) -> bool {
        let row = state.named(path::USER, name).map(|(_, row)| row);
        let may = row.is_some_and(|row| !row.flag("disabled") && admits(&row.text("address"), self.peer));
        may && Rights::of_user(state, name).has("api")
    }

    fn welcome(&self, state: &mut State, name: String, now: Timestamp) -> User {
        let group = state.named(path::USER, &name).map(|(_, row)| row.text("group")).unwrap_or_default();
        if let Some((id, _)) = state.named(path::USER, &name) {
            state.put(path::USER, id, "last-logged-in", Value::At(now));
        }
        let cells = vec![
            ("when", Value::At(now)),
            ("name", Value::text(name.clone())),
            ("address", Value::text(self.peer.to_string())),
            (
                "via",
                Value::text(match self.service {
                    Service::Plain => "api",
                    Service::Tls => "api-ssl",
                }),
            ),
            ("group", Value::text(group)),
            ("radius", Value::Flag(false)),
            ("by-romon", Value::Flag(false)),
        ];
        let active = state.insert(path::USER_ACTIVE, cells);
        state.log(now, "system,info,account", format!("user {name} logged in from {} via api", self.peer));
        User { name, active }
    }
}

fn password_of(state: &State, name: &str) -> Option<Vec<u8>> {
    state.named(path::USER, name).map(|(_, row)| secret(row, "password").expose().to_vec())
}

/// `00` and, in hexadecimal digits, what CHAP answers to the challenge with ident 0.
fn proof(password: &[u8], challenge: &[u8]) -> Vec<u8> {
    format!("00{}", hex::encode(&chap::response(0, password, challenge))).into_bytes()
}
