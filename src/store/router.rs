//! Routers and their boxes in SQL.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::error::{Result, StoreError};
use super::field::{Fields, each};
use super::{Keys, Noun, Reader, Tx, attribute, change};
use crate::clock::Timestamp;
use crate::crypto::seal::Place;
use crate::domain::account::name_key;
use crate::domain::api::{Api, OldLogIn, Trust};
use crate::domain::attribute::{ReplyAttributes, Subject};
use crate::domain::home::Home;
use crate::domain::id::{NasId, RouterId};
use crate::domain::radsec::{Certificate, KnownBy};
use crate::domain::router::{
    Demand, Leases, Nas, NasKey, OldSecret, Router, Scheme, SecretAge, SecretSeen, Signs, shown_network, source_network,
};
use crate::secret::Secret;

const SECRET: &str = "sealed_secret";
const OLD_SECRET: &str = "sealed_old_secret";
const API_PASSWORD: &str = "sealed_api_password";
const HOME_SECRET: &str = "sealed_home_secret";

/// All routers and boxes, read at one time.
#[derive(Debug, Clone)]
pub struct Routers {
    /// All changes up to this number are in it.
    pub as_of: i64,
    /// The routers, by name.
    pub routers: Vec<Router>,
    /// The boxes.
    pub nas: Vec<Nas>,
}

/// A line of the list of boxes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NasLine {
    /// The box.
    pub nas: Nas,
    /// Its router's name.
    pub router: String,
    /// Our address that it sends to.
    pub server: Option<IpAddr>,
    /// How it last called over RadSec, if it ever did.
    pub radsec: Option<RadsecCall>,
    /// Since when it was seen to sign its requests.
    pub signs_since: Option<Timestamp>,
}

/// How a box last called over RadSec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RadsecCall {
    /// The name in its certificate; empty if it has none.
    pub name: String,
    /// Where it called from: the address that it has now, as far as is known.
    pub address: IpAddr,
    /// When that connection came up.
    pub at: Timestamp,
}

impl NasLine {
    /// The box in words: its address and what it is called.
    pub fn shown(&self) -> String {
        let NasKey { address, identifier, .. } = &self.nas.key;
        crate::text::one_line(&format!("{address} {identifier}")).trim_end().to_owned()
    }
}

/// Where a router's packets come from, as one column says it, which is unique: the network, and behind a space the
/// NAS-Identifier that tells it from others there.
fn origin(address: ipnet::IpNet, nas_identifier: Option<&str>) -> String {
    match nas_identifier {
        Some(identifier) => format!("{} {identifier}", shown_network(address)),
        None => shown_network(address),
    }
}

fn read_origin(text: &str) -> Option<(ipnet::IpNet, Option<String>)> {
    match text.split_once(' ') {
        Some((network, identifier)) => Some((source_network(network).ok()?, Some(identifier.to_owned()))),
        None => Some((source_network(text).ok()?, None)),
    }
}

fn read(row: &AnyRow, keys: &Keys, attributes: &mut HashMap<i64, ReplyAttributes>) -> Result<Router> {
    let fields = Fields::of("routers", row);
    let id = fields.int("id")?;
    let (address, nas_identifier) = fields.word("address", read_origin)?;
    Ok(Router {
        id: RouterId(id),
        name: fields.text("name")?,
        address,
        nas_identifier,
        secret: keys.open(&fields.bytes(SECRET)?, place(id, SECRET))?,
        old_secret: read_old_secret(&fields, id, keys)?,
        coa_port: u16::try_from(fields.int("coa_port")?).map_err(|_| fields.corrupt("coa_port"))?,
        message_authenticator: fields.word("message_authenticator", Demand::from_word)?,
        scheme: fields.word("scheme", Scheme::from_word)?,
        api: read_api(&fields, id, keys)?,
        leases: if fields.flag("leases")? { Leases::On } else { Leases::Off },
        version: fields.int("version")?,
        attributes: Arc::new(attributes.remove(&id).unwrap_or_default()),
        home: read_home(&fields, id, keys)?.map(Arc::new),
        radsec: match (fields.maybe_parsed("radsec_fingerprint")?, fields.maybe_text("radsec_name")?) {
            (Some(fingerprint), _) => Some(KnownBy::Fingerprint(fingerprint)),
            (None, name) => name.map(KnownBy::Name),
        },
    })
}

