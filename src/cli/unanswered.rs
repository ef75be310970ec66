//! `radgram unanswered`: which packets got no answer, and why. The server that runs knows, in its memory; so it is asked.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use clap::Subcommand;
use serde::Serialize;

use super::desk::{Desk, Times, rfc3339};
use super::output::{Line, Out};
use super::{Failure, ListArgs};
use crate::clock::Timestamp;
use crate::web::UnansweredLine;

/// The server is on this machine and answers from memory.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List what the running server left unanswered since its start, by source and reason, the last first.
    List(ListArgs),
}

pub(super) async fn run(desk: &Desk, web: SocketAddr, command: Command) -> Result<(), Failure> {
    let Command::List(args) = command;
    let times = desk.times().await?;
    let lines: Vec<Row> = ask(web).await?.into_iter().map(|line| Row::of(line, &times)).collect();
    Out::standard().list(&lines, args)
}

async fn ask(web: SocketAddr) -> Result<Vec<UnansweredLine>, Failure> {
    let address = here(web);
    let failed = |error: reqwest::Error| {
        Failure::because(format!(
            "no running server answers at http://{address}/unanswered, and only it knows: {}",
            error.without_url()
        ))
    };
    let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().map_err(failed)?;
    let said = client.get(format!("http://{address}/unanswered")).send().await.map_err(failed)?;
    let text = said.error_for_status().map_err(failed)?.text().await.map_err(failed)?;
    serde_json::from_str(&text)
        .map_err(|error| Failure::because(format!("what answers at http://{address} is not this program: {error}")))
}

/// An address at which a server that listens on `web` is reached from here.
fn here(web: SocketAddr) -> SocketAddr {
    let loopback = match web.ip() {
        IpAddr::V4(address) if address.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(address) if address.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        address => address,
    };
    SocketAddr::new(loopback, web.port())
}

#[derive(Serialize)]
struct Row {
    source: String,
    router: String,
    reason: String,
    count: u64,
    first: String,
    last: String,
    hint: String,
    #[serde(skip)]
    shown_first: String,
    #[serde(skip)]
    shown_last: String,
}

impl Row {
    fn of(line: UnansweredLine, times: &Times) -> Self {
        let (first, last) = (Timestamp::from_millis(line.first_ms), Timestamp::from_millis(line.last_ms));
        Self {
            source: line.source,
            router: line.router,
            reason: line.reason,
            count: line.count,
            first: rfc3339(first),
            last: rfc3339(last),
            hint: line.hint,
            shown_first: times.show(first),
            shown_last: times.show(last),
        }
    }
}

impl Line for Row {
    const HEADS: &'static [&'static str] = &["SOURCE", "ROUTER", "REASON", "PACKETS", "FIRST", "LAST", "WHAT TO DO"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.source.clone(),
            self.router.clone(),
            self.reason.clone(),
            self.count.to_string(),
            self.shown_first.clone(),
            self.shown_last.clone(),
            self.hint.clone(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_listens_everywhere_is_asked_on_loopback() {
        let check = |web: &str, expected: &str| assert_eq!(here(web.parse().unwrap()).to_string(), expected);
        check("0.0.0.0:8080", "127.0.0.1:8080");
        check("[::]:8080", "[::1]:8080");
        check("192.0.2.10:80", "192.0.2.10:80");
    }
}
