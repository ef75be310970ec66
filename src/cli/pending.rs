//! `radgram pending`: what is wanted on routers and not proven yet.

use std::collections::HashMap;

use clap::Subcommand;
use serde::Serialize;

use super::desk::{Desk, Times, rfc3339};
use super::output::{Line, bounded_list};
use super::{Failure, ListArgs};
use crate::clock::Timestamp;
use crate::domain::id::{NasId, RouterId};
use crate::domain::order::OrderState;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List what is pending, oldest first.
    List(ListArgs),
}

pub(super) async fn run(desk: &Desk, command: Command) -> Result<(), Failure> {
    let Command::List(args) = command;
    let times = desk.times().await?;
    let mut lines = wants(desk, &times).await?;
    lines.extend(cuts(desk, &times).await?);
    lines.extend(orders(desk, &times).await?);
    lines.sort_by_key(|line| line.at);
    bounded_list(&lines, args)
}

async fn wants(desk: &Desk, times: &Times) -> Result<Vec<Pending>, Failure> {
    let routers: HashMap<RouterId, String> =
        desk.reader().routers().await?.routers.into_iter().map(|router| (router.id, router.name)).collect();
    let wants = desk.reader().pending_wants().await?;
    Ok(wants
        .into_iter()
        .map(|want| Pending {
            router: routers.get(&want.router).cloned().unwrap_or_default(),
            what: format!("{} {}", want.thing.shown(), want.state.word()),
            since: rfc3339(want.since),
            tries: want.tries,
            outcome: want.outcome,
            shown_since: times.show(want.since),
            at: want.since,
        })
        .collect())
}

async fn orders(desk: &Desk, times: &Times) -> Result<Vec<Pending>, Failure> {
    let routers: HashMap<RouterId, String> =
        desk.reader().routers().await?.routers.into_iter().map(|router| (router.id, router.name)).collect();
    let mut lines = Vec::new();
    for order in desk.reader().orders().await?.into_iter().filter(|order| order.state == OrderState::Pending) {
        let Some(row) = desk.reader().connection_row(order.connection).await? else { continue };
        lines.push(Pending {
            router: routers.get(&row.router).cloned().unwrap_or_default(),
            what: format!(
                "connection {} of {} told its {}",
                row.acct_session_id,
                String::from_utf8_lossy(&row.user_name),
                order.what()
            ),
            since: rfc3339(order.created_at),
            tries: order.tries,
            outcome: order.outcome,
            shown_since: times.show(order.created_at),
            at: order.created_at,
        });
    }
    Ok(lines)
}

async fn cuts(desk: &Desk, times: &Times) -> Result<Vec<Pending>, Failure> {
    let routers: HashMap<NasId, String> =
        desk.reader().nas_lines().await?.into_iter().map(|line| (line.nas.id, line.router)).collect();
    let cuts = desk.reader().pending_cuts().await?;
    Ok(cuts
        .into_iter()
        .map(|cut| Pending {
            router: routers.get(&cut.nas).cloned().unwrap_or_default(),
            what: format!("connection {} of {} cut", cut.acct_session_id, String::from_utf8_lossy(&cut.user_name)),
            since: rfc3339(cut.created_at),
            tries: cut.tries,
            outcome: cut.outcome,
            shown_since: times.show(cut.created_at),
            at: cut.created_at,
        })
        .collect())
}

#[derive(Serialize)]
struct Pending {
    router: String,
    what: String,
    since: String,
    tries: u32,
    outcome: Option<String>,
    #[serde(skip)]
    shown_since: String,
    #[serde(skip)]
    at: Timestamp,
}

impl Line for Pending {
    const HEADS: &'static [&'static str] = &["ROUTER", "WHAT", "SINCE", "TRIES", "LAST OUTCOME"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.router.clone(),
            self.what.clone(),
            self.shown_since.clone(),
            self.tries.to_string(),
            self.outcome.clone().unwrap_or_default(),
        ]
    }
}