fn read_old_secret(fields: &Fields<'_>, id: i64, keys: &Keys) -> Result<Option<OldSecret>> {
    let (Some(sealed), Some(until)) = (fields.maybe_bytes(OLD_SECRET)?, fields.maybe_time("old_secret_until")?) else {
        return Ok(None);
    };
    Ok(Some(OldSecret { secret: keys.open(&sealed, place(id, OLD_SECRET))?, until }))
}

fn read_api(fields: &Fields<'_>, id: i64, keys: &Keys) -> Result<Option<Api>> {
    let (Some(address), Some(user), Some(sealed)) =
        (fields.maybe_parsed("api_address")?, fields.maybe_text("api_user")?, fields.maybe_bytes(API_PASSWORD)?)
    else {
        return Ok(None);
    };
    let trust = match fields.text("api_trust")?.as_str() {
        "plain" => Trust::Plain,
        "pinned" => Trust::Pinned(fields.maybe_parsed("api_fingerprint")?),
        "authority" => {
            Trust::Authority(fields.maybe_text("api_authority")?.ok_or_else(|| fields.corrupt("api_authority"))?)
        }
        _ => return Err(fields.corrupt("api_trust")),
    };
    let old_log_in = if fields.flag("api_old_log_in")? { OldLogIn::Allowed } else { OldLogIn::Refused };
    let password = keys.open(&sealed, place(id, API_PASSWORD))?;
    Ok(Some(Api { address, user, password, trust, old_log_in }))
}

fn read_home(fields: &Fields<'_>, id: i64, keys: &Keys) -> Result<Option<Home>> {
    let (Some(address), Some(sealed)) = (fields.maybe_parsed("home_address")?, fields.maybe_bytes(HOME_SECRET)?) else {
        return Ok(None);
    };
    let timeout_ms = u64::try_from(fields.int("home_timeout_ms")?).map_err(|_| fields.corrupt("home_timeout_ms"))?;
    Ok(Some(Home {
        address,
        secret: keys.open(&sealed, place(id, HOME_SECRET))?,
        timeout: Duration::from_millis(timeout_ms),
        message_authenticator: fields.word("home_message_authenticator", Demand::from_word)?,
    }))
}

const fn place(row: i64, column: &'static str) -> Place {
    Place { table: "routers", row, column }
}

fn read_nas(row: &AnyRow) -> Result<Nas> {
    let fields = Fields::of("nas", row);
    let signs = fields.maybe_int("signs_since")?;
    Ok(Nas {
        id: NasId(fields.int("id")?),
        key: NasKey {
            router: RouterId(fields.int("router_id")?),
            address: fields.word("address", |text| text.parse().ok())?,
            identifier: fields.text("identifier")?,
        },
        signs: if signs.is_some() { Signs::Seen } else { Signs::NotYet },
        certificate: fields.maybe_parsed("radsec_certificate")?,
        secret: read_secret_seen(&fields)?,
    })
}

fn read_call(fields: &Fields<'_>) -> Result<Option<RadsecCall>> {
    let (Some(address), Some(at)) = (fields.maybe_parsed("radsec_address")?, fields.maybe_time("radsec_at")?) else {
        return Ok(None);
    };
    Ok(Some(RadsecCall { name: fields.maybe_text("radsec_name")?.unwrap_or_default(), address, at }))
}

fn read_secret_seen(fields: &Fields<'_>) -> Result<Option<SecretSeen>> {
    if fields.maybe_text("secret")?.is_none() {
        return Ok(None);
    }
    let at = fields.maybe_time("secret_at")?.ok_or_else(|| fields.corrupt("secret_at"))?;
    Ok(Some(SecretSeen { age: fields.word("secret", SecretAge::from_word)?, at }))
}

