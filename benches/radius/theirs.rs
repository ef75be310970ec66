//! FreeRADIUS 3.2 from Debian: users in its file, or in SQL by the queries and the schema of its package.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, UdpSocket};
use std::process::{Command, Stdio};

use sqlx::{Connection, PgConnection, SqliteConnection};
use tempfile::TempDir;

use crate::target::Target;
use crate::wire::{self, CLASS, INTERIM, SECRET, SESSION_TIMEOUT};

const PACKAGE: &str = "/etc/freeradius/3.0/mods-config/sql/main";
const READY: &str = "Ready to process requests";

/// Where it has its users.
pub enum Users {
    File,
    /// A SQLite file of its own, in WAL with `synchronous = full`.
    Sqlite,
    /// This database: its URL, the folder of its socket, its name, its process.
    Postgres {
        url: String,
        folder: String,
        database: String,
        process: u32,
    },
}

/// A configured FreeRADIUS.
pub struct Theirs {
    name: &'static str,
    folder: TempDir,
    accounts: usize,
    beside: Vec<u32>,
    /// The server's configuration but for its ports.
    modules: String,
    listed: &'static str,
}

impl Theirs {
    pub async fn new(name: &'static str, users: Users, accounts: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().display().to_string();
        let (modules, listed, beside) = match users {
            Users::File => {
                fs::write(folder.path().join("users"), users_file(accounts)).unwrap();
                (format!("files {{\n filename = {at}/users\n}}\n"), "files", Vec::new())
            }
            Users::Sqlite => {
                fill_sqlite(&format!("{at}/radius.db"), accounts).await;
                let driver = format!("sqlite {{\n filename = \"{at}/radius.db\"\n busy_timeout = 5000\n }}");
                (sql("sqlite", &driver), "sql", Vec::new())
            }
            Users::Postgres { url, folder, database, process } => {
                fill_postgres(&url, accounts).await;
                let driver = format!("server = \"{folder}\"\n login = \"radgram\"\n radius_db = \"{database}\"");
                (sql("postgresql", &driver), "sql", vec![process])
            }
        };
        Self { name, folder, accounts, beside, modules, listed }
    }

    /// Starts the server.
    pub fn serve(&self) -> Target {
        let at = self.folder.path();
        let (auth, acct) = (free(), free());
        let configuration = configuration(&at.display().to_string(), auth, acct, &self.modules, self.listed);
        fs::write(at.join("radiusd.conf"), configuration).unwrap();
        fs::write(at.join("dictionary"), "$INCLUDE /usr/share/freeradius/dictionary\n").unwrap();
        let mut child = Command::new("/usr/sbin/freeradius")
            .args(["-f", "-l", "stdout", "-d"])
            .arg(at)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("freeradius is installed by `make bench`");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut said = Vec::new();
        while !said.last().is_some_and(|line: &String| line.contains(READY)) {
            said.push(lines.next().unwrap_or_else(|| panic!("freeradius does not start:\n{}", said.join("\n"))));
        }
        std::thread::spawn(move || lines.for_each(drop));
        let mut target = Target::new(self.name, (auth, acct), child, self.accounts);
        target.beside.clone_from(&self.beside);
        target
    }
}

/// An address on which nothing listens now.
fn free() -> SocketAddr {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn users_file(accounts: usize) -> String {
    (0..accounts).fold(String::new(), |mut text, number| {
        writeln!(text, "{} Cleartext-Password := \"{}\"", wire::user(number), wire::password(number)).unwrap();
        text
    })
}

async fn fill_sqlite(file: &str, accounts: usize) {
    let mut sql = SqliteConnection::connect(&format!("sqlite:{file}?mode=rwc")).await.unwrap();
    sqlx::raw_sql("pragma journal_mode = wal").execute(&mut sql).await.unwrap();
    let schema = fs::read_to_string(format!("{PACKAGE}/sqlite/schema.sql")).unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(schema)).execute(&mut sql).await.unwrap();
    let mut tx = sql.begin().await.unwrap();
    for number in 0..accounts {
        sqlx::query(
            "insert into radcheck (username, attribute, op, value) values ($1, 'Cleartext-Password', ':=', $2)",
        )
        .bind(wire::user(number))
        .bind(wire::password(number))
        .execute(&mut *tx)
        .await
        .unwrap();
    }
    tx.commit().await.unwrap();
    sql.close().await.unwrap();
}

