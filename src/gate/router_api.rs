//! The port to a router's RouterOS API: what the use cases ask of it, and what it says of itself.
//!
//! Everything here is in the words of RouterOS's menus, but without its wire: which menu a version has, how a row is found
//! again, how a command is sent, is the edge's business. No call waits longer than 30 s; none retries by itself.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use async_trait::async_trait;

pub use super::router_script::{Argument, Command, Generation, Script, Step, Verb, typed};

use crate::clock::Timestamp;
use crate::domain::account::Switch;
use crate::domain::api::Fingerprint;
use crate::domain::id::RouterId;
use crate::domain::router::Router;
use crate::secret::Secret;

/// How the connection to a router's API stands, for pages.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ApiState {
    /// No log-in is configured, or nothing was asked yet.
    #[default]
    Off,
    /// The first try is under way.
    Connecting,
    /// Logged in.
    Up {
        /// Since when.
        since: Timestamp,
        /// `/system/resource version`, as the router says it: `7.22 (stable)`.
        version: String,
        /// `/system/identity name`.
        identity: String,
        /// Our address as the router sees it, if the socket knows it.
        local: Option<IpAddr>,
    },
    /// Not logged in; tried again by itself.
    Failing {
        /// Since when without a break.
        since: Timestamp,
        /// Why.
        fault: ApiFault,
        /// The next try.
        next: Timestamp,
    },
}

/// Why something asked over the API was not done. The texts carry no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApiFault {
    /// No API log-in is configured for the router.
    #[error("no API log-in is configured for this router")]
    Off,
    /// Not reached, lost on the way, or too slow: to be tried again. Whether a change was made is not known.
    #[error("the router's API is out of reach: {0}")]
    Unreachable(String),
    /// TLS: the service has no certificate.
    #[error(
        "the router's api-ssl service has no certificate; type on the router: /certificate add name=api \
         common-name=api key-usage=digital-signature,key-encipherment,tls-server; /certificate sign api; \
         /ip service set api-ssl certificate=api disabled=no"
    )]
    NoCertificate,
    /// TLS: a certificate that nobody has compared yet, or another one than the pinned.
    #[error(
        "the router shows a certificate that is not trusted: SHA-256 {0}; compare it with /certificate print detail on the router"
    )]
    NotTrusted(Fingerprint),
    /// The log-in is refused, in the router's words.
    #[error("the router refuses the API log-in: {0}")]
    LogIn(String),
    /// The router asks for the log-in of RouterOS before 6.43, which is not allowed.
    #[error("the router asks for the log-in of RouterOS before 6.43; allow it for this router, or update it")]
    OldLogIn,
    /// The API user lacks a right.
    #[error(
        "the API user may not do this: {0}; its group needs the policies api, read, write (and sensitive to see passwords)"
    )]
    Forbidden(String),
    /// The menu is not there: no User Manager package, another version.
    #[error("the router has no menu {0}")]
    NoMenu(String),
    /// The row is not there (any more).
    #[error("the router has no such entry: {0}")]
    Gone(String),
    /// More than one row could be meant.
    #[error("more than one entry on the router could be meant: {0}")]
    Ambiguous(String),
    /// Any other refusal, in the router's words.
    #[error("the router refuses: {0}")]
    Refused(String),
}

impl ApiFault {
    /// Whether trying the same again later may help without anybody doing something on the router.
    pub const fn is_passing(&self) -> bool {
        matches!(self, Self::Unreachable(_))
    }
}

/// A row of `/ppp/active`, or of the User Manager's sessions where the router itself has no such row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Active {
    /// Acct-Session-Id as RADIUS would say it: eight hex digits in lower case, from `session-id=0x81A00001`; the row's id
    /// where the router gives none.
    pub acct_session_id: String,
    /// Name, raw bytes.
    pub name: Vec<u8>,
    /// `l2tp`, `sstp`, …
    pub service: String,
    /// Where it dials from.
    pub caller: Option<String>,
    /// Tunnel address.
    pub address: Option<IpAddr>,
    /// How long it is up.
    pub uptime: Duration,
    /// Who let it in.
    pub admitted: AdmittedBy,
    /// Octets that the router received from it and sent to it, where an interface row says so.
    pub octets: Option<(u64, u64)>,
}

