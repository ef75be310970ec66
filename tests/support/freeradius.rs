//! FreeRADIUS in the place of a router's User Manager, or of a router that asks over TLS: a peer that was written by others.
#![allow(dead_code, clippy::unwrap_used, reason = "each test program uses a part of it, and fails by panicking")]

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// What it shares with radgram.
pub const HOME_SECRET: &str = "between-us-and-home";
/// What the log says once it serves.
const READY: &str = "Ready to process requests";
/// Longer than it takes to start on a slow machine; reached only by a test that fails.
const PATIENCE: Duration = Duration::from_secs(120);
/// A free port may be taken by somebody else before the server has it.
const STARTS: usize = 5;

/// A running server; it ends when it is dropped.
pub struct FreeRadius {
    pub address: SocketAddr,
    _child: Child,
    _folder: TempDir,
}

impl FreeRadius {
    /// With these users, in the format of its `files` module.
    pub async fn start(users: &str) -> Self {
        for _ in 0..STARTS {
            if let Some(running) = Self::start_at(free(), users).await {
                return running;
            }
        }
        panic!("freeradius (installed by scripts/test-deps) does not start");
    }

    /// The same at this address; `None` if it does not start there.
    pub async fn start_at(address: SocketAddr, users: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().display().to_string();
        fs::write(folder.path().join("users"), users).unwrap();
        Self::run(folder, address, &configuration(&at, address)).await
    }

    /// It takes requests here by UDP (log-ins and, on the next port, accounting), and asks `server` over TLS. The folder has
    /// `ca.pem`, `client.crt` and `client.key`.
    pub async fn proxy(folder: impl Fn() -> TempDir, server: SocketAddr) -> Self {
        for _ in 0..STARTS {
            let (folder, address) = (folder(), free());
            let configuration = proxying(&folder.path().display().to_string(), address, server);
            if let Some(running) = Self::run(folder, address, &configuration).await {
                return running;
            }
        }
        panic!("freeradius (installed by scripts/test-deps) does not start");
    }

    async fn run(folder: TempDir, address: SocketAddr, configuration: &str) -> Option<Self> {
        let at = folder.path().display().to_string();
        fs::write(folder.path().join("radiusd.conf"), configuration).unwrap();
        fs::write(folder.path().join("dictionary"), "$INCLUDE /usr/share/freeradius/dictionary\n").unwrap();
        let mut child = Command::new("/usr/sbin/freeradius")
            .args(["-f", "-l", "stdout", "-d", &at])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("freeradius is installed by scripts/test-deps");
        let mut log = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = async {
            while let Some(line) = log.next_line().await.unwrap() {
                if line.contains(READY) {
                    return true;
                }
            }
            false
        };
        let ready = tokio::time::timeout(PATIENCE, ready).await.expect("freeradius says nothing");
        // What it says later is read, so that it never waits for us.
        tokio::spawn(async move { while let Ok(Some(_)) = log.next_line().await {} });
        ready.then_some(Self { address, _child: child, _folder: folder })
    }
}

/// An address on which nothing listens now.
pub fn free() -> SocketAddr {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn configuration(at: &str, address: SocketAddr) -> String {
    let port = address.port();
    format!(
        r#"
prefix = /usr
libdir = /usr/lib/freeradius
logdir = {at}
run_dir = {at}
radacctdir = {at}
pidfile = {at}/pid
hostname_lookups = no
security {{
	reject_delay = 0
	status_server = yes
}}
client radgram {{
	ipaddr = 127.0.0.1
	secret = {HOME_SECRET}
	require_message_authenticator = yes
}}
modules {{
	pap {{
	}}
	chap {{
	}}
	mschap {{
	}}
	files {{
		filename = {at}/users
	}}
}}
server home {{
	listen {{
		type = auth
		ipaddr = 127.0.0.1
		port = {port}
	}}
	authorize {{
		chap
		mschap
		files
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
}}
"#
    )
}

fn proxying(at: &str, address: SocketAddr, server: SocketAddr) -> String {
    let (port, next, server) = (address.port(), address.port().wrapping_add(1), server.port());
    format!(
        r#"
prefix = /usr
libdir = /usr/lib/freeradius
logdir = {at}
run_dir = {at}
radacctdir = {at}
pidfile = {at}/pid
hostname_lookups = no
proxy_requests = yes
security {{
	reject_delay = 0
}}
thread pool {{
	start_servers = 2
	max_servers = 4
	min_spare_servers = 1
	max_spare_servers = 4
}}
client here {{
	ipaddr = 127.0.0.1
	secret = {HOME_SECRET}
}}
home_server radgram {{
	type = auth+acct
	ipaddr = 127.0.0.1
	port = {server}
	proto = tcp
	secret = radsec
	status_check = none
	response_window = 30
	tls {{
		certificate_file = {at}/client.crt
		private_key_file = {at}/client.key
		ca_file = {at}/ca.pem
		fragment_size = 8192
		tls_min_version = "1.2"
		tls_max_version = "1.2"
	}}
}}
home_server_pool radgram {{
	type = fail-over
	home_server = radgram
}}
realm radgram {{
	auth_pool = radgram
	acct_pool = radgram
	nostrip
}}
server here {{
	listen {{
		type = auth
		ipaddr = 127.0.0.1
		port = {port}
	}}
	listen {{
		type = acct
		ipaddr = 127.0.0.1
		port = {next}
	}}
	authorize {{
		update control {{
			Proxy-To-Realm := "radgram"
		}}
	}}
	preacct {{
		update control {{
			Proxy-To-Realm := "radgram"
		}}
	}}
	pre-proxy {{
		if ("%{{Packet-Type}}" == "Access-Request") {{
			update proxy-request {{
				Message-Authenticator := 0x00
			}}
		}}
	}}
}}
"#
    )
}
