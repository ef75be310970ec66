//! Operators and their log-in: who may work in the web UI, proven by password, and their web log-ins.

use std::sync::{Arc, OnceLock};

use tokio::sync::Semaphore;

use super::Refused;
use crate::clock::{Clock, Timestamp};
use crate::crypto::password::{self, Proof, SALT_BYTES};
use crate::domain::audit::Actor;
use crate::domain::id::OperatorId;
use crate::domain::operator::{Operator, Role, check_password, operator_name};
use crate::entropy::Entropy;
use crate::secret::Secret;
use crate::store::audit::Deed;
use crate::store::operator::{LoginRow, NewLogin};
use crate::store::{Store, StoreError};

/// Password hashes that are computed at once: each takes 19 MiB and a core.
const HASHES_AT_ONCE: usize = 2;
/// Password hashes that wait for one of those, at most: a log-in above it is told to try again.
const HASHES_WAITING: usize = 16;
/// Characters of a refused name that the audit keeps.
const AUDITED_NAME_CHARS: usize = 64;

/// The use cases of operators. Cheap to clone.
#[derive(Clone)]
pub struct Logins {
    store: Store,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    hashing: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    decoy: Arc<OnceLock<String>>,
}

/// What a change of an operator consists of; `None` leaves it as it is.
#[derive(Debug, Clone, Default)]
pub struct OperatorChange {
    /// The role.
    pub role: Option<Role>,
    /// The password.
    pub password: Option<Secret>,
}

impl Logins {
    /// The use cases over `store`.
    pub fn new(store: Store, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self {
            store,
            clock,
            entropy,
            hashing: Arc::new(Semaphore::new(HASHES_AT_ONCE)),
            waiting: Arc::new(Semaphore::new(HASHES_AT_ONCE + HASHES_WAITING)),
            decoy: Arc::default(),
        }
    }

    /// Adds an operator.
    ///
    /// # Errors
    /// At the fields `name` and `password`; the store.
    pub async fn add_operator(
        &self,
        actor: &Actor,
        name: &str,
        role: Role,
        password: &Secret,
    ) -> Result<OperatorId, Refused> {
        let name = operator_name(name).map_err(|message| Refused::field("name", message))?;
        let phc = self.hash(password).await?;
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        let id = match tx.add_operator(&name, role, &phc, now).await {
            Err(StoreError::Taken(_)) => return Err(Refused::field("name", "there is an operator of this name")),
            other => other?,
        };
        let detail = format!("{name}, {}", role.word());
        tx.write_down(actor, Deed { noun: "operator", subject: id.0, verb: "add", detail: &detail }, now).await?;
        tx.commit(now).await?;
        Ok(id)
    }

    /// Gives an operator another role or password; their web log-ins end.
    ///
    /// # Errors
    /// At the field `role` for the last owner, at `password`; no such operator; the store.
    pub async fn set_operator(&self, actor: &Actor, id: OperatorId, change: &OperatorChange) -> Result<(), Refused> {
        let phc = match &change.password {
            Some(password) => Some(self.hash(password).await?),
            None => None,
        };
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        let owners = tx.hold_owners().await?;
        let operator = tx.operator(id).await?.ok_or(Refused::NotFound("no such operator"))?;
        if let Some(role) = change.role.filter(|role| *role != operator.role) {
            if operator.role == Role::Owner && owners < 2 {
                return Err(Refused::field("role", "the last owner stays an owner"));
            }
            tx.set_operator_role(id, role).await?;
            let detail = format!("{}: {} to {}", operator.name, operator.role.word(), role.word());
            tx.write_down(actor, Deed { noun: "operator", subject: id.0, verb: "set_role", detail: &detail }, now)
                .await?;
        }
        if let Some(phc) = phc {
            tx.set_operator_password(id, &phc).await?;
            let deed = Deed { noun: "operator", subject: id.0, verb: "set_password", detail: &operator.name };
            tx.write_down(actor, deed, now).await?;
        }
        tx.commit(now).await?;
        Ok(())
    }

