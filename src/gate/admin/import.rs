//! Import: many accounts with their people, all or nothing; checked and sealed first, then committed in short transactions.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use super::super::session::Ended;
use super::super::{Gate, Refused};
use super::account::checked_password;
use crate::domain::account::{account_name, name_key};
use crate::domain::audit::Actor;
use crate::domain::id::UserId;
use crate::domain::setting::Level;
use crate::domain::user::{UserState, full_name};
use crate::secret::Secret;
use crate::store::audit::Deed;
use crate::store::user::NewUser;
use crate::store::{StoreError, Tx};

/// One line of an import.
#[derive(Debug, Clone)]
pub struct ImportRow {
    /// Its number in the file, for messages.
    pub line: usize,
    /// The account's name.
    pub username: String,
    /// Its password.
    pub password: Secret,
    /// The person.
    pub telegram_id: i64,
    /// The person's full name.
    pub name: String,
}

/// What an import did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ImportReport {
    /// People added, approved.
    pub users: usize,
    /// Accounts added.
    pub accounts: usize,
}

impl Gate {
    /// What is wrong with an import, by line; empty if nothing is.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn check_import(&self, rows: &[ImportRow]) -> Result<Vec<(usize, String)>, Refused> {
        let mut tx = self.store.begin().await?;
        self.wrong_lines(&mut tx, rows).await
    }

    async fn wrong_lines(&self, tx: &mut Tx, rows: &[ImportRow]) -> Result<Vec<(usize, String)>, Refused> {
        let most = tx.settings().await?.policy(&[Level::System]).map_err(StoreError::from)?.accounts_per_user as usize;
        let mut wrong = Vec::new();
        let mut names = HashSet::new();
        let mut of_person: HashMap<i64, usize> = HashMap::new();
        for row in rows {
            if let Err(why) = checked(row) {
                wrong.push((row.line, why));
                continue;
            }
            if !names.insert(name_key(row.username.trim())) {
                wrong.push((row.line, format!("{} stands twice in the file", row.username)));
            }
            if tx.account_named(row.username.trim()).await?.is_some() {
                wrong.push((row.line, format!("the account {} exists", row.username)));
            }
            if let Entry::Vacant(vacant) = of_person.entry(row.telegram_id) {
                let user = tx.user_by_telegram(row.telegram_id).await?;
                let has = match user {
                    Some(user) if user.state != UserState::Approved => {
                        wrong.push((row.line, format!("the person {} is {}", row.telegram_id, user.state.word())));
                        0
                    }
                    Some(user) => tx.accounts_of(user.id).await?.len(),
                    None => 0,
                };
                vacant.insert(has);
            }
            let has = of_person.entry(row.telegram_id).or_default();
            *has += 1;
            if *has > most {
                wrong.push((row.line, format!("the person {} would have more than {most} accounts", row.telegram_id)));
            }
        }
        Ok(wrong)
    }

    /// Imports; people are made approved. `progress` is told (lines done, lines in all).
    ///
    /// # Errors
    /// Something is wrong with a line: nothing was written.
    pub async fn import(
        &self,
        actor: &Actor,
        rows: &[ImportRow],
        progress: &mut (dyn FnMut(usize, usize) + Send),
    ) -> Result<ImportReport, Refused> {
        let now = self.now();
        let mut tx = self.store.begin().await?;
        if let Some((line, why)) = self.wrong_lines(&mut tx, rows).await?.first() {
            return Err(Refused::conflict(format!("line {line}: {why}; nothing was imported")));
        }
        let language = tx.settings().await?.policy(&[Level::System]).map_err(StoreError::from)?.language;
        let mut report = ImportReport::default();
        let mut people: HashMap<i64, UserId> = HashMap::new();
        for (done, row) in rows.iter().enumerate() {
            let name = full_name(&row.name).map_err(|why| Refused::field("name", why))?;
            let user = match people.get(&row.telegram_id) {
                Some(user) => *user,
                None => match tx.user_by_telegram(row.telegram_id).await? {
                    Some(user) => user.id,
                    None => {
                        report.users += 1;
                        let new =
                            NewUser { telegram_id: row.telegram_id, name: &name, state: UserState::Approved, language };
                        tx.add_user(&new, now).await?
                    }
                },
            };
            people.insert(row.telegram_id, user);
            let account = tx.add_account(row.username.trim(), Some(user), now).await?;
            tx.set_password(account, &row.password).await?;
            report.accounts += 1;
            progress(done + 1, rows.len());
        }
        let detail = format!("{} accounts, {} people", report.accounts, report.users);
        let deed = Deed { noun: "account", subject: 0, verb: "import", detail: &detail };
        self.finish(tx, actor, deed, Ended::default()).await?;
        Ok(report)
    }
}

fn checked(row: &ImportRow) -> Result<(), String> {
    account_name(&row.username)?;
    full_name(&row.name)?;
    checked_password(&row.password, "password").map_err(|refused| refused.to_string())?;
    if row.telegram_id <= 0 {
        return Err("telegram_id: expected a positive number".to_owned());
    }
    Ok(())
}
