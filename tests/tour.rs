//! The tour of the README, run as it stands: the built program as server and command line, radclient as the router.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

const README: &str = include_str!("../README.md");
const PROGRAM: &str = env!("CARGO_BIN_EXE_radgram");

/// Dials until the server must have followed the command line; each takes two programs their start.
const TRIES: usize = 100;

/// The server, killed when the test is over.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An address of this machine that no other test has: all of 127.0.0.0/8 is here, so the README's ports can stay.
fn own_address() -> String {
    let [_, a, b, c] = std::process::id().to_be_bytes();
    format!("127.{}.{b}.{c}", 64 + a % 64)
}

/// Starts the server and waits until it has said what is to be done next: the database is there, and what radclient sends
/// before the sockets are open it sends again.
fn serve(directory: &Path, address: &str) -> Server {
    let mut child = Command::new(PROGRAM)
        .arg("serve")
        .current_dir(directory)
        .env_clear()
        .env("RADGRAM_RADIUS__AUTH_LISTEN", format!("{address}:1812"))
        .env("RADGRAM_RADIUS__ACCT_LISTEN", format!("{address}:1813"))
        .env("RADGRAM_WEB__LISTEN", format!("{address}:8080"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let said = BufReader::new(child.stdout.take().unwrap()).lines();
    let ready = said.map_while(Result::ok).any(|line| line.contains("the Telegram bot is off"));
    assert!(ready, "the server ended before it was ready");
    Server(child)
}

/// The shell blocks of the tour but for `make run`, for this program and address.
fn blocks(address: &str) -> Vec<String> {
    let (_, tour) = README.split_once("## Five minutes").unwrap();
    let (tour, _) = tour.split_once("\n## ").unwrap();
    tour.split("```sh\n")
        .skip(1)
        .map(|block| block.split("```").next().unwrap())
        .filter(|block| !block.starts_with("make run"))
        .map(|block| {
            block.replace("target/release/radgram", PROGRAM).replace("127.0.0.1:1812", &format!("{address}:1812"))
        })
        .collect()
}

fn shell(directory: &Path, block: &str) -> String {
    let output = Command::new("bash").arg("-c").arg(block).current_dir(directory).output().unwrap();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn the_tour_of_the_readme_runs_as_it_stands() {
    let directory = tempfile::tempdir().unwrap();
    let address = own_address();
    let _server = serve(directory.path(), &address);
    let [prepare, refused, accepted, ended] = blocks(&address).try_into().unwrap();
    let said = shell(directory.path(), &format!("set -e\n{prepare}"));
    assert!(said.contains("account ann has the new password"), "{said}");
    let said = shell(directory.path(), &refused);
    assert_eq!(said.matches("Received Access-Reject").count(), 2, "{said}");
    let said = shell(directory.path(), &accepted);
    assert_eq!(said.matches("Received Access-Accept").count(), 2, "{said}");
    assert_eq!(said.matches("Session-Timeout = 3").count(), 2, "{said}");
    shell(directory.path(), &ended);
    let shut = |_| shell(directory.path(), &refused).matches("Received Access-Reject").count() == 2;
    assert!((0..TRIES).any(shut), "the door stays open after the end of the session");
}