async fn routers(sql: &mut AnyConnection, keys: &Keys) -> Result<Vec<Router>> {
    let rows = sqlx::query(
        "select id, name, address, sealed_secret, coa_port, message_authenticator, scheme, api_address, api_user,
         sealed_api_password, api_trust, api_fingerprint, api_authority, api_old_log_in, leases, version,
         home_address, sealed_home_secret, home_timeout_ms, home_message_authenticator, radsec_fingerprint, radsec_name,
         sealed_old_secret, old_secret_until
         from routers order by name_key",
    )
    .fetch_all(&mut *sql)
    .await?;
    let mut attributes = attribute::of_level(sql, "router").await?;
    rows.iter().map(|row| read(row, keys, &mut attributes)).collect()
}

impl Reader {
    /// All routers and boxes.
    ///
    /// # Errors
    /// The database does not answer, a row is corrupt, or a secret does not open.
    pub async fn routers(&self) -> Result<Routers> {
        let mut sql = self.connection().await?;
        let as_of = change::last(&mut sql).await?;
        let routers = routers(&mut sql, &self.keys).await?;
        let rows = sqlx::query(
            "select id, router_id, address, identifier, signs_since, secret, secret_at, radsec_certificate from nas",
        )
        .fetch_all(&mut *sql)
        .await?;
        Ok(Routers { as_of, routers, nas: each(&rows, read_nas)? })
    }

    /// The boxes with their routers' names.
    ///
    /// # Errors
    /// As [`Reader::routers`].
    pub async fn nas_lines(&self) -> Result<Vec<NasLine>> {
        let rows = sqlx::query(
            "select n.id, n.router_id, n.address, n.identifier, n.signs_since, n.secret, n.secret_at, n.server_address,
             n.radsec_certificate, n.radsec_name, n.radsec_address, n.radsec_at, r.name as router
             from nas n join routers r on r.id = n.router_id order by r.name_key, n.address, n.identifier",
        )
        .fetch_all(&mut *self.connection().await?)
        .await?;
        each(&rows, |row| {
            let fields = Fields::of("nas", row);
            Ok(NasLine {
                nas: read_nas(row)?,
                router: fields.text("router")?,
                server: fields.maybe_parsed("server_address")?,
                radsec: read_call(&fields)?,
                signs_since: fields.maybe_time("signs_since")?,
            })
        })
    }
}

/// What an operator says of a router.
#[derive(Debug, Clone)]
pub struct RouterForm {
    /// Name.
    pub name: String,
    /// Address or network.
    pub address: ipnet::IpNet,
    /// The NAS-Identifier that tells it from others at the same address.
    pub nas_identifier: Option<String>,
    /// Port for Disconnect and CoA.
    pub coa_port: u16,
    /// What is demanded of its Access-Requests.
    pub message_authenticator: Demand,
}

/// A router with an API, as far as what is wanted there depends on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    /// The row.
    pub id: RouterId,
    /// Its name.
    pub name: String,
    /// Who decides about a dial.
    pub scheme: Scheme,
    /// Whether confirmed connections get a lease.
    pub leases: Leases,
}

/// Who decides about a dial on a router, and how its API is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// Who decides.
    pub scheme: Scheme,
    /// The API; `None` takes it away.
    pub api: Option<Api>,
    /// Whether confirmed connections get a lease.
    pub leases: Leases,
}

impl Tx {
    /// All routers, as this transaction sees them.
    ///
    /// # Errors
    /// As [`Reader::routers`].
    pub async fn routers(&mut self) -> Result<Vec<Router>> {
        let keys = self.keys.clone();
        routers(self.sql(), &keys).await
    }

