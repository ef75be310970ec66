//! radgram as its operator runs it: the built program with a configuration of its own, as command line and as server.
#![allow(dead_code, clippy::unwrap_used, reason = "each test program uses a part of it, and fails by panicking")]

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};

use super::postgres::Database;

const PROGRAM: &str = env!("CARGO_BIN_EXE_radgram");
/// Longer than the program takes to start on a slow machine; reached only by a test that fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// A directory with a configuration, and the program.
pub struct Office {
    folder: TempDir,
    url: String,
    /// The words before the program, for one that serves elsewhere than here.
    before: Vec<String>,
    _database: Option<Database>,
}

impl Office {
    /// On a SQLite file.
    pub fn on_sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("radgram.db").display());
        Self { folder, url, before: Vec::new(), _database: None }.configured()
    }

    /// On a PostgreSQL database.
    pub async fn on_postgres() -> Self {
        let database = Database::fresh().await;
        let url = database.url().to_owned();
        let (folder, before) = (tempfile::tempdir().unwrap(), Vec::new());
        Self { folder, url, before, _database: Some(database) }.configured()
    }

    fn configured(self) -> Self {
        let text = format!(
            "[radius]\nauth_listen = [\"127.0.0.1:0\"]\nacct_listen = [\"127.0.0.1:0\"]\n\
             [web]\nlisten = \"127.0.0.1:0\"\n\
             [database]\nurl = \"{}\"\n\
             [log]\nformat = \"json\"\n",
            self.url
        );
        std::fs::write(self.folder.path().join("radius.toml"), text).unwrap();
        self
    }

    /// The same, where these words before the program bring it: into a namespace.
    pub fn inside(self, before: Vec<String>) -> Self {
        Self { before, ..self }
    }

    /// The database, as in the configuration.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Runs what must be done, with `input` on standard input; gives what it says.
    pub async fn done_with(&self, line: &str, input: &str) -> String {
        let mut child = self.program(line).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // A command that reads nothing may be gone before it is written to.
        let _gone = child.stdin.take().unwrap().write_all(input.as_bytes()).await;
        let output = child.wait_with_output().await.unwrap();
        assert!(output.status.success(), "{line}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    pub async fn done(&self, line: &str) -> String {
        self.done_with(line, "").await
    }

    /// Runs what must be refused; gives what it says on standard output and standard error.
    pub async fn refused(&self, line: &str) -> (String, String) {
        let child = self.program(line).stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let output = child.wait_with_output().await.unwrap();
        assert_eq!(output.status.code(), Some(1), "{line}: {output:?}");
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    }

    /// Runs what may end either way, with `input` on standard input; gives its exit code and all that it says.
    pub async fn ran_with(&self, line: &str, input: &str) -> (Option<i32>, String) {
        let mut child = self.program(line).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // A command that reads nothing may be gone before it is written to.
        let _gone = child.stdin.take().unwrap().write_all(input.as_bytes()).await;
        let output = child.wait_with_output().await.unwrap();
        let said = [output.stdout, output.stderr].map(|said| String::from_utf8(said).unwrap());
        (output.status.code(), said.concat())
    }

    /// Starts the server; it takes free ports, and says which.
    pub async fn serve(&self) -> Server {
        let mut child = self.program("serve").stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut said = Vec::new();
        let serving = async {
            while let Some(line) = lines.next_line().await.unwrap() {
                let event: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
                if event["message"] == "serving" {
                    return event;
                }
                said.push(line);
            }
            panic!("the server ended before it served: {}", said.join("\n"))
        };
        let event = tokio::time::timeout(PATIENCE, serving).await.expect("the server starts in time");
        // What it says from now on is read and dropped, so that it never waits for a reader.
        tokio::spawn(async move { lines.into_inner().read_to_end(&mut Vec::new()).await });
        let mut said_early = child.stdout.take().unwrap();
        tokio::spawn(async move { said_early.read_to_end(&mut Vec::new()).await });
        let web = event["web"].as_str().unwrap().parse().unwrap();
        Server { auth: address(&event["auth"]), acct: address(&event["acct"]), web, child }
    }

    /// From now on commands find the server's web port, which was any free one, in the configuration.
    pub fn knows(&self, server: &Server) {
        let file = self.folder.path().join("radius.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        let listen = |port: &str| format!("[web]\nlisten = \"127.0.0.1:{port}\"");
        std::fs::write(&file, text.replace(&listen("0"), &listen(&server.web.port().to_string()))).unwrap();
    }

    fn program(&self, line: &str) -> Command {
        let mut words = self.before.iter().map(String::as_str).chain([PROGRAM]);
        let mut command = Command::new(words.next().unwrap());
        command.args(words).args(line.split_whitespace()).current_dir(self.folder.path()).env_clear();
        command.stdout(Stdio::piped()).kill_on_drop(true);
        command
    }
}

/// The one address in a list as the log shows it.
fn address(shown: &serde_json::Value) -> SocketAddr {
    shown.as_str().unwrap().trim_matches(['[', ']']).parse().unwrap()
}

/// A running server; it dies when dropped.
pub struct Server {
    pub auth: SocketAddr,
    pub acct: SocketAddr,
    pub web: SocketAddr,
    child: Child,
}

impl Server {
    /// What it holds in memory, in KiB.
    pub fn resident_kib(&self) -> u64 {
        let status = self.proc("status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    }

    /// The processor time that it has used.
    pub fn processor(&self) -> Duration {
        /// Of `/proc` on every Linux.
        const TICKS_A_SECOND: u64 = 100;
        let stat = self.proc("stat");
        // The name in brackets may have spaces; user and system time are the 12th and 13th after it.
        let ticks: u64 = stat
            .rsplit(')')
            .next()
            .unwrap()
            .split_whitespace()
            .skip(11)
            .take(2)
            .map(|ticks| ticks.parse::<u64>().unwrap())
            .sum();
        Duration::from_millis(ticks * 1_000 / TICKS_A_SECOND)
    }

    fn proc(&self, file: &str) -> String {
        std::fs::read_to_string(format!("/proc/{}/{file}", self.child.id().unwrap())).unwrap()
    }

    /// kill -9: nothing is finished, nothing is given up. Once it returns the server is dead.
    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }
}
