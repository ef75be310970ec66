//! `radgram connection`: connections as routers report them.

use std::collections::HashMap;

use clap::Subcommand;
use serde::Serialize;

use super::desk::{ACTOR, Desk, Times, rfc3339};
use super::output::{Line, bounded_list};
use super::{Failure, ListArgs};
use crate::domain::connection::{Presence, shown_cause};
use crate::domain::id::{ConnectionId, RouterId};
use crate::store::connection::Connection;
use crate::store::order::{Order, Whose};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Cut an open connection on its router.
    Cut {
        /// Its id, from the list.
        id: i64,
    },
    /// Tell the router the reply attributes of an open connection as they are now, as far as they can be changed while it
    /// runs.
    Apply {
        /// Its id, from the list.
        id: i64,
    },
    /// List the connections, open ones first; with what they are to be changed to, and what the router said of it.
    List(ListArgs),
}

pub(super) async fn run(desk: &Desk, command: Command) -> Result<(), Failure> {
    match command {
        Command::Cut { id } => {
            let row = desk.reader().connection_row(ConnectionId(id)).await?;
            match row {
                None => Err(Failure::because(format!("there is no connection {id}; see radgram connection list"))),
                Some(row) if row.ended_at.is_some() => {
                    Err(Failure::because(format!("connection {id} is down already")))
                }
                Some(row) => {
                    desk.gate.cut_connection(&ACTOR, row.id).await?;
                    desk.say(&format!("connection {id} is to be cut; the running server sees to it"))
                }
            }
        }
        Command::Apply { id } => {
            desk.gate.apply_attributes(&ACTOR, Whose::Connection(ConnectionId(id))).await?;
            desk.say(&format!("the router of connection {id} is to be told; the running server sees to it"))
        }
        Command::List(args) => {
            let times = desk.times().await?;
            let orders = desk.reader().orders().await?;
            let orders: HashMap<ConnectionId, Order> =
                orders.into_iter().map(|order| (order.connection, order)).collect();
            let routers = desk.reader().routers().await?.routers;
            let routers: HashMap<RouterId, String> =
                routers.into_iter().map(|router| (router.id, router.name)).collect();
            let connections = desk.reader().connections().await?;
            let lines: Vec<Tunnel> =
                connections.iter().map(|connection| Tunnel::of(connection, &routers, &orders, &times)).collect();
            bounded_list(&lines, args)
        }
    }
}

#[derive(Serialize)]
struct Tunnel {
    id: i64,
    username: String,
    router: Option<String>,
    station: Option<String>,
    address: Option<String>,
    presence: &'static str,
    started_at: String,
    seen_at: String,
    ended_at: Option<String>,
    cause: Option<String>,
    runs_until: Option<String>,
    change: Option<String>,
    input_octets: u64,
    output_octets: u64,
    #[serde(skip)]
    shown_started: String,
    #[serde(skip)]
    shown_ended: String,
}

impl Tunnel {
    fn of(
        connection: &Connection,
        routers: &HashMap<RouterId, String>,
        orders: &HashMap<ConnectionId, Order>,
        times: &Times,
    ) -> Self {
        Self {
            id: connection.id.0,
            username: String::from_utf8_lossy(&connection.user_name).into_owned(),
            router: routers.get(&connection.router).cloned(),
            station: connection.station.clone(),
            address: connection.framed_ip.map(|address| address.to_string()),
            presence: match connection.presence {
                Presence::NotAsked => "not asked",
                Presence::Asked { .. } => "asked",
                Presence::Confirmed { .. } => "confirmed",
            },
            started_at: rfc3339(connection.started_at),
            seen_at: rfc3339(connection.seen_at),
            ended_at: connection.ended_at.map(rfc3339),
            cause: connection.cause.as_deref().map(shown_cause),
            runs_until: connection.runs_until.map(rfc3339),
            change: orders.get(&connection.id).map(Order::shown),
            input_octets: connection.traffic.input_octets,
            output_octets: connection.traffic.output_octets,
            shown_started: times.show(connection.started_at),
            shown_ended: times.show_some(connection.ended_at),
        }
    }
}

impl Line for Tunnel {
    const HEADS: &'static [&'static str] =
        &["ID", "USERNAME", "ROUTER", "FROM", "ADDRESS", "PRESENCE", "STARTED", "ENDED", "CAUSE", "CHANGE"];

    fn cells(&self) -> Vec<String> {
        let some = |text: &Option<String>| text.clone().unwrap_or_default();
        vec![
            self.id.to_string(),
            self.username.clone(),
            some(&self.router),
            some(&self.station),
            some(&self.address),
            self.presence.to_owned(),
            self.shown_started.clone(),
            self.shown_ended.clone(),
            some(&self.cause),
            some(&self.change),
        ]
    }
}