    /// The routers with an API, as this transaction sees them; no secret is opened.
    ///
    /// # Errors
    /// The database does not answer, or a row is corrupt.
    pub async fn reached_routers(&mut self) -> Result<Vec<Reached>> {
        let rows =
            sqlx::query("select id, name, scheme, leases from routers where api_address is not null order by id")
                .fetch_all(self.sql())
                .await?;
        each(&rows, |row| {
            let fields = Fields::of("routers", row);
            Ok(Reached {
                id: RouterId(fields.int("id")?),
                name: fields.text("name")?,
                scheme: fields.word("scheme", Scheme::from_word)?,
                leases: if fields.flag("leases")? { Leases::On } else { Leases::Off },
            })
        })
    }

    /// Adds a router.
    ///
    /// # Errors
    /// Its name or address is taken, or the database does not answer.
    pub async fn add_router(&mut self, form: &RouterForm, secret: &Secret, now: Timestamp) -> Result<RouterId> {
        let row = sqlx::query(
            "insert into routers (name, name_key, address, sealed_secret, coa_port, message_authenticator, created_at)
             values ($1, $2, $3, $4, $5, $6, $7) returning id",
        )
        .bind(&form.name)
        .bind(name_key(&form.name))
        .bind(origin(form.address, form.nas_identifier.as_deref()))
        .bind(Vec::new())
        .bind(i64::from(form.coa_port))
        .bind(form.message_authenticator.word())
        .bind(now.millis())
        .fetch_one(self.sql())
        .await
        .map_err(StoreError::taken("the router's name or address"))?;
        let id = RouterId(Fields::of("routers", &row).int("id")?);
        self.set_router_secret(id, secret).await?;
        Ok(id)
    }

    /// Changes what is said of a router.
    ///
    /// # Errors
    /// Its name or address is taken, or the database does not answer.
    pub async fn change_router(&mut self, id: RouterId, form: &RouterForm) -> Result<()> {
        sqlx::query(
            "update routers set name = $1, name_key = $2, address = $3, coa_port = $4, message_authenticator = $5,
             version = version + 1 where id = $6",
        )
        .bind(&form.name)
        .bind(name_key(&form.name))
        .bind(origin(form.address, form.nas_identifier.as_deref()))
        .bind(i64::from(form.coa_port))
        .bind(form.message_authenticator.word())
        .bind(id.0)
        .execute(self.sql())
        .await
        .map_err(StoreError::taken("the router's name or address"))?;
        self.touch(Noun::Router, id.0);
        Ok(())
    }

