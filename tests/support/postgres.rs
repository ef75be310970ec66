//! A throw-away PostgreSQL: one cluster for all tests of a process, one fresh database for each.
//!
//! It listens on a Unix socket only, so no port is shared. The cluster ends with the last [`Database`], and also when
//! the test process is killed: a shell beside it waits for the end of its standard input.
#![allow(dead_code, clippy::unwrap_used, reason = "each test program uses a part of it, and fails by panicking")]

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use sqlx::{Connection, PgConnection};

/// Makes the cluster, says where it is, and takes it away once nobody holds the standard input any more.
/// Runs as `postgres` under root: PostgreSQL refuses root.
const SCRIPT: &str = r#"
set -eu
bin=$1
if [ "$(id -u)" = 0 ]; then
    exec runuser -u postgres -- bash -c "$2" bash "$bin" "$2" "$3"
fi
dir=$(mktemp -d "${TMPDIR:-/tmp}/radgram-pg-XXXXXX")
trap '"${bin}pg_ctl" -D "$dir/data" -m immediate stop >/dev/null 2>&1 || true; rm -rf "$dir"' EXIT
chmod 755 "$dir"
"${bin}initdb" -D "$dir/data" -U radgram -N --auth=trust --encoding=UTF8 --locale=C >"$dir/log" 2>&1 ||
    { cat "$dir/log" >&2; exit 1; }
options="-c listen_addresses= -c unix_socket_directories=$dir -c max_connections=200 $3"
"${bin}pg_ctl" -D "$dir/data" -l "$dir/log" -o "$options" -w start >/dev/null || { cat "$dir/log" >&2; exit 1; }
echo "$dir"
cat >/dev/null
"#;

/// What a test writes need not survive a power cut.
const HASTY: &str = "-c fsync=off -c full_page_writes=off";

/// A fresh, empty database; the cluster lives as long as any of them.
pub struct Database {
    url: String,
    _cluster: Arc<Cluster>,
}

impl Database {
    /// Makes one.
    pub async fn fresh() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(1);
        let cluster = Cluster::shared();
        let name = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        Self { url: cluster.make(&name).await, _cluster: cluster }
    }

    /// Its address, as in the configuration.
    pub fn url(&self) -> &str {
        &self.url
    }
}

/// A running PostgreSQL. It ends when it is dropped.
pub struct Cluster {
    shell: Child,
    folder: String,
}

impl Cluster {
    fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Cluster>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let cluster = Arc::new(Self::start(HASTY));
            *shared = Arc::downgrade(&cluster);
            cluster
        })
    }

    /// With these options besides.
    pub fn start(options: &str) -> Self {
        let mut shell = Command::new("bash")
            .args(["-c", SCRIPT, "bash", &programs(), SCRIPT, options])
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("bash starts");
        let mut folder = String::new();
        BufReader::new(shell.stdout.take().unwrap()).read_line(&mut folder).unwrap();
        let folder = folder.trim().to_owned();
        assert!(!folder.is_empty(), "PostgreSQL does not start; what it said is above");
        Self { shell, folder }
    }

    /// Makes a database and gives its address, as in the configuration.
    pub async fn make(&self, name: &str) -> String {
        let mut connection = PgConnection::connect(&self.url("postgres")).await.unwrap();
        let statement = sqlx::AssertSqlSafe(format!("create database {name}"));
        sqlx::query(statement).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        self.url(name)
    }

    /// Where its socket is.
    pub fn folder(&self) -> &str {
        &self.folder
    }

    /// The process that all its others are children of.
    pub fn process(&self) -> u32 {
        let file = std::fs::read_to_string(format!("{}/data/postmaster.pid", self.folder)).unwrap();
        file.lines().next().and_then(|line| line.trim().parse().ok()).expect("the number of a process")
    }

    fn url(&self, database: &str) -> String {
        format!("postgres://radgram@localhost/{database}?host={}", self.folder.replace('/', "%2F"))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ended = self.shell.wait();
    }
}

/// Where initdb and pg_ctl are: Debian's newest, with a slash at the end, or `""` for the search path.
fn programs() -> String {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest: Option<(u32, PathBuf)> = versions
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(_, bin)| bin.join("initdb").exists())
        .max();
    if let Some((_, bin)) = newest {
        return format!("{}/", bin.display());
    }
    let on_path = Command::new("initdb").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    assert!(
        on_path.is_ok(),
        "PostgreSQL is not installed: `scripts/test-deps` installs it (Debian package postgresql)"
    );
    String::new()
}
