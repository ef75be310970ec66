//! Accounts that a router keeps: `/ppp/secret` and the users of the User Manager.
//!
//! Names are bytes and case-sensitive on the router. What a password looks like to an API user without the policy
//! `sensitive` is not documented, so every way is taken for hidden: absent, empty, or stars; see [`passwords_seen`].

use std::collections::BTreeSet;

use super::link::Link;
use super::user_manager::{self, Generation};
use super::value;
use crate::domain::account::name_key;
use crate::gate::router_api::{AccountChange, ApiFault, Menu, NewRouterAccount, RouterAccount, Seen};
use crate::proto::routeros::{Row, Sentence};
use crate::secret::Secret;

/// The words of one menu of accounts.
#[derive(Debug, Clone, Copy)]
struct Words {
    menu: Menu,
    path: &'static str,
    /// The property that is the name.
    name: &'static str,
    /// The property that an account takes its settings from, where it is one of the account.
    profile: Option<&'static str>,
    /// The others, which may be set.
    properties: &'static str,
    /// For an old User Manager: its accounts belong to a customer.
    generation: Option<Generation>,
}

const SECRETS: Words = Words {
    menu: Menu::Secret,
    path: "/ppp/secret",
    name: "name",
    profile: Some("profile"),
    properties: "service,caller-id,profile,local-address,remote-address,routes,ipv6-routes,remote-ipv6-prefix,\
                 limit-bytes-in,limit-bytes-out",
    generation: None,
};

const USERS: Words = Words {
    menu: Menu::UserManager,
    path: Generation::New.users(),
    name: Generation::New.name(),
    profile: Some("group"),
    properties: "group,shared-users,caller-id,attributes",
    generation: Some(Generation::New),
};

const OLD_USERS: Words = Words {
    menu: Menu::UserManager,
    path: Generation::Old.users(),
    name: Generation::Old.name(),
    profile: None,
    properties: "customer,shared-users,caller-id,ip-address,actual-profile",
    generation: Some(Generation::Old),
};

impl Words {
    async fn of(link: &Link, menu: Menu) -> Result<Self, ApiFault> {
        match menu {
            Menu::Secret => Ok(SECRETS),
            Menu::UserManager => Ok(match user_manager::of(link).await? {
                Generation::New => USERS,
                Generation::Old => OLD_USERS,
            }),
        }
    }

    fn command(&self, verb: &str) -> Sentence {
        Sentence::command(format!("{}/{verb}", self.path))
    }
}

/// Every account of one menu.
pub(super) async fn all(link: &Link, menu: Menu) -> Result<Vec<RouterAccount>, ApiFault> {
    let words = Words::of(link, menu).await?;
    let properties = format!(".id,{},password,disabled,comment,{}", words.name, words.properties);
    let print = words.command("print").with(".proplist", properties);
    let mut accounts = link.rows(print, move |row| Some(of(row, &words))).await?;
    passwords_seen(link, &mut accounts).await?;
    Ok(accounts)
}

fn of(row: &Row, words: &Words) -> RouterAccount {
    let known = [".id", words.name, "password", "disabled", "comment"];
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let others = row.values().filter(|(_, value)| !value.is_empty()).map(|(name, value)| (text(name), text(value)));
    RouterAccount {
        menu: words.menu,
        id: value::id(row),
        name: value::bytes(row, words.name),
        password: match row.value("password") {
            None => Seen::Hidden,
            Some([]) => Seen::Empty,
            Some(password) => Seen::Password(Secret::new(password)),
        },
        switch: value::switch(row),
        comment: value::bytes(row, "comment"),
        properties: others.filter(|(name, _)| !known.contains(&name.as_str())).collect(),
    }
}

/// Whether the API user may see passwords.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sight {
    Sees,
    DoesNot,
    /// The router does not tell.
    Unknown,
}

/// Says what the passwords that are absent, empty or stars are. One password in clear proves that all are seen, and then
/// what is absent is empty; else the policy of the API user's group says it.
async fn passwords_seen(link: &Link, accounts: &mut [RouterAccount]) -> Result<(), ApiFault> {
    let is_clear =
        |account: &RouterAccount| matches!(&account.password, Seen::Password(password) if !is_stars(password));
    if accounts.is_empty() {
        return Ok(());
    }
    let sight = if accounts.iter().any(is_clear) { Sight::Sees } else { sight(link).await? };
    for account in accounts {
        let seen = std::mem::replace(&mut account.password, Seen::Hidden);
        account.password = as_seen(seen, sight);
    }
    Ok(())
}

fn as_seen(shown: Seen, sight: Sight) -> Seen {
    match (sight, shown) {
        (Sight::Sees, Seen::Hidden) => Seen::Empty,
        (Sight::DoesNot, _) => Seen::Hidden,
        (Sight::Unknown, Seen::Password(password)) if is_stars(&password) => Seen::Hidden,
        (Sight::Sees | Sight::Unknown, shown) => shown,
    }
}

fn is_stars(password: &Secret) -> bool {
    password.expose().iter().all(|byte| *byte == b'*')
}

async fn sight(link: &Link) -> Result<Sight, ApiFault> {
    let user = Sentence::command("/user/print").with(".proplist", "name,group");
    let name = link.api.user.clone();
    let mine =
        move |row: &Row| row.value("name").filter(|found| *found == name.as_bytes()).and(value::text(row, "group"));
    let group = match link.rows(user, mine).await {
        Ok(groups) => groups.into_iter().next(),
        Err(fault) if fault.is_passing() => return Err(fault),
        Err(_) => None,
    };
    let Some(group) = group else { return Ok(Sight::Unknown) };
    let groups = Sentence::command("/user/group/print").with(".proplist", "name,policy");
    let policy = move |row: &Row| row.text("name").filter(|name| *name == group).and(value::text(row, "policy"));
    match link.rows(groups, policy).await {
        Ok(policies) => Ok(policies.first().map_or(Sight::Unknown, |policy| sight_by(policy))),
        Err(fault) if fault.is_passing() => Err(fault),
        Err(_) => Ok(Sight::Unknown),
    }
}