    /// Gives a router another secret, and with it none that it had before.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn set_router_secret(&mut self, id: RouterId, secret: &Secret) -> Result<()> {
        let sealed = self.keys.seal(secret, place(id.0, SECRET));
        sqlx::query("update routers set key_id = $1, sealed_secret = $2, version = version + 1 where id = $3")
            .bind(self.keys.id())
            .bind(sealed)
            .bind(id.0)
            .execute(self.sql())
            .await?;
        self.set_old_secret(id, None).await
    }

    /// Keeps the secret that a router had before, or wipes it; which of its boxes uses which is seen anew. Those that are
    /// known used what is kept.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn set_old_secret(&mut self, id: RouterId, old: Option<(&OldSecret, Timestamp)>) -> Result<()> {
        let sealed = old.map(|(old, _)| self.keys.seal(&old.secret, place(id.0, OLD_SECRET)));
        sqlx::query(
            "update routers set sealed_old_secret = $1, old_secret_until = $2, version = version + 1 where id = $3",
        )
        .bind(sealed)
        .bind(old.map(|(old, _)| old.until.millis()))
        .bind(id.0)
        .execute(self.sql())
        .await?;
        sqlx::query("update nas set secret = $1, secret_at = $2 where router_id = $3")
            .bind(old.map(|_| SecretAge::Old.word()))
            .bind(old.map(|(_, changed_at)| changed_at.millis()))
            .bind(id.0)
            .execute(self.sql())
            .await?;
        self.touch(Noun::Router, id.0);
        Ok(())
    }

    /// Remembers which of its router's two secrets a box uses; gives whether the router is still that of `version`.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn mark_secret(&mut self, id: NasId, seen: SecretSeen, version: i64) -> Result<bool> {
        let done = sqlx::query(
            "update nas set secret = $1, secret_at = $2 where id = $3
             and exists (select 1 from routers r where r.id = nas.router_id and r.version = $4)",
        )
        .bind(seen.age.word())
        .bind(seen.at.millis())
        .bind(id.0)
        .bind(version)
        .execute(self.sql())
        .await?;
        self.touch(Noun::Router, 0);
        Ok(done.rows_affected() > 0)
    }

    /// Who decides about a dial, how the API is reached, and whether the firewall asks for leases.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn set_router_reach(&mut self, id: RouterId, reach: &Reach) -> Result<()> {
        let api = reach.api.as_ref();
        let (fingerprint, authority) = match api.map(|api| &api.trust) {
            Some(Trust::Pinned(fingerprint)) => (fingerprint.map(|fingerprint| fingerprint.to_string()), None),
            Some(Trust::Authority(pem)) => (None, Some(pem.clone())),
            Some(Trust::Plain) | None => (None, None),
        };
        let sealed = api.map(|api| self.keys.seal(&api.password, place(id.0, API_PASSWORD)));
        sqlx::query(
            "update routers set scheme = $1, leases = $2, api_address = $3, api_user = $4, sealed_api_password = $5,
             api_trust = $6, api_fingerprint = $7, api_authority = $8, api_old_log_in = $9, version = version + 1
             where id = $10",
        )
        .bind(reach.scheme.word())
        .bind(i64::from(reach.leases == Leases::On))
        .bind(api.map(|api| api.address.to_string()))
        .bind(api.map(|api| api.user.clone()))
        .bind(sealed)
        .bind(api.map_or("plain", |api| api.trust.word()))
        .bind(fingerprint)
        .bind(authority)
        .bind(i64::from(api.is_some_and(|api| api.old_log_in == OldLogIn::Allowed)))
        .bind(id.0)
        .execute(self.sql())
        .await?;
        self.touch(Noun::Router, id.0);
        Ok(())
    }

    /// Gives a router a home server, or takes it away.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn set_router_home(&mut self, id: RouterId, home: Option<&Home>) -> Result<()> {
        let sealed = home.map(|home| self.keys.seal(&home.secret, place(id.0, HOME_SECRET)));
        let timeout_ms = home.map_or(0, |home| i64::try_from(home.timeout.as_millis()).unwrap_or(i64::MAX));
        sqlx::query(
            "update routers set home_address = $1, sealed_home_secret = $2, home_timeout_ms = $3,
             home_message_authenticator = $4, version = version + 1 where id = $5",
        )
        .bind(home.map(|home| home.address.to_string()))
        .bind(sealed)
        .bind(timeout_ms)
        .bind(home.map_or(Demand::Auto, |home| home.message_authenticator).word())
        .bind(id.0)
        .execute(self.sql())
        .await?;
        self.touch(Noun::Router, id.0);
        Ok(())
    }

    /// Says which certificate a router is known by over RadSec; `None`: it is not taken there.
    ///
    /// # Errors
    /// Another router is known by it, or the database does not answer.
    pub async fn set_router_radsec(&mut self, id: RouterId, known_by: Option<&KnownBy>) -> Result<()> {
        let (fingerprint, name) = match known_by {
            Some(KnownBy::Fingerprint(fingerprint)) => (Some(fingerprint.to_string()), None),
            Some(KnownBy::Name(name)) => (None, Some(name.clone())),
            None => (None, None),
        };
        sqlx::query(
            "update routers set radsec_fingerprint = $1, radsec_name = $2, version = version + 1 where id = $3",
        )
        .bind(fingerprint)
        .bind(name)
        .bind(id.0)
        .execute(self.sql())
        .await
        .map_err(StoreError::taken("the certificate"))?;
        self.touch(Noun::Router, id.0);
        Ok(())
    }

    /// Remembers how a box called over RadSec.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn mark_radsec(
        &mut self,
        nas: &Nas,
        certificate: &Certificate,
        from: IpAddr,
        now: Timestamp,
    ) -> Result<()> {
        sqlx::query(
            "update nas set radsec_certificate = $1, radsec_name = $2, radsec_address = $3, radsec_at = $4 where id = $5",
        )
        .bind(certificate.fingerprint.to_string())
        .bind(certificate.name().to_owned())
        .bind(from.to_string())
        .bind(now.millis())
        .bind(nas.id.0)
        .execute(self.sql())
        .await?;
        // Nobody has the rest in memory.
        if nas.certificate != Some(certificate.fingerprint) {
            self.touch(Noun::Router, 0);
        }
        Ok(())
    }

    /// Deletes a router with its boxes and connections.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn delete_router(&mut self, id: RouterId) -> Result<()> {
        sqlx::query("delete from settings where level = 'router' and subject_id = $1")
            .bind(id.0)
            .execute(self.sql())
            .await?;
        self.touch(Noun::Setting, 0);
        self.clear_attributes(Subject::Router(id)).await?;
        sqlx::query("delete from routers where id = $1").bind(id.0).execute(self.sql()).await?;
        self.touch(Noun::Router, id.0);
        Ok(())
    }

    /// The box of this key, made if it is new.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn nas(&mut self, key: &NasKey, now: Timestamp) -> Result<Nas> {
        let row = sqlx::query(
            "insert into nas (router_id, address, identifier, created_at) values ($1, $2, $3, $4)
             on conflict (router_id, address, identifier) do update set identifier = excluded.identifier
             returning id, router_id, address, identifier, signs_since, secret, secret_at, radsec_certificate",
        )
        .bind(key.router.0)
        .bind(key.address.to_string())
        .bind(&key.identifier)
        .bind(now.millis())
        .fetch_one(self.sql())
        .await?;
        read_nas(&row)
    }

    /// What a box is called by.
    ///
    /// # Errors
    /// The database does not answer, or the row is corrupt.
    pub async fn nas_key(&mut self, id: NasId) -> Result<Option<NasKey>> {
        let row = sqlx::query(
            "select id, router_id, address, identifier, signs_since, secret, secret_at, radsec_certificate from nas where id = $1",
        )
        .bind(id.0)
        .fetch_optional(self.sql())
        .await?;
        Ok(row.as_ref().map(read_nas).transpose()?.map(|nas| nas.key))
    }

    /// Remembers for good that a box signs its Access-Requests.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn mark_signs(&mut self, id: NasId, now: Timestamp) -> Result<()> {
        sqlx::query("update nas set signs_since = $1 where id = $2 and signs_since is null")
            .bind(now.millis())
            .bind(id.0)
            .execute(self.sql())
            .await?;
        self.touch(Noun::Router, 0);
        Ok(())
    }

    /// Forgets that a box signs its Access-Requests; gives whether it was known to.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn forget_signs(&mut self, id: NasId) -> Result<bool> {
        let done = sqlx::query("update nas set signs_since = null where id = $1 and signs_since is not null")
            .bind(id.0)
            .execute(self.sql())
            .await?;
        self.touch(Noun::Router, 0);
        Ok(done.rows_affected() > 0)
    }

    /// Remembers to which of our addresses a box sends.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn mark_server(&mut self, id: NasId, server: IpAddr) -> Result<()> {
        sqlx::query(
            "update nas set server_address = $1 where id = $2 and (server_address is null or server_address <> $1)",
        )
        .bind(server.to_string())
        .bind(id.0)
        .execute(self.sql())
        .await?;
        Ok(())
    }

    /// The reboot digit last seen of a box, and the new one put in its place.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn swap_reboot_digit(&mut self, id: NasId, digit: char) -> Result<Option<char>> {
        let row =
            sqlx::query("select id, reboot_digit from nas where id = $1").bind(id.0).fetch_one(self.sql()).await?;
        let before = Fields::of("nas", &row).maybe_text("reboot_digit")?.and_then(|text| text.chars().next());
        if before != Some(digit) {
            sqlx::query("update nas set reboot_digit = $1 where id = $2")
                .bind(digit.to_string())
                .bind(id.0)
                .execute(self.sql())
                .await?;
        }
        Ok(before)
    }
}
