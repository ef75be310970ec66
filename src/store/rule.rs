//! Rules in SQL: firewall rules with `2FA` in their comment, each bound to one account.

use std::collections::HashMap;
use std::sync::LazyLock;

use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::error::{Result, StoreError};
use super::field::{Fields, each};
use super::rows::{Rows, Written};
use super::{Backend, Noun, Reader, Tx};
use crate::clock::Timestamp;
use crate::domain::id::{AccountId, RouterId, RuleId};

/// A firewall rule that is bound to an account. A comment is bound once on a router, and an account once on a router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The row.
    pub id: RuleId,
    /// On which router.
    pub router: RouterId,
    /// Whose.
    pub account: AccountId,
    /// `.id` on the router when it was last seen; a hint.
    pub rule_id: String,
    /// The whole comment, raw bytes: this is what it is found by.
    pub comment: Vec<u8>,
    /// When it was bound.
    pub created_at: Timestamp,
}

fn read(row: &AnyRow) -> Result<Rule> {
    let fields = Fields::of("rules", row);
    Ok(Rule {
        id: RuleId(fields.int("id")?),
        router: RouterId(fields.int("router_id")?),
        account: AccountId(fields.int("account_id")?),
        rule_id: fields.text("rule_id")?,
        comment: fields.bytes("comment")?,
        created_at: fields.time("created_at")?,
    })
}

static ROUTERS_OF_EACH: Written = LazyLock::new(|| {
    Rows::new("select id, router_id, account_id from rules where account_id in ({rows}) order by id", "?")
});

/// The routers on which a rule is bound to accounts, by account.
pub(super) async fn routers_of_each(
    sql: &mut AnyConnection,
    backend: Backend,
    accounts: &[i64],
) -> Result<HashMap<AccountId, Vec<RouterId>>> {
    let mut found: HashMap<AccountId, Vec<RouterId>> = HashMap::new();
    for row in ROUTERS_OF_EACH.fetch(sql, backend, accounts).await? {
        let fields = Fields::of("rules", &row);
        found.entry(AccountId(fields.int("account_id")?)).or_default().push(RouterId(fields.int("router_id")?));
    }
    Ok(found)
}

async fn of_account(sql: &mut AnyConnection, account: AccountId) -> Result<Vec<Rule>> {
    let rows = sqlx::query(
        "select id, router_id, account_id, rule_id, comment, created_at from rules where account_id = $1 order by id",
    )
    .bind(account.0)
    .fetch_all(sql)
    .await?;
    each(&rows, read)
}

impl Reader {
    /// The bound rules of all routers.
    ///
    /// # Errors
    /// The database does not answer, or a row is corrupt.
    pub async fn rules(&self) -> Result<Vec<Rule>> {
        let rows = sqlx::query(
            "select id, router_id, account_id, rule_id, comment, created_at from rules order by router_id, id",
        )
        .fetch_all(&mut *self.connection().await?)
        .await?;
        each(&rows, read)
    }
}

impl Tx {
    /// The rules of an account, at most one on each router.
    ///
    /// # Errors
    /// The database does not answer, or a row is corrupt.
    pub async fn rules_of(&mut self, account: AccountId) -> Result<Vec<Rule>> {
        of_account(self.sql(), account).await
    }

    /// The rule of this id.
    ///
    /// # Errors
    /// As [`Tx::rules_of`].
    pub async fn rule(&mut self, id: RuleId) -> Result<Option<Rule>> {
        let row =
            sqlx::query("select id, router_id, account_id, rule_id, comment, created_at from rules where id = $1")
                .bind(id.0)
                .fetch_optional(self.sql())
                .await?;
        row.as_ref().map(read).transpose()
    }

    /// Binds a rule to an account.
    ///
    /// # Errors
    /// The rule is bound already, or the account has one on this router; or the database does not answer.
    pub async fn bind_rule(
        &mut self,
        router: RouterId,
        account: AccountId,
        (rule_id, comment): (&str, &[u8]),
        now: Timestamp,
    ) -> Result<RuleId> {
        let row = sqlx::query(
            "insert into rules (router_id, account_id, rule_id, comment, created_at) values ($1, $2, $3, $4, $5)
             returning id",
        )
        .bind(router.0)
        .bind(account.0)
        .bind(rule_id)
        .bind(comment)
        .bind(now.millis())
        .fetch_one(self.sql())
        .await
        .map_err(StoreError::taken("the rule, or the account on this router,"))?;
        self.touch(Noun::Account, account.0);
        Ok(RuleId(Fields::of("rules", &row).int("id")?))
    }

    /// Whether the rule with this comment is bound on this router.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn is_bound(&mut self, router: RouterId, comment: &[u8]) -> Result<bool> {
        let row = sqlx::query("select id from rules where router_id = $1 and comment = $2")
            .bind(router.0)
            .bind(comment)
            .fetch_optional(self.sql())
            .await?;
        Ok(row.is_some())
    }

    /// Unbinds a rule.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn unbind_rule(&mut self, rule: &Rule) -> Result<()> {
        sqlx::query("delete from rules where id = $1").bind(rule.id.0).execute(self.sql()).await?;
        self.touch(Noun::Account, rule.account.0);
        Ok(())
    }

    /// The rule was found under another id: it is looked for under that one from now on.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn mark_rule_id(&mut self, router: RouterId, comment: &[u8], rule_id: &str) -> Result<()> {
        for statement in [
            "update rules set rule_id = $1 where router_id = $2 and comment = $3 and rule_id <> $1",
            "update wants set hint = $1 where router_id = $2 and kind = 'rule' and target = $3 and hint <> $1",
        ] {
            sqlx::query(statement).bind(rule_id).bind(router.0).bind(comment).execute(self.sql()).await?;
        }
        Ok(())
    }
}
