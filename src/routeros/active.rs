//! Connections that are up: `/ppp/active`, and the sessions of the User Manager that it does not have.
//!
//! `/ppp/active` counts no octets: they are those of the dynamic interface `<l2tp-ann>`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::link::Link;
use super::user_manager::{self, Generation};
use super::value;
use crate::domain::account::is_same_name;
use crate::gate::router_api::{Active, AdmittedBy, ApiFault, Removed};
use crate::proto::routeros::{Row, Sentence};

/// Said of a connection that only an old User Manager knows.
const CANNOT_CLOSE: &str = "the User Manager of RouterOS 6 cannot end a connection that another router holds";
/// How often it is looked whether a removed connection is gone.
const LOOKS: usize = 5;

/// Every connection that is up.
pub(super) async fn list(link: &Link) -> Result<Vec<Active>, ApiFault> {
    let print = Sentence::command("/ppp/active/print")
        .with(".proplist", ".id,name,service,caller-id,address,uptime,session-id,radius");
    let (active, octets, sessions) =
        tokio::join!(link.rows(print, |row| Some(of_ppp(row))), octets(link), sessions(link, None));
    let (mut active, octets, sessions) = (active?, octets?, sessions?);
    count(&mut active, &octets);
    for session in sessions {
        match active.iter_mut().find(|active| is_same(active, &session)) {
            Some(active) => active.admitted = AdmittedBy::UserManager,
            None => active.push(session.active),
        }
    }
    Ok(active)
}

fn of_ppp(row: &Row) -> Active {
    Active {
        acct_session_id: acct_session_id(row, "session-id"),
        name: value::bytes(row, "name"),
        service: value::text(row, "service").unwrap_or_default(),
        caller: value::text(row, "caller-id"),
        address: row.text("address").and_then(|text| value::address(&text)),
        uptime: uptime(row),
        admitted: if row.is("radius") { AdmittedBy::Radius } else { AdmittedBy::Secret },
        octets: None,
    }
}

fn uptime(row: &Row) -> Duration {
    row.text("uptime").and_then(|text| value::duration(&text)).unwrap_or_default()
}

/// As RADIUS says it; the row's id where there is none.
fn acct_session_id(row: &Row, property: &str) -> String {
    let number = row.text(property).and_then(|text| value::session_number(&text));
    number.map_or_else(|| value::id(row), |number| format!("{number:08x}"))
}

/// Received and sent octets of dynamic interfaces, by their names.
type Octets = BTreeMap<Vec<u8>, (u64, u64)>;

/// A router that does not show its interfaces shows no octets; that is no fault.
async fn octets(link: &Link) -> Result<Octets, ApiFault> {
    let print = Sentence::command("/interface/print").with(".proplist", "name,rx-byte,tx-byte");
    let read = |row: &Row| {
        let name = row.value("name").filter(|name| name.starts_with(b"<"))?.to_vec();
        Some((name, (value::number(row, "rx-byte")?, value::number(row, "tx-byte")?)))
    };
    unless_hidden(link.rows(print, read).await.map(|rows| rows.into_iter().collect()))
}

/// What the router does not have, or does not show to us, is not there. Whatever else keeps it from answering must not look
/// as if connections had ended.
fn unless_hidden<T: Default>(found: Result<T, ApiFault>) -> Result<T, ApiFault> {
    match found {
        Err(ApiFault::NoMenu(_) | ApiFault::Forbidden(_)) => Ok(T::default()),
        found => found,
    }
}

/// The second connection of a name has an interface `<l2tp-ann-1>`, and which of both has which is not said: such a name,
/// and one that looks like it, gets no octets rather than another's.
fn count(active: &mut [Active], octets: &Octets) {
    let of = |active: &Active| [b"<", active.service.as_bytes(), b"-", &active.name, b">"].concat();
    let (mut once, mut more) = (BTreeSet::new(), BTreeSet::new());
    for interface in active.iter().map(of) {
        if !once.insert(interface.clone()) {
            more.insert(interface);
        }
    }
    for active in active {
        let interface = of(active);
        if !more.contains(&interface) && !without_number(&interface).is_some_and(|of_first| more.contains(&of_first)) {
            active.octets = octets.get(&interface).copied();
        }
    }
}

/// `<l2tp-ann>` of `<l2tp-ann-1>`.
fn without_number(interface: &[u8]) -> Option<Vec<u8>> {
    let inner = interface.strip_suffix(b">")?;
    let dash = inner.iter().rposition(|byte| *byte == b'-')?;
    let (base, number) = inner.split_at_checked(dash)?;
    let is_number = number.len() > 1 && number.iter().skip(1).all(u8::is_ascii_digit);
    is_number.then(|| [base, b">"].concat())
}

/// A session of the User Manager that is up.
struct Session {
    id: String,
    active: Active,
}

