//! The first words on a connection: the log-in, and what router it is.
//!
//! From 6.43 on a router takes name and password as they are. Before, it answers those with a challenge, and the password
//! proves itself by MD5 (the CHAP of RFC 1994 with identifier 0). The new form goes first, so a router before 6.43 is told
//! the password in clear; the old form follows only where that is allowed.

use std::net::IpAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::fault::{self, unreachable};
use super::transport::{Duplex, Way};
use crate::crypto::{chap, hex};
use crate::domain::api::{Api, OldLogIn};
use crate::gate::router_api::ApiFault;
use crate::proto::routeros::{Bounds, Connection, Event, Limits, Row, Sentence, Unfinished};

/// What the first questions may bring: menus of one row.
const FEW: Bounds = Bounds { rows: 16, bytes: 64 * 1024 };
/// Bytes read at once.
pub(super) const READ_BYTES: usize = 16 * 1024;

/// A connection that is logged in.
pub(super) struct Ready {
    pub(super) stream: Box<dyn Duplex>,
    pub(super) connection: Connection,
    /// Our own address.
    pub(super) local: Option<IpAddr>,
    /// `/system/resource version`.
    pub(super) version: String,
    /// `/system/identity name`.
    pub(super) identity: String,
}

/// Logs in and asks who it is. The caller limits how long that may take.
pub(super) async fn say(way: Way, api: &Api) -> Result<Ready, ApiFault> {
    let connection = Connection::new(Limits::default());
    let mut opening = Opening { stream: way.stream, connection };
    opening.log_in(api).await?;
    let version = opening.property("/system/resource", "version").await?;
    let identity = opening.property("/system/identity", "name").await?;
    let Opening { stream, connection, .. } = opening;
    Ok(Ready { stream, connection, local: way.local, version, identity })
}

/// A connection on which one thing is asked at a time.
struct Opening {
    stream: Box<dyn Duplex>,
    connection: Connection,
}

/// What an answer was: its rows, and its end.
type Answer = (Vec<Row>, Result<Option<Vec<u8>>, Unfinished>);

impl Opening {
    async fn log_in(&mut self, api: &Api) -> Result<(), ApiFault> {
        let login = || Sentence::command("/login").with("name", &api.user);
        let Some(challenge) = self.try_log_in(login().with("password", api.password.expose())).await? else {
            return Ok(());
        };
        match api.old_log_in {
            OldLogIn::Refused => Err(ApiFault::OldLogIn),
            OldLogIn::Allowed => {
                let response = old_response(api.password.expose(), &challenge)?;
                match self.try_log_in(login().with("response", response)).await? {
                    None => Ok(()),
                    Some(_) => Err(ApiFault::LogIn("it asks again and again".to_owned())),
                }
            }
        }
    }

    /// The challenge of a router that wants the old form.
    async fn try_log_in(&mut self, login: Sentence) -> Result<Option<Vec<u8>>, ApiFault> {
        match self.ask(login).await?.1 {
            Ok(challenge) => Ok(challenge),
            Err(Unfinished::Refused(traps)) => Err(fault::of_log_in(&traps)),
            Err(Unfinished::TooMuch) => Err(too_much()),
        }
    }

    /// One property of a menu without rows; empty where the router does not say it.
    async fn property(&mut self, menu: &str, name: &str) -> Result<String, ApiFault> {
        let print = Sentence::command(format!("{menu}/print")).with(".proplist", name);
        let (rows, end) = self.ask(print).await?;
        match end.map_err(|unfinished| unfinished_fault(menu, unfinished)) {
            Err(fault @ (ApiFault::Forbidden(_) | ApiFault::Unreachable(_))) => Err(fault),
            Ok(_) | Err(_) => {
                let text = rows.iter().find_map(|row| row.text(name)).unwrap_or_default();
                Ok(fault::short(&text))
            }
        }
    }

    async fn ask(&mut self, command: Sentence) -> Result<Answer, ApiFault> {
        let asked = self.connection.send(command, FEW);
        self.stream.write_all(&self.connection.take_outgoing()).await.map_err(unreachable)?;
        self.stream.flush().await.map_err(unreachable)?;
        let mut rows = Vec::new();
        loop {
            match self.event().await? {
                Event::Row(tag, row) if tag == asked => rows.push(row),
                Event::Finished(tag, end) if tag == asked => return Ok((rows, end)),
                Event::Fatal(text) => return Err(unreachable(format_args!("the router ends the connection: {text}"))),
                Event::Row(..) | Event::Finished(..) | Event::Unknown(_) => {}
            }
        }
    }

    async fn event(&mut self) -> Result<Event, ApiFault> {
        let mut buffer = [0; READ_BYTES];
        loop {
            if let Some(event) = self.connection.next_event().map_err(no_api)? {
                return Ok(event);
            }
            match self.stream.read(&mut buffer).await.map_err(unreachable)? {
                0 => return Err(unreachable("the router closed the connection")),
                length => self.connection.receive(buffer.get(..length).unwrap_or_default()),
            }
        }
    }
}

/// What is said for bytes that are no sentences.
pub(super) fn no_api(error: crate::proto::routeros::FrameError) -> ApiFault {
    unreachable(format_args!("this is no RouterOS API: {error}"))
}

/// Why a command in `menu` has no good end.
pub(super) fn unfinished_fault(menu: &str, unfinished: Unfinished) -> ApiFault {
    match unfinished {
        Unfinished::Refused(traps) => fault::of(menu, &traps),
        Unfinished::TooMuch => too_much(),
    }
}

fn too_much() -> ApiFault {
    ApiFault::Refused("the answer is too long: it was not waited for".to_owned())
}

/// `00`, then MD5 over a zero byte, the password and the challenge, in hexadecimal.
fn old_response(password: &[u8], challenge: &[u8]) -> Result<String, ApiFault> {
    let challenge = std::str::from_utf8(challenge).ok().and_then(hex::decode);
    let challenge = challenge.ok_or_else(|| ApiFault::LogIn("its challenge is not hexadecimal".to_owned()))?;
    Ok(format!("00{}", hex::encode(&chap::response(0, password, &challenge))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_old_form_proves_the_password() {
        // MD5 of 00, `s3cret` and the challenge, by another program.
        let response = old_response(b"s3cret", b"ebddd18303a54111e2dea05a92ab46b4");
        assert_eq!(response.as_deref(), Ok("00e33bb013fc72f53a8dc2a561d4fcd31d"));
        assert!(matches!(old_response(b"s3cret", b"zz"), Err(ApiFault::LogIn(_))));
        assert!(matches!(old_response(b"s3cret", b"\xff"), Err(ApiFault::LogIn(_))));
    }
}
