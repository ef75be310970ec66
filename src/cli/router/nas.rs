//! `radgram router nas`: the boxes behind the routers, and what was learnt of them.

use clap::Subcommand;
use serde::Serialize;

use super::super::desk::{ACTOR, Desk, Times, rfc3339};
use super::super::output::{Line, Out};
use super::super::{Failure, ListArgs};
use crate::clock::Timestamp;
use crate::domain::id::NasId;
use crate::domain::router::{Router, SecretAge};
use crate::store::router::NasLine;

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Command {
    /// Forget that a box signs its requests: with message_authenticator auto, unsigned ones are taken from it again until it
    /// signs one.
    Reset {
        /// Its id, from the list.
        id: i64,
    },
    /// List the boxes: which sign their requests and since when, and which secret they use while one is being changed.
    List(ListArgs),
}

pub(in crate::cli) async fn run(desk: &Desk, command: Command) -> Result<(), Failure> {
    match command {
        Command::Reset { id } => {
            let lines = desk.reader().nas_lines().await?;
            let Some(line) = lines.iter().find(|line| line.nas.id == NasId(id)) else {
                return Err(Failure::because(format!("there is no box {id}; see radgram router nas list")));
            };
            desk.gate.forget_signs(&ACTOR, line.nas.id).await?;
            desk.say(&format!("unsigned requests are taken from box {id} again, until it signs one"))
        }
        Command::List(args) => {
            let routers = desk.reader().routers().await?.routers;
            let (times, now) = (desk.times().await?, desk.gate.now());
            let lines = desk.reader().nas_lines().await?;
            let boxes = lines.iter().map(|line| {
                let router = routers.iter().find(|router| router.id == line.nas.key.router);
                BoxLine::of(line, router, &times, now)
            });
            Out::standard().list(&boxes.collect::<Vec<_>>(), args)
        }
    }
}

#[derive(Serialize)]
struct BoxLine {
    id: i64,
    router: String,
    address: String,
    nas_identifier: String,
    sends_to: Option<String>,
    signs_since: Option<String>,
    /// `current` or `old`; none while its router has only one, or it was not seen since the change.
    secret: Option<&'static str>,
    secret_seen_at: Option<String>,
    #[serde(skip)]
    shown_signs: String,
    #[serde(skip)]
    shown_secret: String,
}

impl BoxLine {
    fn of(line: &NasLine, router: Option<&Router>, times: &Times, now: Timestamp) -> Self {
        let changing = router.is_some_and(|router| router.old_secret_at(now).is_some());
        let seen = line.nas.secret.filter(|_| changing);
        Self {
            id: line.nas.id.0,
            router: line.router.clone(),
            address: line.nas.key.address.to_string(),
            nas_identifier: line.nas.key.identifier.clone(),
            sends_to: line.server.map(|server| server.to_string()),
            signs_since: line.signs_since.map(rfc3339),
            secret: seen.map(|seen| seen.age.word()),
            secret_seen_at: seen.map(|seen| rfc3339(seen.at)),
            shown_signs: line.signs_since.map_or_else(|| "not seen yet".to_owned(), |at| times.show(at)),
            shown_secret: match seen {
                Some(seen) if seen.age == SecretAge::Old => format!("the old one, {}", times.show(seen.at)),
                Some(_) => "the new one".to_owned(),
                None if changing => "not seen yet".to_owned(),
                None => String::new(),
            },
        }
    }
}

impl Line for BoxLine {
    const HEADS: &'static [&'static str] = &["ID", "ROUTER", "ADDRESS", "IDENTITY", "SIGNS SINCE", "SECRET"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.to_string(),
            self.router.clone(),
            self.address.clone(),
            self.nas_identifier.clone(),
            self.shown_signs.clone(),
            self.shown_secret.clone(),
        ]
    }
}
