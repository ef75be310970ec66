//! What is measured: a server in a process of its own, told where it listens.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use crate::process;

/// A running server. It ends when it is dropped.
pub struct Target {
    pub name: &'static str,
    pub auth: SocketAddr,
    pub acct: SocketAddr,
    /// Besides the server: the database that it asks.
    pub beside: Vec<u32>,
    pub accounts: usize,
    /// Whether it proves that it knows the password.
    pub proves: bool,
    /// Whether a Class comes with its log-ins that its records must bring.
    pub learns_class: bool,
    child: Child,
}

impl Target {
    pub fn new(name: &'static str, (auth, acct): (SocketAddr, SocketAddr), child: Child, accounts: usize) -> Self {
        Self { name, auth, acct, beside: Vec::new(), accounts, learns_class: false, proves: true, child }
    }

    /// One of this program's own, by its first argument.
    pub fn own(name: &'static str, accounts: usize) -> Self {
        let mut child = ourselves().args([name, &accounts.to_string()]).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().parse().expect("the address that it serves");
        let mut target = Self::new(name, (address, address), child, accounts);
        target.proves = name != "floor";
        target
    }

    /// Processes whose processor time counts.
    pub fn watched(&self) -> Vec<u32> {
        [&[self.child.id()][..], &self.beside].concat()
    }

    /// Resident memory of the server, without its database server, in KiB.
    pub fn resident(&self) -> u64 {
        process::resident(self.child.id())
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        let _ended = self.child.kill().and_then(|()| self.child.wait());
    }
}

/// This program once more, for another part.
pub fn ourselves() -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.stdin(Stdio::null());
    command
}
