//! Leases: entries of an address list with a timeout, which live in the router's memory and end by themselves.
//!
//! An entry of the same list without our comment is an operator's: never changed, never removed.

use std::net::IpAddr;
use std::time::Duration;

use super::fault;
use super::link::Link;
use super::value;
use crate::gate::router_api::{ApiFault, LEASE_COMMENT, LEASE_LIST, LeaseEntry};
use crate::proto::routeros::{Row, Sentence};

/// The longest timeout that RouterOS takes: 35w3d13h13m56s.
const LONGEST: Duration = Duration::from_secs(21_474_836);
/// A shorter one would be none at all, and the entry for ever.
const SHORTEST: Duration = Duration::from_secs(1);
/// How often an entry may come and go between a look and a change before it is left.
const ROUNDS: usize = 3;

/// The list, IPv4 and, where the router has it, IPv6.
pub(super) async fn list(link: &Link) -> Result<Vec<LeaseEntry>, ApiFault> {
    let (v4, v6) = tokio::join!(link.rows(print("/ip"), of), link.rows(print("/ipv6"), of));
    let mut entries = v4?;
    match v6 {
        Ok(more) => entries.extend(more),
        Err(ApiFault::NoMenu(_)) => {}
        Err(fault) => return Err(fault),
    }
    Ok(entries)
}

/// The menu's place by the family of an address.
const fn root(address: IpAddr) -> &'static str {
    match address {
        IpAddr::V4(_) => "/ip",
        IpAddr::V6(_) => "/ipv6",
    }
}

fn menu(root: &str, verb: &str) -> Sentence {
    Sentence::command(format!("{root}/firewall/address-list/{verb}"))
}

fn print(root: &str) -> Sentence {
    menu(root, "print")
        .with(".proplist", ".id,list,address,timeout,comment")
        .query([b"?list=", LEASE_LIST.as_bytes()].concat())
}

fn of(row: &Row) -> Option<LeaseEntry> {
    let entry = LeaseEntry {
        id: value::id(row),
        address: value::text(row, "address").unwrap_or_default(),
        timeout: row.text("timeout").and_then(|text| value::duration(&text)),
        comment: value::bytes(row, "comment"),
    };
    (row.value("list") == Some(LEASE_LIST.as_bytes())).then_some(entry)
}

/// Makes or renews the entry of an address.
pub(super) async fn put(link: &Link, address: IpAddr, timeout: Duration, comment: &str) -> Result<(), ApiFault> {
    let address = address.to_canonical();
    let timeout = value::shown(timeout.clamp(SHORTEST, LONGEST));
    let mut last = ApiFault::Refused("the entry comes and goes".to_owned());
    for _ in 0..ROUNDS {
        let done = match find(link, address).await? {
            Some(entry) if is_ours(&entry) => renew(link, address, &entry, &timeout, comment).await,
            Some(_) => return Err(ApiFault::Refused(format!("{address} is in the list {LEASE_LIST} without us"))),
            None => add(link, address, &timeout, comment).await,
        };
        match done {
            Ok(()) => return Ok(()),
            // It ended, or another made it, between the look and the change.
            Err(fault) if matches!(fault, ApiFault::Gone(_)) || fault::is_taken(&fault) => last = fault,
            Err(fault) => return Err(fault),
        }
    }
    Err(last)
}

fn is_ours(entry: &LeaseEntry) -> bool {
    entry.comment.starts_with(LEASE_COMMENT.as_bytes())
}

async fn find(link: &Link, address: IpAddr) -> Result<Option<LeaseEntry>, ApiFault> {
    // RouterOS writes an IPv6 address of a list as a network of one.
    let print = print(root(address)).query(format!("?address={address}"));
    let print = match address {
        IpAddr::V4(_) => print,
        IpAddr::V6(_) => print.query(format!("?address={address}/128")).query("?#|"),
    };
    let read = move |row: &Row| of(row).filter(|entry| value::address(&entry.address) == Some(address));
    Ok(link.rows(print, read).await?.into_iter().next())
}

async fn add(link: &Link, address: IpAddr, timeout: &str, comment: &str) -> Result<(), ApiFault> {
    let add = menu(root(address), "add")
        .with("list", LEASE_LIST)
        .with("address", address.to_string())
        .with("timeout", timeout)
        .with("comment", comment);
    link.act(add).await.map(drop)
}

async fn renew(link: &Link, address: IpAddr, entry: &LeaseEntry, timeout: &str, comment: &str) -> Result<(), ApiFault> {
    let set = menu(root(address), "set").with(".id", &entry.id).with("timeout", timeout);
    let set = if entry.comment == comment.as_bytes() { set } else { set.with("comment", comment) };
    match (link.act(set).await, entry.timeout) {
        // An entry without a timeout does not become one with it: it is made anew.
        (Err(ApiFault::Refused(_)), None) => {
            remove(link, address, entry).await?;
            add(link, address, timeout, comment).await
        }
        (done, _) => done.map(drop),
    }
}

async fn remove(link: &Link, address: IpAddr, entry: &LeaseEntry) -> Result<(), ApiFault> {
    match link.act(menu(root(address), "remove").with(".id", &entry.id)).await {
        Ok(_) | Err(ApiFault::Gone(_)) => Ok(()),
        Err(fault) => Err(fault),
    }
}

/// Removes our entry of an address, if there is one.
pub(super) async fn drop_of(link: &Link, address: IpAddr) -> Result<(), ApiFault> {
    let address = address.to_canonical();
    match find(link, address).await {
        Ok(Some(entry)) if is_ours(&entry) => remove(link, address, &entry).await,
        // Not there, not ours, or no IPv6 on this router at all.
        Ok(_) | Err(ApiFault::NoMenu(_)) => Ok(()),
        Err(fault) => Err(fault),
    }
}
