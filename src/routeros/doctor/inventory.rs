//! What a router says of itself, menu by menu, and how it is read.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::super::command::{Ask, Console, Row, id};
use super::value::addresses;
use crate::domain::router::{Router, Scheme};
use crate::gate::router_api::{ApiFault, LEASE_LIST};

/// `/system/resource`
pub const RESOURCE: &str = "/system/resource";
/// `/system/clock`
pub const CLOCK: &str = "/system/clock";
/// `/system/ntp/client`
pub const NTP: &str = "/system/ntp/client";
/// `/system/package`
pub const PACKAGE: &str = "/system/package";
/// `/user`
pub const USER: &str = "/user";
/// `/user/group`
pub const GROUP: &str = "/user/group";
/// `/ip/service`
pub const SERVICE: &str = "/ip/service";
/// `/ppp/aaa`
pub const AAA: &str = "/ppp/aaa";
/// `/ppp/secret`
pub const SECRET: &str = "/ppp/secret";
/// `/ppp/profile`
pub const PROFILE: &str = "/ppp/profile";
/// `/radius`
pub const RADIUS: &str = "/radius";
/// `/radius/monitor` of the entries with our address
pub const MONITOR: &str = "/radius/monitor";
/// `/radius/incoming`
pub const INCOMING: &str = "/radius/incoming";
/// `/ip/firewall/filter`
pub const FILTER: &str = "/ip/firewall/filter";
/// `/ip/firewall/address-list`, of our list alone
pub const ADDRESS_LIST: &str = "/ip/firewall/address-list";
/// The servers of the VPN kinds that PPP speaks, and the kind's name.
pub const SERVERS: [(&str, &str); 5] = [
    ("/interface/l2tp-server/server", "l2tp"),
    ("/interface/sstp-server/server", "sstp"),
    ("/interface/pptp-server/server", "pptp"),
    ("/interface/ovpn-server/server", "ovpn"),
    ("/interface/pppoe-server/server", "pppoe"),
];

/// What is read of a server. A singleton has `enabled`, a row `disabled`.
const OF_SERVER: &str = ".id,name,service-name,enabled,disabled,authentication,default-profile,certificate";

/// Whether a router lacks a menu in good order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    /// Without it, something cannot be judged.
    Always,
    /// Of a package or version that this router has not.
    WhereThereIs,
}

/// A menu, and what is read of it. Never a password or secret: names are enough. A router passes over names that its version
/// does not know: clients that ask 6.49 and 7 for the same lists live by it.
struct Wanted {
    menu: &'static str,
    properties: &'static str,
    need: Need,
}

const fn wanted(menu: &'static str, properties: &'static str) -> Wanted {
    Wanted { menu, properties, need: Need::Always }
}

const fn optional(menu: &'static str, properties: &'static str) -> Wanted {
    Wanted { menu, properties, need: Need::WhereThereIs }
}

/// Read of every router.
const COMMON: &[Wanted] = &[
    wanted(RESOURCE, "version"),
    wanted(CLOCK, "date,time,gmt-offset"),
    optional(NTP, "enabled"),
    wanted(USER, "name,group,disabled"),
    wanted(GROUP, "name,policy"),
    wanted(SERVICE, "name,address,disabled,dynamic"),
    wanted(PROFILE, "name,only-one,interface-list"),
    wanted(FILTER, FILTER_PROPERTIES),
];

/// Read of a router that asks us.
const OF_RADIUS: &[Wanted] = &[
    wanted(AAA, "use-radius,accounting,interim-update"),
    wanted(
        RADIUS,
        ".id,service,address,authentication-port,accounting-port,timeout,protocol,require-message-auth,src-address,called-id,domain,accounting-backup,disabled",
    ),
    wanted(INCOMING, "accept,port"),
    wanted(SECRET, ".id,name,disabled"),
];

/// Read of a router that decides by its own accounts.
const OF_API: &[Wanted] = &[wanted(PACKAGE, "name,disabled,available")];

/// A rule, with everything that it may ask of a packet: without all of it a rule for some packets would look like one for
/// all.
const FILTER_PROPERTIES: &str = ".id,chain,action,comment,disabled,invalid,dynamic,jump-target,connection-bytes,connection-limit,\
    connection-mark,connection-nat-state,connection-rate,connection-state,connection-type,content,dscp,\
    dst-address,dst-address-list,dst-address-type,dst-limit,dst-port,fragment,hotspot,icmp-options,\
    in-bridge-port,in-bridge-port-list,in-interface,in-interface-list,ingress-priority,ipsec-policy,\
    ipv4-options,layer7-protocol,limit,nth,out-bridge-port,out-bridge-port-list,out-interface,\
    out-interface-list,p2p,packet-mark,packet-size,per-connection-classifier,port,priority,protocol,psd,random,\
    realm,routing-mark,routing-table,src-address,src-address-list,src-address-type,src-mac-address,src-port,\
    tcp-flags,tcp-mss,time,tls-host,ttl";