/// The sessions that are up, of one name if given.
async fn sessions(link: &Link, name: Option<&[u8]>) -> Result<Vec<Session>, ApiFault> {
    let generation = match user_manager::of(link).await {
        Ok(generation) => generation,
        Err(fault) => return unless_hidden(Err(fault)),
    };
    let properties = match generation {
        Generation::New => ".id,user,acct-session-id,calling-station-id,user-address,uptime,download,upload,active",
        Generation::Old => ".id,user,acct-session-id,calling-station-id,user-ip,uptime,download,upload,active",
    };
    // RouterOS 6 compares a switch with `yes`, RouterOS 7 with `true`.
    let mut print = Sentence::command(format!("{}/print", generation.sessions()))
        .with(".proplist", properties)
        .query("?active=true")
        .query("?active=yes")
        .query("?#|");
    if let Some(name) = name {
        print = print.query([b"?user=", name].concat());
    }
    let read = move |row: &Row| row.is("active").then(|| Session { id: value::id(row), active: of_user_manager(row) });
    unless_hidden(link.rows(print, read).await)
}

fn of_user_manager(row: &Row) -> Active {
    let address = row.text("user-address").or_else(|| row.text("user-ip"));
    Active {
        acct_session_id: acct_session_id(row, "acct-session-id"),
        name: value::bytes(row, "user"),
        service: String::new(),
        caller: value::text(row, "calling-station-id"),
        address: address.and_then(|text| value::address(&text)).filter(|address| !address.is_unspecified()),
        uptime: uptime(row),
        admitted: AdmittedBy::UserManager,
        octets: value::number(row, "upload").zip(value::number(row, "download")),
    }
}

/// By the number of the connection; an old User Manager may not have it, but a name and its tunnel address.
fn is_same(active: &Active, session: &Session) -> bool {
    let theirs = &session.active;
    let same_number = active.acct_session_id == theirs.acct_session_id;
    let has_number = theirs.acct_session_id != session.id;
    let same_address = !has_number && active.address.is_some() && active.address == theirs.address;
    active.name == theirs.name && (same_number || same_address)
}

/// Removes a connection, and looks whether it is gone.
pub(super) async fn remove(link: &Link, acct_session_id: &str, name: &[u8]) -> Result<Removed, ApiFault> {
    let removed = remove_from_ppp(link, acct_session_id, name).await?;
    match removed {
        Removed::Removed => Ok(Removed::Removed),
        Removed::Absent => close_in_user_manager(link, acct_session_id, name).await,
    }
}

async fn remove_from_ppp(link: &Link, acct_session_id: &str, name: &[u8]) -> Result<Removed, ApiFault> {
    let Some(id) = find(link, acct_session_id, name).await? else { return Ok(Removed::Absent) };
    match link.act(Sentence::command("/ppp/active/remove").with(".id", &id)).await {
        Ok(_) => {}
        Err(ApiFault::Gone(_)) => return Ok(Removed::Absent),
        Err(fault) => return Err(fault),
    }
    for _ in 0..LOOKS {
        if rows(link, Some(format!("?.id={id}").into_bytes()), acct_session_id, name).await?.is_empty() {
            return Ok(Removed::Removed);
        }
        tokio::time::sleep(link.pace.look).await;
    }
    Err(still_up())
}

fn still_up() -> ApiFault {
    ApiFault::Refused("the connection is still up after it was removed".to_owned())
}

/// The row of a connection: of this name, and with this number, or with this id where the router gives no numbers.
///
/// That it is not there is proof that it is down. So the whole list is looked through before that is said, since the name
/// may be written in another way there, and a row that may be it, but has no number, is not passed over.
async fn find(link: &Link, acct_session_id: &str, name: &[u8]) -> Result<Option<String>, ApiFault> {
    let mut found = Vec::new();
    for only in [Some([b"?name=", name].concat()), None] {
        found = rows(link, only, acct_session_id, name).await?;
        if let Some(it) = found.iter().find(|row| row.is_it) {
            return Ok(Some(it.id.clone()));
        }
    }
    if !found.is_empty() {
        return Err(ApiFault::Ambiguous("the router gives no number for a connection of this name".to_owned()));
    }
    Ok(None)
}

/// A row that is a connection that is looked for, or may be it.
struct Found {
    id: String,
    is_it: bool,
}

/// Those among the rows of this query step, or all.
async fn rows(link: &Link, only: Option<Vec<u8>>, acct_session_id: &str, name: &[u8]) -> Result<Vec<Found>, ApiFault> {
    let print = Sentence::command("/ppp/active/print").with(".proplist", ".id,name,session-id");
    let print = only.into_iter().fold(print, Sentence::query);
    let (wanted, name) = (as_ours(acct_session_id), name.to_vec());
    let read = move |row: &Row| {
        let id = value::id(row);
        let number = self::acct_session_id(row, "session-id");
        let is_it = number == wanted;
        let may_be = is_it || number == id;
        (may_be && is_same_name(row.value("name").unwrap_or_default(), &name)).then_some(Found { id, is_it })
    };
    link.rows(print, read).await
}

