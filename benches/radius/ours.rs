//! radgram as an operator sets it up: by its own command line, on a database of its own.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::target::Target;
use crate::wire::{self, SECRET};

/// The most lines of one import.
const IMPORT: usize = 10_000;

/// A configured radgram, its accounts imported and their sessions granted; not running yet.
pub struct Ours {
    pub name: &'static str,
    pub url: String,
    folder: TempDir,
    program: PathBuf,
    accounts: usize,
    /// The database server, if it has one.
    database: Vec<u32>,
}

impl Ours {
    /// On this database; on a SQLite file of its own if there is none.
    pub fn new(name: &'static str, program: PathBuf, accounts: usize, postgres: Option<(String, u32)>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = format!("sqlite:{}", folder.path().join("radgram.db").display());
        let (url, database) = postgres.map_or((file, Vec::new()), |(url, process)| (url, vec![process]));
        let text = format!(
            "[radius]\nauth_listen = [\"127.0.0.1:0\"]\nacct_listen = [\"127.0.0.1:0\"]\n[web]\nlisten = \"127.0.0.1:0\"\n\
             [database]\nurl = \"{url}\"\n[log]\nformat = \"json\"\n"
        );
        fs::write(folder.path().join("radius.toml"), text).unwrap();
        let ours = Self { name, url, folder, program, accounts, database };
        ours.done(&["router", "add", "bench", "--address", "127.0.0.1"], SECRET);
        let all: Vec<usize> = (0..accounts).collect();
        for some in all.chunks(IMPORT) {
            let mut lines = "username,password,telegram_id,name\n".to_owned();
            for number in some {
                let (user, password) = (wire::user(*number), wire::password(*number));
                writeln!(lines, "{user},{password},{},Person {number}", 100_000 + number).unwrap();
            }
            ours.done(&["account", "import", "-"], &lines);
        }
        ours.done(&["session", "grant", "--all", "--hours", "168"], "");
        ours
    }

    /// Runs what must be done, with `input` on standard input.
    fn done(&self, arguments: &[&str], input: &str) {
        let mut child = self.command(arguments).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success(), "radgram {arguments:?} failed");
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments).current_dir(self.folder.path()).env_clear().stderr(Stdio::piped());
        // A slow disk is the only thing of the surroundings that counts.
        command.envs(std::env::var_os("LD_PRELOAD").map(|library| ("LD_PRELOAD", library)));
        command
    }

    /// Starts the server on free ports.
    pub fn serve(&self) -> Target {
        let mut child = self.command(&["serve"]).stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        let (auth, acct) = serving(&mut child);
        let mut target = Target::new(self.name, (auth, acct), child, self.accounts);
        (target.beside, target.learns_class) = (self.database.clone(), true);
        target
    }
}

/// Reads the log up to where it serves; what it says later is told if it is a warning.
fn serving(child: &mut Child) -> (std::net::SocketAddr, std::net::SocketAddr) {
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    for line in lines.by_ref() {
        let event: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
        if event["message"] != "serving" {
            continue;
        }
        let address = |key: &str| event[key].as_str().unwrap().trim_matches(['[', ']']).parse().unwrap();
        let addresses = (address("auth"), address("acct"));
        std::thread::spawn(move || lines.filter(|line| line.contains("ERROR")).for_each(|line| eprintln!("{line}")));
        return addresses;
    }
    panic!("radgram ended before it served")
}