/// What a rule is, as against what it asks of a packet.
pub const NOT_MATCHERS: [&str; 8] =
    [".id", "chain", "action", "comment", "disabled", "invalid", "dynamic", "jump-target"];

/// Everything that was read: per menu its rows, or why there are none.
#[derive(Debug, Clone, Default)]
pub struct Inventory(BTreeMap<&'static str, Result<Vec<Row>, ApiFault>>);

impl Inventory {
    /// The rows of a menu, in the router's order; `None` if it was not read.
    pub fn rows(&self, menu: &str) -> Option<&[Row]> {
        self.0.get(menu)?.as_deref().ok()
    }

    /// The row of a menu that has one.
    pub fn row(&self, menu: &str) -> Option<&Row> {
        self.rows(menu)?.first()
    }

    /// What was not read, and why; a menu that ought to say something and does not, too.
    pub fn unread(&self) -> impl Iterator<Item = (&'static str, &ApiFault)> {
        self.0.iter().filter_map(|(menu, read)| read.as_ref().err().map(|fault| (*menu, fault)))
    }

    /// Puts what a menu says.
    pub fn put(&mut self, menu: &'static str, read: Result<Vec<Row>, ApiFault>) {
        self.0.insert(menu, read);
    }
}

/// Menus with one row, which a router never leaves out.
const SINGLE: [&str; 4] = [RESOURCE, CLOCK, AAA, INCOMING];

/// Reads what is needed to judge this router.
///
/// # Errors
/// What stops everything: the router is out of reach, or lets us not in. What concerns one menu stands in the inventory.
pub async fn read(console: &dyn Console, router: &Router, server: IpAddr) -> Result<Inventory, ApiFault> {
    let of_scheme = match router.scheme {
        Scheme::Radius => OF_RADIUS,
        Scheme::Api => OF_API,
    };
    let servers = SERVERS.iter().map(|(menu, _)| optional(menu, OF_SERVER)).collect::<Vec<_>>();
    let mut inventory = Inventory::default();
    for wanted in COMMON.iter().chain(of_scheme).chain(&servers) {
        let read = console.ask(router, &Ask::print(wanted.menu, wanted.properties)).await;
        match (of_menu(read)?, wanted.need) {
            (Err(ApiFault::NoMenu(_)), Need::WhereThereIs) => inventory.put(wanted.menu, Ok(Vec::new())),
            (Ok(rows), _) if rows.is_empty() && SINGLE.contains(&wanted.menu) => {
                inventory.put(wanted.menu, Err(ApiFault::Refused("the menu is empty".to_owned())));
            }
            (read, Need::Always | Need::WhereThereIs) => inventory.put(wanted.menu, read),
        }
    }
    let list = Ask::print(ADDRESS_LIST, ".id,list,address,dynamic,disabled").only("list", LEASE_LIST);
    inventory.put(ADDRESS_LIST, of_menu(console.ask(router, &list).await)?);
    if inventory.rows(RADIUS).is_some() {
        let counters = counters(console, router, &inventory, server).await?;
        inventory.put(MONITOR, counters);
    }
    Ok(inventory)
}

/// The counters of the entries with our address.
async fn counters(
    console: &dyn Console,
    router: &Router,
    inventory: &Inventory,
    server: IpAddr,
) -> Result<Result<Vec<Row>, ApiFault>, ApiFault> {
    let mut counters = Vec::new();
    for entry in inventory.rows(RADIUS).unwrap_or_default().iter().filter(|entry| addresses(entry, server)) {
        let Some(id) = id(entry) else { continue };
        let ask = Ask::new(RADIUS, "monitor").with("numbers", id).with("once", "");
        match of_menu(console.ask(router, &ask).await)? {
            Ok(rows) => counters.extend(rows),
            Err(fault) => return Ok(Err(fault)),
        }
    }
    Ok(Ok(counters))
}

/// What concerns one menu, apart from what stops everything.
fn of_menu(read: Result<Vec<Row>, ApiFault>) -> Result<Result<Vec<Row>, ApiFault>, ApiFault> {
    match read {
        Ok(rows) => Ok(Ok(rows)),
        Err(
            fault @ (ApiFault::Forbidden(_)
            | ApiFault::NoMenu(_)
            | ApiFault::Gone(_)
            | ApiFault::Ambiguous(_)
            | ApiFault::Refused(_)),
        ) => Ok(Err(fault)),
        Err(
            fault @ (ApiFault::Off
            | ApiFault::Unreachable(_)
            | ApiFault::NoCertificate
            | ApiFault::NotTrusted(_)
            | ApiFault::LogIn(_)
            | ApiFault::OldLogIn),
        ) => Err(fault),
    }
}
