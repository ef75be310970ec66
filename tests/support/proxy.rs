//! Real proxies as child processes on free loopback ports: tinyproxy (HTTP) and microsocks (SOCKS5).
#![allow(dead_code, clippy::unwrap_used, reason = "each test program uses a part of it, and fails by panicking")]

use std::io::ErrorKind;
use std::process::Stdio;

use tempfile::TempDir;
use tokio::process::{Child, Command};

/// A proxy that asks for a password; it ends when dropped.
pub struct Proxy {
    child: Child,
    port: u16,
    _files: Option<TempDir>,
}

const USER: &str = "proxyuser";
const PASSWORD: &str = "proxypassword";

impl Proxy {
    /// An HTTP proxy.
    pub fn http() -> Self {
        let port = free_port();
        let files = tempfile::tempdir().unwrap();
        let file = files.path().join("tinyproxy.conf");
        let lines =
            format!("Port {port}\nListen 127.0.0.1\nAllow 127.0.0.1\nTimeout 60\nBasicAuth {USER} {PASSWORD}\n");
        std::fs::write(&file, lines).unwrap();
        let mut command = Command::new("tinyproxy");
        command.arg("-d").arg("-c").arg(&file);
        Self { child: started(command, "tinyproxy"), port, _files: Some(files) }
    }

    /// A SOCKS5 proxy.
    pub fn socks5() -> Self {
        let port = free_port();
        let mut command = Command::new("microsocks");
        command.args(["-i", "127.0.0.1", "-p", &port.to_string(), "-u", USER, "-P", PASSWORD]);
        Self { child: started(command, "microsocks"), port, _files: None }
    }

    /// Its address for `telegram.proxy`, with this scheme and the right password.
    pub fn url(&self, scheme: &str) -> String {
        format!("{scheme}://{USER}:{PASSWORD}@127.0.0.1:{}", self.port)
    }

    /// Its address with a wrong password.
    pub fn url_with_wrong_password(&self, scheme: &str) -> String {
        format!("{scheme}://{USER}:wrong@127.0.0.1:{}", self.port)
    }

    /// Ends it.
    pub async fn stop(mut self) {
        self.child.kill().await.unwrap();
    }
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[track_caller]
fn started(mut command: Command, package: &str) -> Child {
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true).spawn();
    match child {
        Ok(child) => child,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            panic!("{package} is not installed: `scripts/test-deps` installs it (Debian package {package})")
        }
        Err(error) => panic!("{package} does not start: {error}"),
    }
}