/// Who let a connection in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdmittedBy {
    /// A RADIUS server, ours or another (`radius=true`).
    Radius,
    /// A secret on the router itself.
    Secret,
    /// The router's User Manager.
    UserManager,
}

/// What became of a connection that was to be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removed {
    /// It was there and is not any more.
    Removed,
    /// It was not there.
    Absent,
}

/// A firewall filter rule that has a comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterRule {
    /// `.id`, as `*A`.
    pub id: String,
    /// The whole comment, raw bytes.
    pub comment: Vec<u8>,
    /// Whether it works.
    pub switch: Switch,
    /// Chain and action, for people: `forward accept`.
    pub what: String,
}

/// What is meant by a rule: its id, and the comment that it must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleRef {
    /// `.id`; a hint: the comment decides.
    pub id: String,
    /// The whole comment, raw bytes.
    pub comment: Vec<u8>,
}

/// Where the router keeps accounts of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Menu {
    /// `/ppp/secret`
    Secret,
    /// `/user-manager/user` (v7) or `/tool/user-manager/user` (v6)
    UserManager,
}

impl Menu {
    /// The word in SQL and forms.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::UserManager => "user_manager",
        }
    }

    /// From the word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Secret, Self::UserManager].into_iter().find(|menu| menu.word() == word)
    }
}

/// An account as the router keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouterAccount {
    /// Where.
    pub menu: Menu,
    /// `.id`
    pub id: String,
    /// Name, raw bytes.
    pub name: Vec<u8>,
    /// Its password, or why it is not known.
    pub password: Seen,
    /// Whether it works.
    pub switch: Switch,
    /// Comment, raw bytes.
    pub comment: Vec<u8>,
    /// The other properties that are set, in the router's words: `profile`, `service`, `remote-address`, `caller-id`,
    /// `limit-bytes-in`, `group`, `shared-users`…
    pub properties: BTreeMap<String, String>,
}

/// What the router shows of a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// It.
    Password(Secret),
    /// Nothing: the API user lacks the policy `sensitive`.
    Hidden,
    /// There is none.
    Empty,
}

/// The accounts of a router. A menu that cannot be read says why and does not hide the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouterAccounts {
    /// `/ppp/secret`
    pub secrets: Result<Vec<RouterAccount>, ApiFault>,
    /// The User Manager; [`ApiFault::NoMenu`] if the router has none.
    pub user_manager: Result<Vec<RouterAccount>, ApiFault>,
}

/// An account to be made on a router.
#[derive(Debug, Clone)]
pub struct NewRouterAccount {
    /// Where.
    pub menu: Menu,
    /// Name.
    pub name: String,
    /// Password.
    pub password: Secret,
    /// PPP profile, or User Manager group; the router's default if none.
    pub profile: Option<String>,
    /// Comment.
    pub comment: String,
    /// Whether it works at once.
    pub switch: Switch,
}

/// What is to be done with an account of a router. The account is found by its exact name.
#[derive(Debug, Clone)]
pub enum AccountChange {
    /// Enable or disable.
    Switch(Switch),
    /// Another password.
    Password(Secret),
    /// Another name, and disabled.
    Retire {
        /// The new name.
        name: String,
    },
    /// Remove.
    Remove,
}

/// An entry of the address list [`LEASE_LIST`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseEntry {
    /// `.id`
    pub id: String,
    /// Address, as the router writes it.
    pub address: String,
    /// What is left; `None` for an entry without a timeout.
    pub timeout: Option<Duration>,
    /// Comment, raw bytes.
    pub comment: Vec<u8>,
}

/// The address list of leases.
pub const LEASE_LIST: &str = "radgram";
/// Every lease's comment begins so: what an operator put into the list by hand is not ours to remove.
pub const LEASE_COMMENT: &str = "radgram ";

/// What radgram expects of a router, for the doctor and the set-up script.
#[derive(Debug, Clone)]
pub struct Expected {
    /// Our address as the router reaches it.
    pub server: IpAddr,
    /// Port for log-ins.
    pub auth_port: u16,
    /// Port for accounting.
    pub acct_port: u16,
    /// Port for both over TLS; `None`: radgram listens for no RadSec.
    pub radsec_port: Option<u16>,
    /// Where we send Disconnect-Requests.
    pub coa_port: u16,
    /// How often a connection is to be reported.
    pub interim: Duration,
    /// Names of accounts whose passwords we have: a secret of the same name on the router bypasses us.
    pub accounts: Vec<String>,
    /// The rules that are bound.
    pub rules: Vec<RuleRef>,
    /// The name of the API user on the router.
    pub api_user: String,
    /// The time now, to compare clocks.
    pub now: Timestamp,
}

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gravity {
    /// Somebody gets in who should not, or nobody gets in.
    Grave,
    /// Something will not work as expected.
    Warning,
    /// Worth knowing.
    Note,
}