    /// Removes an operator, never the last owner; their web log-ins end.
    ///
    /// # Errors
    /// The last owner; no such operator; the store.
    pub async fn remove_operator(&self, actor: &Actor, id: OperatorId) -> Result<(), Refused> {
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        let owners = tx.hold_owners().await?;
        let operator = tx.operator(id).await?.ok_or(Refused::NotFound("no such operator"))?;
        if operator.role == Role::Owner && owners < 2 {
            return Err(Refused::Conflict("the last owner cannot be removed".to_owned()));
        }
        tx.delete_operator(id).await?;
        let deed = Deed { noun: "operator", subject: id.0, verb: "remove", detail: &operator.name };
        tx.write_down(actor, deed, now).await?;
        tx.commit(now).await?;
        Ok(())
    }

    /// The operator of this name and password, or `None`; both are written down. An unknown name costs the same.
    ///
    /// # Errors
    /// Too many at once; the store.
    pub async fn verify(&self, name: &str, password: &Secret) -> Result<Option<Operator>, Refused> {
        let known = self.store.reader().operator_to_verify(name.trim()).await?;
        let phc = known.as_ref().map(|(_, phc)| phc.clone());
        let proof = self.prove(password.clone(), phc).await?;
        let proven = known.map(|(operator, _)| operator).filter(|_| proof == Proof::Right);
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        match &proven {
            Some(operator) => {
                let actor = Actor::Operator(operator.id, operator.name.clone());
                let deed = Deed { noun: "operator", subject: operator.id.0, verb: "log_in", detail: "" };
                tx.write_down(&actor, deed, now).await?;
            }
            None => {
                let tried: String = name.chars().take(AUDITED_NAME_CHARS).collect();
                let deed = Deed { noun: "operator", subject: 0, verb: "log_in_refused", detail: &tried };
                tx.write_down(&Actor::System, deed, now).await?;
            }
        }
        tx.prune_logins(now).await?;
        tx.commit(now).await?;
        Ok(proven)
    }

