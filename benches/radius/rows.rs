//! What time leaves in a database: callers that sessions know, and connections that ended.

use sqlx::{AnyConnection, Connection, SqliteConnection};

use crate::wire;

/// Each open session knows where its user dials from: nobody's dial is a first one.
pub async fn add_callers(url: &str, accounts: usize) {
    sqlx::any::install_default_drivers();
    let mut sql = AnyConnection::connect(url).await.unwrap();
    let mut tx = sql.begin().await.unwrap();
    for number in 0..accounts {
        let done = sqlx::query(
            "insert into callers (session_id, router_id, station, standing, at)
             select s.id, (select min(id) from routers), $1, 'admitted', s.created_at
             from accounts a join sessions s on s.account_id = a.id where a.name_key = $2 and s.ended_at is null",
        )
        .bind(wire::station(number))
        .bind(wire::user(number))
        .execute(&mut *tx)
        .await
        .unwrap();
        assert_eq!(done.rows_affected(), 1);
    }
    tx.commit().await.unwrap();
    sql.close().await.unwrap();
}

/// Adds so many ended connections of the accounts of a SQLite database.
pub async fn add_connections(url: &str, rows: usize) {
    let mut sql = SqliteConnection::connect(url).await.unwrap();
    // The last of them ended a day ago: no record that comes is taken for one of theirs.
    let statement = "
        insert into nas (router_id, address, identifier, created_at)
            select min(id), '127.0.0.1', 'MikroTik', 0 from routers where true
            on conflict (router_id, address, identifier) do nothing;
        with recursive numbers (n) as (select 0 union all select n + 1 from numbers where n + 1 < ROWS)
        insert into connections (nas_id, router_id, acct_session_id, user_name, account_id, station, framed_ip, authentic,
            classed, started_at, seen_at, seconds, input_octets, output_octets, input_packets, output_packets, ended_at, cause)
            select (select min(id) from nas), (select min(id) from routers), printf('815%05x', n % 1048576), cast(a.name as blob), a.id,
            '10.0.0.1', '100.64.0.1', 'radius', 1, t.at, t.at + 3600000, 3600, 1000000, 2000000, 1000, 2000, t.at + 3600000, '1'
            from numbers
            join accounts a on a.id = 1 + n % (select count(*) from accounts)
            join (select cast(strftime('%s', 'now') as integer) * 1000 - 8640000000 as at) t;"
        .replace("ROWS", &rows.to_string());
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut sql).await.unwrap();
    sql.close().await.unwrap();
}