impl Gravity {
    /// The word in JSON and on pages.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Grave => "grave",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// What the doctor found on a router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Stable word for `--fix` and tests, unique in a report: `incoming_off`, `shadow:ann`.
    pub id: String,
    /// How grave.
    pub gravity: Gravity,
    /// What, in a sentence.
    pub what: String,
    /// Why it matters, in a sentence.
    pub why: String,
    /// The commands that mend it; empty where only a person can (the text says what).
    pub fix: Vec<Command>,
}

/// What the doctor saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// What was looked at and found right, a line each.
    pub passed: Vec<String>,
    /// What was found, the gravest first.
    pub findings: Vec<Finding>,
}

/// Talks to routers over their API. One connection per router, kept and mended by itself once something was asked.
#[async_trait]
pub trait RouterApi: Send + Sync + 'static {
    /// How the connection stands.
    fn state(&self, router: RouterId) -> ApiState;

    /// Lets the connection to this router go: its log-in changed, or it was removed.
    fn forget(&self, router: RouterId);

    /// Connects and logs in if need be.
    ///
    /// # Errors
    /// As every call here: see [`ApiFault`].
    async fn greet(&self, router: &Router) -> Result<ApiState, ApiFault>;

    /// Every connection that is up.
    async fn active(&self, router: &Router) -> Result<Vec<Active>, ApiFault>;

    /// Returns when the router says that its connections changed; never, where it cannot.
    async fn active_changed(&self, router: &Router);

    /// Removes the connection with this Acct-Session-Id and name, and looks whether it is gone.
    async fn remove_active(&self, router: &Router, acct_session_id: &str, name: &[u8]) -> Result<Removed, ApiFault>;

    /// The rules with these ids; `None`: all that have a comment.
    async fn rules(&self, router: &Router, ids: Option<&[String]>) -> Result<Vec<FilterRule>, ApiFault>;

    /// Switches a rule, found by its id and whole comment, else by its whole comment alone; gives it as it is now.
    async fn switch_rule(&self, router: &Router, rule: &RuleRef, to: Switch) -> Result<FilterRule, ApiFault>;

    /// Our entries and others of the list [`LEASE_LIST`].
    async fn leases(&self, router: &Router) -> Result<Vec<LeaseEntry>, ApiFault>;

    /// Makes or renews the entry of an address; `comment` is kept to.
    async fn put_lease(
        &self,
        router: &Router,
        address: IpAddr,
        timeout: Duration,
        comment: &str,
    ) -> Result<(), ApiFault>;

    /// Removes our entry of an address; it is no fault if there is none.
    async fn drop_lease(&self, router: &Router, address: IpAddr) -> Result<(), ApiFault>;

    /// The accounts that the router keeps.
    async fn accounts(&self, router: &Router) -> RouterAccounts;

    /// Those of these names, without passwords, whatever the case of the letters.
    async fn accounts_named(
        &self,
        router: &Router,
        menu: Menu,
        names: &[String],
    ) -> Result<Vec<RouterAccount>, ApiFault>;

    /// Makes an account.
    async fn add_account(&self, router: &Router, new: &NewRouterAccount) -> Result<(), ApiFault>;

    /// Changes the account of exactly this name.
    async fn change_account(
        &self,
        router: &Router,
        menu: Menu,
        name: &[u8],
        change: &AccountChange,
    ) -> Result<(), ApiFault>;

    /// Looks at everything that radgram depends on. Reads only.
    async fn examine(&self, router: &Router, expected: &Expected) -> Result<Report, ApiFault>;

    /// The set-up script for a router that is to ask us. Asks the router nothing.
    fn script(&self, router: &Router, expected: &Expected, generation: Generation) -> Script;

    /// Runs one command; `Ok` with how many rows it was for. A [`Verb::Find`] only counts. What has an empty
    /// [`Argument::Secret`] is refused.
    async fn run(&self, router: &Router, command: &Command) -> Result<usize, ApiFault>;
}