    /// What the web log-in of this token keeps, if it has not ended.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn login(&self, token_hash: &str) -> Result<Option<LoginRow>, StoreError> {
        self.store.reader().login(token_hash, self.clock.now()).await
    }

    /// Stores a new web log-in.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if its token exists; the database does not answer, or the operator is gone.
    pub async fn add_login(&self, login: &NewLogin<'_>) -> Result<(), StoreError> {
        let mut tx = self.store.begin().await?;
        tx.add_login(login).await?;
        tx.commit(self.clock.now()).await?;
        Ok(())
    }

    /// Changes a web log-in, if it was not ended meanwhile.
    ///
    /// # Errors
    /// As [`Logins::add_login`].
    pub async fn change_login(&self, login: &NewLogin<'_>) -> Result<(), StoreError> {
        let mut tx = self.store.begin().await?;
        tx.change_login(login).await?;
        tx.commit(self.clock.now()).await?;
        Ok(())
    }

    /// Ends a web log-in.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn end_login(&self, token_hash: &str) -> Result<(), StoreError> {
        let mut tx = self.store.begin().await?;
        tx.delete_login(token_hash).await?;
        tx.commit(self.clock.now()).await?;
        Ok(())
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    async fn hash(&self, password: &Secret) -> Result<Secret, Refused> {
        check_password(password).map_err(|message| Refused::field("password", message))?;
        let salt: [u8; SALT_BYTES] = self.entropy.bytes();
        let password = password.clone();
        let hashed = self.compute(move || password::hash(password.expose(), &salt)).await?;
        hashed.map(Secret::new).map_err(|refused| Refused::field("password", refused.to_string()))
    }

    /// Compares with `phc`, or with a hash of nobody's password where there is none.
    async fn prove(&self, password: Secret, phc: Option<Secret>) -> Result<Proof, Refused> {
        let salt: [u8; SALT_BYTES] = self.entropy.bytes();
        let decoy = self.decoy.clone();
        self.compute(move || {
            let nobody = || decoy.get_or_init(|| password::hash(b"nobody", &salt).unwrap_or_default());
            let phc = phc.as_ref().and_then(Secret::expose_str).unwrap_or_else(|| nobody());
            // Too long, or a hash that cannot be read: nobody gets in by it.
            password::verify(password.expose(), phc).unwrap_or(Proof::Wrong)
        })
        .await
    }

    async fn compute<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Refused> {
        let busy = || Refused::Conflict("too many log-ins at once; try again in a moment".to_owned());
        let _place = self.waiting.try_acquire().map_err(|_| busy())?;
        // The permit goes with the work: a caller that gives up does not let another hash start beside it.
        let turn = self.hashing.clone().acquire_owned().await.map_err(|_| busy())?;
        let work = move || {
            let done = work();
            drop(turn);
            done
        };
        tokio::task::spawn_blocking(work).await.map_err(|_| busy())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SettableClock;
    use crate::crypto::seal::{Keyring, MasterKey};
    use crate::entropy::SystemEntropy;

    async fn logins(dir: &tempfile::TempDir) -> Logins {
        let clock = SettableClock::new(Timestamp::from_millis(1_795_362_000_000));
        let ring = Keyring::new(MasterKey::new([7; 32]));
        let url = format!("sqlite:{}", dir.path().join("test.db").display());
        let store = Store::open(&url, ring, Arc::new(SystemEntropy), clock.now()).await.unwrap();
        Logins::new(store, Arc::new(clock), Arc::new(SystemEntropy))
    }

    #[tokio::test]
    async fn only_the_right_password_logs_in() {
        let dir = tempfile::tempdir().unwrap();
        let logins = logins(&dir).await;
        let password = Secret::new("correct horse");
        let id = logins.add_operator(&Actor::CommandLine, "Root", Role::Owner, &password).await.unwrap();
        assert_eq!(logins.verify(" root", &password).await.unwrap().map(|operator| operator.id), Some(id));
        assert!(logins.verify("root", &Secret::new("wrong horse")).await.unwrap().is_none());
        assert!(logins.verify("nobody", &password).await.unwrap().is_none());
        assert!(logins.verify("nobody", &Secret::new("nobody")).await.unwrap().is_none());
        let audit = logins.store.reader().audit().await.unwrap();
        let actions: Vec<&str> = audit.iter().map(|line| line.action.as_str()).collect();
        assert_eq!(
            actions,
            [
                "operator.log_in_refused",
                "operator.log_in_refused",
                "operator.log_in_refused",
                "operator.log_in",
                "operator.add"
            ]
        );
    }

    #[tokio::test]
    async fn the_last_owner_stays() {
        let dir = tempfile::tempdir().unwrap();
        let logins = logins(&dir).await;
        let actor = Actor::CommandLine;
        let password = Secret::new("correct horse");
        let first = logins.add_operator(&actor, "first", Role::Owner, &password).await.unwrap();
        let demote = OperatorChange { role: Some(Role::Viewer), password: None };
        assert!(matches!(logins.set_operator(&actor, first, &demote).await, Err(Refused::Field { field: "role", .. })));
        assert!(matches!(logins.remove_operator(&actor, first).await, Err(Refused::Conflict(_))));
        let taken = logins.add_operator(&actor, "FIRST", Role::Viewer, &password).await;
        assert!(matches!(taken, Err(Refused::Field { field: "name", .. })));
        logins.add_operator(&actor, "second", Role::Owner, &password).await.unwrap();
        logins.remove_operator(&actor, first).await.unwrap();
        assert!(logins.store.reader().operator(first).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_web_log_in_ends_with_its_operator_and_its_time() {
        let dir = tempfile::tempdir().unwrap();
        let logins = logins(&dir).await;
        let password = Secret::new("correct horse");
        let first = logins.add_operator(&Actor::CommandLine, "first", Role::Owner, &password).await.unwrap();
        let second = logins.add_operator(&Actor::CommandLine, "second", Role::Owner, &password).await.unwrap();
        let now = logins.now();
        for (token_hash, operator, expires_at) in [
            ("a", first, now + std::time::Duration::from_secs(60)),
            ("b", second, now + std::time::Duration::from_secs(60)),
            ("c", second, now),
        ] {
            let login = NewLogin { token_hash, operator: Some(operator), data: "{}", expires_at };
            logins.add_login(&login).await.unwrap();
        }
        logins.remove_operator(&Actor::CommandLine, first).await.unwrap();
        assert!(logins.login("a").await.unwrap().is_none());
        assert!(logins.login("b").await.unwrap().is_some());
        assert!(logins.login("c").await.unwrap().is_none());
    }
}