/// `local,read,!sensitive,…`
fn sight_by(policy: &str) -> Sight {
    match policy.split(',').any(|word| word.trim() == "sensitive") {
        true => Sight::Sees,
        false => Sight::DoesNot,
    }
}

/// Those of these names, whatever the case of their letters. The router could not compare so: the names are read.
pub(super) async fn named(link: &Link, menu: Menu, names: &[String]) -> Result<Vec<RouterAccount>, ApiFault> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let words = Words::of(link, menu).await?;
    let properties = format!(".id,{},disabled,comment,{}", words.name, words.properties);
    let keys: BTreeSet<String> = names.iter().map(|name| name_key(name)).collect();
    let read = move |row: &Row| {
        let name = row.text(words.name)?;
        keys.contains(&name_key(&name)).then(|| of(row, &words))
    };
    link.rows(words.command("print").with(".proplist", properties), read).await
}

/// Makes an account.
pub(super) async fn add(link: &Link, new: &NewRouterAccount) -> Result<(), ApiFault> {
    let words = Words::of(link, new.menu).await?;
    let mut add = words
        .command("add")
        .with(words.name, &new.name)
        .with("password", new.password.expose())
        .with("comment", &new.comment)
        .with("disabled", value::disabled(new.switch));
    let customer = match words.generation {
        Some(Generation::Old) => Some(user_manager::customer(link).await?),
        Some(Generation::New) | None => None,
    };
    if let Some(customer) = &customer {
        add = add.with("customer", customer);
    }
    if let Some((property, profile)) = words.profile.zip(new.profile.as_ref()) {
        add = add.with(property, profile);
    }
    let id = link.act(add).await?;
    match (customer, &new.profile, id) {
        (Some(customer), Some(profile), Some(id)) => activate(link, &id, &customer, profile).await,
        _ => Ok(()),
    }
}

/// In an old User Manager a profile is given by a command of its own. An account that does not get it is taken back.
async fn activate(link: &Link, id: &[u8], customer: &str, profile: &str) -> Result<(), ApiFault> {
    let activate = OLD_USERS
        .command("create-and-activate-profile")
        .with("numbers", id)
        .with("customer", customer)
        .with("profile", profile);
    let Err(fault) = link.act(activate).await else { return Ok(()) };
    if let Err(error) = link.act(OLD_USERS.command("remove").with(".id", id)).await {
        tracing::warn!(%error, "an account without its profile stays in the router's User Manager");
    }
    Err(fault)
}

/// Changes the account of exactly this name.
pub(super) async fn change(link: &Link, menu: Menu, name: &[u8], change: &AccountChange) -> Result<(), ApiFault> {
    let words = Words::of(link, menu).await?;
    let ids = find(link, &words, name).await?;
    let set = |id: &String| words.command("set").with(".id", id);
    if let AccountChange::Switch(to) = change {
        // Two of a name can be there, for two services: one person's, so both are switched.
        for id in &ids {
            link.act(set(id).with("disabled", value::disabled(*to))).await?;
        }
        return Ok(());
    }
    let [id] = ids.as_slice() else { return Err(ApiFault::Ambiguous(shown(name))) };
    let command = match change {
        AccountChange::Switch(_) => return Ok(()),
        AccountChange::Password(password) => set(id).with("password", password.expose()),
        AccountChange::Retire { name } => set(id).with(words.name, name).with("disabled", "yes"),
        AccountChange::Remove => words.command("remove").with(".id", id),
    };
    link.act(command).await.map(drop)
}

/// The rows of exactly this name, one at least.
async fn find(link: &Link, words: &Words, name: &[u8]) -> Result<Vec<String>, ApiFault> {
    let query = [b"?", words.name.as_bytes(), b"=", name].concat();
    let print = words.command("print").with(".proplist", format!(".id,{}", words.name)).query(query);
    let (wanted, property) = (name.to_vec(), words.name);
    let ids = link.rows(print, move |row| (row.value(property) == Some(&wanted)).then(|| value::id(row))).await?;
    if ids.is_empty() { Err(ApiFault::Gone(shown(name))) } else { Ok(ids) }
}

fn shown(name: &[u8]) -> String {
    super::fault::short(&format!("the account {}", String::from_utf8_lossy(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(text: &str) -> Seen {
        Seen::Password(Secret::new(text))
    }

    #[test]
    fn what_is_not_shown_is_hidden_or_empty_by_what_the_user_may_see() {
        assert_eq!(as_seen(Seen::Hidden, Sight::Sees), Seen::Empty);
        assert_eq!(as_seen(password("***"), Sight::Sees), password("***"));
        assert_eq!(as_seen(Seen::Empty, Sight::DoesNot), Seen::Hidden);
        assert_eq!(as_seen(password("***"), Sight::DoesNot), Seen::Hidden);
        assert_eq!(as_seen(Seen::Hidden, Sight::Unknown), Seen::Hidden);
        assert_eq!(as_seen(password("*****"), Sight::Unknown), Seen::Hidden);
        assert_eq!(as_seen(Seen::Empty, Sight::Unknown), Seen::Empty);
    }

    #[test]
    fn the_policy_is_read_as_words() {
        assert_eq!(sight_by("local,read,sensitive,api"), Sight::Sees);
        assert_eq!(sight_by("local,read,!sensitive,api"), Sight::DoesNot);
        assert_eq!(sight_by("read,api"), Sight::DoesNot);
    }
}
