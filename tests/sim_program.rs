//! `radgram sim router` as somebody uses it who wants to try things: the built program, a file, and a keyboard.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod scripted;

use std::process::Stdio;
use std::time::Duration;

use scripted::{Scripted, accept, recorded};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// Longer than the program takes on a slow machine; reached only by a test that fails.
const PATIENCE: Duration = Duration::from_secs(30);

struct Lab {
    folder: TempDir,
}

struct Running {
    child: Child,
    keyboard: ChildStdin,
    screen: Lines<BufReader<ChildStdout>>,
}

impl Lab {
    fn with(text: &str) -> Self {
        let lab = Self { folder: tempfile::tempdir().unwrap() };
        std::fs::write(lab.folder.path().join("lab.toml"), text).unwrap();
        lab
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_radgram"));
        command.args(["sim", "router", "--config", "lab.toml"]).current_dir(self.folder.path()).env_clear();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    fn run(&self) -> Running {
        let mut child = self.command().spawn().unwrap();
        let (keyboard, screen) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Running { child, keyboard, screen: BufReader::new(screen).lines() }
    }

    /// What it says on standard error instead of running.
    async fn refused(&self) -> String {
        let output = self.command().output();
        let output = tokio::time::timeout(PATIENCE, output).await.unwrap().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    }
}

impl Running {
    /// The next line with these words.
    async fn reads(&mut self, words: &str) -> String {
        let mut seen = Vec::new();
        let reading = async {
            while let Some(line) = self.screen.next_line().await.unwrap() {
                if line.contains(words) {
                    return line;
                }
                seen.push(line);
            }
            panic!("it ended without {words:?}: {seen:#?}")
        };
        tokio::time::timeout(PATIENCE, reading).await.unwrap_or_else(|_| panic!("never said: {words}"))
    }

    async fn types(&mut self, line: &str) {
        self.keyboard.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }
}

/// A file with free ports, and a server that accepts.
fn lab(server: &Scripted) -> Lab {
    let (auth, acct) = (server.entry.auth.port(), server.entry.acct.port());
    Lab::with(&format!(
        "[[radius]]\naddress = \"127.0.0.1\"\nauthentication_port = {auth}\naccounting_port = {acct}\n\
         secret = \"{}\"\n[incoming]\nport = 0\n[api]\nport = 0\ntls_port = 0\n\
         [[user]]\nname = \"radgram\"\npassword = \"geheim-77\"\npolicies = \"api,read,write\"\n\
         [[row]]\nmenu = \"/ip/firewall/filter\"\nchain = \"forward\"\naction = \"drop\"\n",
        scripted::SECRET
    ))
}

#[tokio::test]
async fn somebody_dials_looks_hangs_up_and_quits() {
    let mut server = Scripted::start(accept, recorded).await;
    let lab = lab(&server);
    let mut running = lab.run();
    running.reads("radius from 127.0.0.1:").await;
    let api = running.reads("api at 127.0.0.1:").await;
    running.reads("type: dial NAME PASSWORD").await;
    running.types("dial User clientPass 192.0.2.7").await;
    running.reads("Access-Request id=0 User-Name=User Calling-Station-Id=192.0.2.7").await;
    running.reads("User: connected as 10.9.0.5, 81000001").await;
    running.types("list").await;
    running.reads("<l2tp-User> 10.9.0.5 from 192.0.2.7: traffic is shut").await;
    server.expect(1).await;

    let address = api.trim_start_matches("api at ").to_owned();
    let mut client = tokio::net::TcpStream::connect(address).await.unwrap();
    client.write_all(b"\x06/login\x0d=name=radgram\x13=password=geheim-77\x00").await.unwrap();
    let mut answer = [0; 7];
    tokio::time::timeout(PATIENCE, client.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(&answer, b"\x05!done\x00");
    running.reads("-> /login =name=radgram =password=***").await;

    running.types("hangup User").await;
    running.reads("User: 1 hung up").await;
    server.expect(2).await;
    running.types("dial nonsense").await;
    running.reads("type: dial NAME PASSWORD").await;
    running.types("reboot").await;
    running.reads("disconnected").await;
    running.types("quit").await;
    let ended = tokio::time::timeout(PATIENCE, running.child.wait()).await.unwrap().unwrap();
    assert!(ended.success(), "{ended}");
}

#[tokio::test]
async fn it_runs_on_when_nobody_types() {
    let server = Scripted::start(accept, recorded).await;
    let lab = lab(&server);
    let mut child = lab.command().stdin(Stdio::null()).spawn().unwrap();
    let mut screen = BufReader::new(child.stdout.take().unwrap()).lines();
    while let Some(line) = tokio::time::timeout(PATIENCE, screen.next_line()).await.unwrap().unwrap() {
        if let Some(address) = line.strip_prefix("api at ") {
            tokio::net::TcpStream::connect(address).await.unwrap();
        }
        if line.ends_with("disconnected") {
            break;
        }
    }
    assert!(child.try_wait().unwrap().is_none());
}

#[tokio::test]
async fn a_mistake_in_the_file_is_one_line() {
    for (text, said) in [
        ("nonsense = 1\n", "radgram: lab.toml: line 1: unknown field `nonsense`"),
        (
            "version = \"5.0\"\n",
            "radgram: lab.toml: version: no such version: 5.0; there are 6.49, 7.14, 7.18 and 7.22",
        ),
        ("[client]\ntimeout_ms = 5\n", "radgram: lab.toml: [client] timeout_ms: from 10 to 60000"),
        ("[api]\ncertificate = \"nowhere.pem\"\n", "nowhere.pem: cannot be read"),
        ("address = \"192.0.2.1\"\n", "radgram: the router cannot be started: "),
        (
            "[incoming]\nport = 0\n[api]\nport = 0\ntls_port = 0\n[[row]]\nmenu = \"/nope\"\n",
            "radgram: [[row]] of /nope: no such command prefix",
        ),
    ] {
        let refused = Lab::with(text).refused().await;
        assert!(refused.contains(said) && refused.lines().count() == 1, "{text}: {refused}");
    }
}
