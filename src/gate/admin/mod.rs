//! Every change that an operator makes, in the web UI or on the command line; each is written down with its actor.

mod account;
mod adopt;
mod attribute;
mod carry;
mod doctor;
mod group;
mod home;
mod import;
mod radsec;
mod reach;
mod router;
mod router_account;
mod rule;
mod session;
mod user;

pub use adopt::{Adoption, Afterwards, Names};
pub(super) use adopt::{is_retired, key_of, shown_name};
pub(super) use doctor::Examinations;
pub use doctor::{Examination, Mended};
pub use group::PUT_AT_ONCE;
pub use home::HomeForm;
pub use import::{ImportReport, ImportRow};
pub use reach::{ApiForm, ReachForm};
pub use router_account::{AccountStep, AccountSteps};
pub use rule::{RULE_MARK, RuleIdentity, RuleLine};
pub use user::{ACCOUNT_FIELDS, AccountField, UserForm};

use super::session::{Case, Ended};
use super::{Gate, Refused};
use crate::domain::audit::Actor;
use crate::domain::id::AccountId;
use crate::domain::setting::{Level, Setting};
use crate::store::audit::Deed;
use crate::store::{Noun, Tx};

impl Gate {
    async fn case_or_refuse(&self, tx: &mut Tx, account: AccountId) -> Result<Case, Refused> {
        self.case(tx, account).await?.ok_or(Refused::NotFound("no such account"))
    }

    pub(in crate::gate) async fn finish(
        &self,
        mut tx: Tx,
        actor: &Actor,
        deed: Deed<'_>,
        ended: Ended,
    ) -> Result<(), Refused> {
        tx.write_down(actor, deed, self.now()).await?;
        self.commit(tx, ended).await?;
        Ok(())
    }

    /// Sets a setting at a level.
    ///
    /// # Errors
    /// No such setting, not at this level, or a value that it does not take.
    pub async fn set_setting(&self, actor: &Actor, name: &str, level: Level, value: &str) -> Result<(), Refused> {
        let setting = settable(name, level)?;
        let value =
            setting.accept(value).map_err(|bad| Refused::field("value", format!("expected {}", bad.expected)))?;
        let now = self.now();
        let mut tx = self.store.begin().await?;
        let whose = whose(&mut tx, level).await?;
        tx.set_setting(setting.name, level, &value, now).await?;
        // Due times were computed from the policy: the lifecycle computes them anew.
        tx.make_all_due(now).await?;
        let detail = format!("{} = {value} ({whose})", setting.name);
        let deed = Deed { noun: "setting", subject: level.subject(), verb: "set", detail: &detail };
        self.finish(tx, actor, deed, Ended::default()).await
    }

    /// Forgets a setting at a level: the next level's value, or the default, holds again.
    ///
    /// # Errors
    /// No such setting, or not at this level.
    pub async fn clear_setting(&self, actor: &Actor, name: &str, level: Level) -> Result<(), Refused> {
        let setting = settable(name, level)?;
        let mut tx = self.store.begin().await?;
        let whose = whose(&mut tx, level).await?;
        tx.clear_setting(setting.name, level).await?;
        tx.make_all_due(self.now()).await?;
        let detail = format!("{} ({whose})", setting.name);
        let deed = Deed { noun: "setting", subject: level.subject(), verb: "clear", detail: &detail };
        self.finish(tx, actor, deed, Ended::default()).await
    }

    /// Acknowledges an alarm.
    ///
    /// # Errors
    /// It does not stand any more.
    pub async fn acknowledge_alarm(&self, actor: &Actor, id: i64) -> Result<(), Refused> {
        let mut tx = self.store.begin().await?;
        if !tx.acknowledge(id, &actor.label(), self.now()).await? {
            return Err(Refused::NotFound("no such alarm stands"));
        }
        tx.touch(Noun::Work, 0);
        let deed = Deed { noun: "alarm", subject: id, verb: "acknowledge", detail: "" };
        self.finish(tx, actor, deed, Ended::default()).await
    }
}

/// Whose level it is, for the audit: `system`, `group Staff`.
async fn whose(tx: &mut Tx, level: Level) -> Result<String, Refused> {
    let Some(name) = tx.level_name(level).await? else { return Err(Refused::NotFound(no_such(level))) };
    Ok(format!("{} {name}", level.word()).trim_end().to_owned())
}

const fn no_such(level: Level) -> &'static str {
    match level {
        Level::System => "there is no system",
        Level::Group(_) => "no such group",
        Level::User(_) => "no such user",
        Level::Account(_) => "no such account",
        Level::Router(_) => "no such router",
    }
}

fn settable(name: &str, level: Level) -> Result<&'static Setting, Refused> {
    let setting = Setting::named(name).ok_or(Refused::NotFound("no such setting"))?;
    if !setting.levels.take(level) {
        return Err(Refused::field("value", format!("this setting can be set {}", setting.levels.text())));
    }
    Ok(setting)
}