async fn fill_postgres(url: &str, accounts: usize) {
    let mut sql = PgConnection::connect(url).await.unwrap();
    let schema = fs::read_to_string(format!("{PACKAGE}/postgresql/schema.sql")).unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(schema)).execute(&mut sql).await.unwrap();
    let mut tx = sql.begin().await.unwrap();
    for number in 0..accounts {
        sqlx::query(
            "insert into radcheck (username, attribute, op, value) values ($1, 'Cleartext-Password', ':=', $2)",
        )
        .bind(wire::user(number))
        .bind(wire::password(number))
        .execute(&mut *tx)
        .await
        .unwrap();
    }
    tx.commit().await.unwrap();
    sqlx::raw_sql("analyze").execute(&mut sql).await.unwrap();
    sql.close().await.unwrap();
}

/// The package's module, its comments left out.
fn sql(dialect: &str, driver: &str) -> String {
    format!(
        r#"
sql {{
    dialect = "{dialect}"
    driver = "rlm_sql_{dialect}"
    {driver}
    acct_table1 = "radacct"
    acct_table2 = "radacct"
    postauth_table = "radpostauth"
    authcheck_table = "radcheck"
    groupcheck_table = "radgroupcheck"
    authreply_table = "radreply"
    groupreply_table = "radgroupreply"
    usergroup_table = "radusergroup"
    delete_stale_sessions = yes
    client_table = "nas"
    group_attribute = "SQL-Group"
    pool {{
        start = 5
        min = 3
        max = 32
        spare = 10
        uses = 0
        retry_delay = 30
        lifetime = 0
        idle_timeout = 60
    }}
    $INCLUDE {PACKAGE}/{dialect}/queries.conf
}}
"#
    )
}

fn configuration(at: &str, auth: SocketAddr, acct: SocketAddr, modules: &str, listed: &str) -> String {
    let (auth, acct) = (auth.port(), acct.port());
    let records = if listed == "sql" { "sql" } else { "ok" };
    format!(
        r#"
prefix = /usr
libdir = /usr/lib/freeradius
logdir = {at}
run_dir = {at}
radacctdir = {at}
pidfile = {at}/pid
hostname_lookups = no
max_requests = 65536
cleanup_delay = 5
proxy_requests = no
security {{
    reject_delay = 0
    status_server = yes
}}
thread pool {{
    start_servers = 5
    max_servers = 32
    min_spare_servers = 3
    max_spare_servers = 10
    max_requests_per_server = 0
    auto_limit_acct = no
}}
client load {{
    ipaddr = 127.0.0.1
    secret = {SECRET}
    require_message_authenticator = yes
}}
modules {{
    expr {{
    }}
    always ok {{
        rcode = ok
    }}
    pap {{
    }}
    chap {{
    }}
    mschap {{
        use_mppe = yes
    }}
    {modules}
}}
server bench {{
    listen {{
        type = auth
        ipaddr = 127.0.0.1
        port = {auth}
        recv_buff = 4194304
    }}
    listen {{
        type = acct
        ipaddr = 127.0.0.1
        port = {acct}
        recv_buff = 4194304
    }}
    authorize {{
        chap
        mschap
        {listed}
        pap
    }}
    authenticate {{
        Auth-Type PAP {{
            pap
        }}
        Auth-Type CHAP {{
            chap
        }}
        Auth-Type MS-CHAP {{
            mschap
        }}
    }}
    post-auth {{
        update reply {{
            Message-Authenticator := 0x00
            Service-Type := Framed-User
            Framed-Protocol := PPP
            Session-Timeout := {SESSION_TIMEOUT}
            Acct-Interim-Interval := {INTERIM}
            Class := "{CLASS}"
        }}
    }}
    preacct {{
        update request {{
            Acct-Unique-Session-Id := "%{{md5:%{{User-Name}},%{{Acct-Session-ID}},%{{NAS-IP-Address}}}}"
        }}
    }}
    accounting {{
        {records}
    }}
}}
"#
    )
}
