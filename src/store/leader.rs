//! Leadership: which instance polls, sweeps and works, by a row with an owner and a time.

use super::Store;
use super::error::Result;
use crate::clock::Timestamp;

impl Store {
    /// Takes or keeps the leadership of `role` for `owner` until `until`, if it is free or already theirs.
    ///
    /// # Errors
    /// The database does not answer: nobody leads.
    pub async fn lead(&self, role: &'static str, owner: &str, now: Timestamp, until: Timestamp) -> Result<bool> {
        let done = sqlx::query(
            "insert into leaders (role, owner, until) values ($1, $2, $3)
             on conflict (role) do update set owner = excluded.owner, until = excluded.until
             where leaders.owner = excluded.owner or leaders.until <= $4",
        )
        .bind(role)
        .bind(owner)
        .bind(until.millis())
        .bind(now.millis())
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Gives up what `owner` leads, at a graceful stop.
    ///
    /// # Errors
    /// The database does not answer; the leadership lapses by itself.
    pub async fn resign(&self, owner: &str) -> Result<()> {
        sqlx::query("delete from leaders where owner = $1").bind(owner).execute(&self.pool).await?;
        Ok(())
    }
}