/// An Acct-Session-Id as this edge writes it, however it was written.
fn as_ours(acct_session_id: &str) -> String {
    value::session_number(acct_session_id).map_or_else(|| acct_session_id.to_owned(), |number| format!("{number:08x}"))
}

async fn close_in_user_manager(link: &Link, acct_session_id: &str, name: &[u8]) -> Result<Removed, ApiFault> {
    let Some((generation, id)) = find_session(link, acct_session_id, name).await? else { return Ok(Removed::Absent) };
    let close = match generation {
        Generation::New => Sentence::command("/user-manager/session/close-session").with("numbers", id),
        // It can only remove its record of the connection, which stays up.
        Generation::Old => return Err(ApiFault::Refused(CANNOT_CLOSE.to_owned())),
    };
    match link.act(close).await {
        Ok(_) => {}
        Err(ApiFault::Gone(_)) => return Ok(Removed::Absent),
        Err(fault) => return Err(fault),
    }
    // It asks the router that holds the connection, and that answers when it does.
    for _ in 0..LOOKS {
        if find_session(link, acct_session_id, name).await?.is_none() {
            return Ok(Removed::Removed);
        }
        tokio::time::sleep(link.pace.look).await;
    }
    Err(still_up())
}

async fn find_session(
    link: &Link,
    acct_session_id: &str,
    name: &[u8],
) -> Result<Option<(Generation, String)>, ApiFault> {
    let wanted = as_ours(acct_session_id);
    let is_it =
        |session: &Session| session.active.acct_session_id == wanted && is_same_name(&session.active.name, name);
    for only in [Some(name), None] {
        if let Some(session) = sessions(link, only).await?.into_iter().find(is_it) {
            return Ok(Some((user_manager::of(link).await?, session.id)));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::routeros::Reply;

    fn row(words: &[(&str, &str)]) -> Row {
        let sentence = words.iter().fold(Sentence::reply("!re"), |row, (name, value)| row.with(name, value));
        let Ok(Reply::Row(row)) = Reply::parse(sentence) else { panic!("not a row") };
        row
    }

    fn active(name: &str) -> Active {
        of_ppp(&row(&[(".id", "*1"), ("name", name), ("service", "l2tp")]))
    }

    #[test]
    fn a_row_says_who_is_connected() {
        let ivan = of_ppp(&row(&[
            (".id", "*8000000A"),
            ("name", "ivan"),
            ("service", "l2tp"),
            ("caller-id", "203.0.113.7"),
            ("address", "10.8.0.5"),
            ("uptime", "4h20m11s"),
            ("session-id", "0x81A00001"),
            ("radius", "true"),
        ]));
        assert_eq!(ivan.acct_session_id, "81a00001");
        assert_eq!((ivan.caller.as_deref(), ivan.address), (Some("203.0.113.7"), Some([10, 8, 0, 5].into())));
        assert_eq!((ivan.uptime, ivan.admitted), (Duration::from_secs(15_611), AdmittedBy::Radius));
        let bare = of_ppp(&row(&[(".id", "*8"), ("name", "ann"), ("caller-id", ""), ("radius", "false")]));
        assert_eq!((bare.acct_session_id.as_str(), bare.caller, bare.admitted), ("*8", None, AdmittedBy::Secret));
    }

    #[test]
    fn octets_are_those_of_the_only_connection_of_a_name() {
        let octets: Octets = ["<l2tp-ann>", "<l2tp-bob>", "<l2tp-bob-1>", "<l2tp-eve-1>"]
            .iter()
            .zip(1..)
            .map(|(name, count)| (name.as_bytes().to_vec(), (count, count)))
            .collect();
        let mut all = [active("ann"), active("bob"), active("bob"), active("bob-1"), active("eve-1"), active("zed")];
        count(&mut all, &octets);
        let counted: Vec<_> = all.iter().map(|active| active.octets).collect();
        assert_eq!(counted, [Some((1, 1)), None, None, None, Some((4, 4)), None]);
    }

    #[test]
    fn a_session_of_the_user_manager_is_the_same_connection_by_number_or_address() {
        let session = |number: &str, address: &str| {
            let of = row(&[(".id", "*1C"), ("user", "ivan"), ("acct-session-id", number), ("user-ip", address)]);
            Session { id: value::id(&of), active: of_user_manager(&of) }
        };
        let mut ivan = active("ivan");
        ivan.acct_session_id = "81a00001".to_owned();
        ivan.address = Some([10, 8, 0, 5].into());
        assert!(is_same(&ivan, &session("81a00001", "")));
        assert!(is_same(&ivan, &session("", "10.8.0.5")));
        assert!(!is_same(&ivan, &session("81a00002", "10.8.0.5")));
        assert!(!is_same(&ivan, &session("", "10.8.0.6")));
        assert!(!is_same(&active("ann"), &session("81a00001", "")));
    }
}
