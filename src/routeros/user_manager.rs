//! Which User Manager a router has, and what its words are.

use super::link::Link;
use super::value;
use crate::gate::router_api::ApiFault;
use crate::proto::routeros::Sentence;

/// The menus of a User Manager: RouterOS 7 has a new one, with new words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Generation {
    /// `/user-manager`
    New,
    /// `/tool/user-manager` of RouterOS 6.
    Old,
}

impl Generation {
    /// The menu of accounts.
    pub(super) const fn users(self) -> &'static str {
        match self {
            Self::New => "/user-manager/user",
            Self::Old => "/tool/user-manager/user",
        }
    }

    /// The menu of its records of connections.
    pub(super) const fn sessions(self) -> &'static str {
        match self {
            Self::New => "/user-manager/session",
            Self::Old => "/tool/user-manager/session",
        }
    }

    /// The property that is an account's name.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::New => "name",
            Self::Old => "username",
        }
    }
}

/// The router's User Manager; [`ApiFault::NoMenu`] if there is none. Looked for once for each connection.
pub(super) async fn of(link: &Link) -> Result<Generation, ApiFault> {
    let known = link.shared.known().user_manager;
    let found = match known {
        Some(known) => known,
        None => {
            let found = look(link).await?;
            link.shared.known().user_manager = Some(found);
            found
        }
    };
    found.ok_or_else(|| ApiFault::NoMenu("/user-manager".to_owned()))
}

async fn look(link: &Link) -> Result<Option<Generation>, ApiFault> {
    for generation in [Generation::New, Generation::Old] {
        // No row has this id: the question is only whether there is the menu.
        let print =
            Sentence::command(format!("{}/print", generation.users())).with(".proplist", ".id").query("?.id=*0");
        match link.act(print).await {
            Ok(_) => return Ok(Some(generation)),
            Err(ApiFault::NoMenu(_)) => {}
            Err(fault) => return Err(fault),
        }
    }
    Ok(None)
}

/// To whom accounts of an old User Manager belong: its first customer, mostly `admin`.
pub(super) async fn customer(link: &Link) -> Result<String, ApiFault> {
    if let Some(customer) = link.shared.known().customer.clone() {
        return Ok(customer);
    }
    let print = Sentence::command("/tool/user-manager/customer/print").with(".proplist", "login,disabled");
    let customers = link.rows(print, |row| value::text(row, "login").filter(|_| !row.is("disabled"))).await?;
    let customer =
        customers.into_iter().next().ok_or_else(|| ApiFault::Refused("its User Manager has no customer".to_owned()))?;
    link.shared.known().customer = Some(customer.clone());
    Ok(customer)
}
