//! strongSwan as an IKEv2 gateway that asks radgram (plugin `eap-radius`), and as its client: each in a network namespace of its
//! own, joined by a wire. The namespaces belong to a user namespace, so that nobody needs to be root, and end with their
//! processes. ESP is strongSwan's own (plugin `kernel-libipsec`, over a TUN device), since many kernels in containers have none.
#![allow(dead_code, clippy::unwrap_used, reason = "each test program uses a part of it, and fails by panicking")]

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};

pub const GATEWAY: &str = "10.77.0.1";
pub const CLIENT: &str = "10.77.0.2";
/// An address behind the gateway.
pub const BEHIND: &str = "10.78.0.1";
/// The gateway's name in its certificate.
const NAME: &str = "vpn.example.com";
/// The port of the gateway's listener for Disconnect-Requests.
pub const DAE_PORT: u16 = 3799;
/// Longer than anything takes; reached only by a test that fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// A process in which a namespace lives; it ends when it is dropped, or when the test dies.
struct Holder(Child);

impl Holder {
    /// Runs `program` until the end of its input, which is ours to close.
    async fn start(program: &[&str]) -> Option<Self> {
        // `cat` says that it runs by giving back what it was given.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]).args(program).args(["sh", "-c", "echo here; exec cat"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn().ok()?;
        let mut said = [0; 5];
        let runs = child.stdout.as_mut()?.read_exact(&mut said).await.is_ok();
        runs.then_some(Self(child))
    }

    fn pid(&self) -> String {
        self.0.id().unwrap().to_string()
    }

    /// The words before a command that runs in its namespaces.
    fn inside(&self) -> Vec<String> {
        let target = self.pid();
        ["/usr/bin/nsenter", "--preserve-credentials", "--user", "--net", "--target", &target]
            .map(str::to_owned)
            .to_vec()
    }
}

/// Two namespaces and a wire.
pub struct Yard {
    gateway: Holder,
    client: Holder,
    pub folder: TempDir,
}

/// Why there can be no yard here.
#[derive(Debug)]
pub struct NoYard(pub String);

impl Yard {
    /// Lays it out.
    ///
    /// # Errors
    /// The kernel gives no namespaces, or no TUN devices in them.
    pub async fn new() -> Result<Self, NoYard> {
        let none = || NoYard("the kernel gives no user and network namespaces".to_owned());
        let gateway = Holder::start(&["unshare", "--user", "--map-root-user", "--net"]).await.ok_or_else(none)?;
        let inside = gateway.inside();
        let far: Vec<&str> = inside.iter().map(String::as_str).chain(["unshare", "--net"]).collect();
        let client = Holder::start(&far).await.ok_or_else(none)?;
        let yard = Self { gateway, client, folder: tempfile::tempdir().unwrap() };
        let wire = format!("link add east type veth peer name west netns {}", yard.client.pid());
        for (end, line) in [
            (&yard.gateway, wire.as_str()),
            (&yard.gateway, "link set lo up"),
            (&yard.gateway, &format!("address add {GATEWAY}/24 dev east")),
            (&yard.gateway, "link set east up"),
            (&yard.client, "link set lo up"),
            (&yard.client, &format!("address add {CLIENT}/24 dev west")),
            (&yard.client, "link set west up"),
            (&yard.gateway, &format!("address add {BEHIND}/32 dev lo")),
            (&yard.gateway, "tuntap add probe mode tun"),
            (&yard.client, "tuntap add probe mode tun"),
        ] {
            let output = run(end, "ip", line).await;
            if !output.status.success() {
                return Err(NoYard(format!("ip {line}: {}", String::from_utf8_lossy(&output.stderr).trim())));
            }
        }
        Ok(yard)
    }

    /// Whether a packet goes from the client through the tunnel and back.
    pub async fn is_through(&self) -> bool {
        run(&self.client, "ping", &format!("-c 1 -W 5 {BEHIND}")).await.status.success()
    }

    /// The words before a command that runs on the gateway.
    pub fn on_gateway(&self) -> Vec<String> {
        self.gateway.inside()
    }

    /// The gateway, which asks radgram at these addresses of its own.
    pub async fn gateway(&self, auth: SocketAddr, acct: SocketAddr, secret: &str) -> Charon {
        let plugins = format!(
            "eap-radius {{ accounting = yes\n accounting_send_class = yes\n station_id_with_port = no\n nas_identifier = gateway\n\
             dae {{ enable = yes\n listen = 127.0.0.1\n port = {DAE_PORT}\n secret = {secret} }}\n\
             servers {{ radgram {{ address = {}\n auth_port = {}\n acct_port = {}\n secret = {secret} }} }} }}",
            auth.ip(),
            auth.port(),
            acct.port()
        );
        let connection = format!(
            "connections {{ vpn {{ version = 2\n local_addrs = {GATEWAY}\n pools = tunnel\n\
             local {{ auth = pubkey\n certs = gateway.pem\n id = {NAME} }}\n\
             remote {{ auth = eap-radius\n eap_id = %any }}\n\
             children {{ net {{ local_ts = 10.78.0.0/16 }} }} }} }}\n\
             pools {{ tunnel {{ addrs = 10.79.0.0/24 }} }}\n"
        );
        let charon = self.charon(&self.gateway, "gateway", ("eap-radius", &plugins), &connection).await;
        charon.is_loaded().await;
        charon
    }

    /// The client of somebody.
    pub async fn client(&self, name: &str, password: &str) -> Charon {
        let connection = format!(
            "connections {{ home {{ version = 2\n remote_addrs = {GATEWAY}\n vips = 0.0.0.0\n\
             local {{ auth = eap-mschapv2\n eap_id = {name} }}\n\
             remote {{ auth = pubkey\n id = {NAME} }}\n\
             children {{ net {{ remote_ts = 10.78.0.0/16 }} }} }} }}\n\
             secrets {{ eap {{ id = {name}\n secret = \"{password}\" }} }}\n"
        );
        let charon = self.charon(&self.client, name, ("eap-mschapv2", ""), &connection).await;
        charon.is_loaded().await;
        charon
    }

    async fn charon(&self, end: &Holder, name: &str, (plugin, plugins): (&str, &str), connection: &str) -> Charon {
        let folder = self.folder.path().join(name);
        for kind in ["x509", "x509ca", "private"] {
            fs::create_dir_all(folder.join(kind)).unwrap();
        }
        self.certify(&folder);
        fs::write(folder.join("swanctl.conf"), connection).unwrap();
        fs::write(folder.join("strongswan.conf"), configuration(&folder, plugin, plugins)).unwrap();
        let inside = end.inside();
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]).args(inside).arg("/usr/sbin/charon-systemd");
        command.env("STRONGSWAN_CONF", folder.join("strongswan.conf")).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.kill_on_drop(true).spawn().expect("strongSwan is installed by scripts/test-deps");
        Charon { folder, _child: child }
    }

    /// The authority's certificate for both, and the gateway's with its key; made once.
    fn certify(&self, folder: &Path) {
        let (authority, gateway) = (self.folder.path().join("authority.pem"), self.folder.path().join("gateway.pem"));
        let key_file = self.folder.path().join("gateway.key");
        if !authority.exists() {
            let named = |names: Vec<String>, name: &str| {
                let mut params = CertificateParams::new(names).unwrap();
                params.distinguished_name.push(DnType::CommonName, name);
                params
            };
            let mut of_authority = named(Vec::new(), "authority");
            of_authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            let (key, own_key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
            fs::write(&authority, of_authority.self_signed(&key).unwrap().pem()).unwrap();
            let issuer = Issuer::new(of_authority, key);
            let of_gateway = named(vec![NAME.to_owned()], NAME).signed_by(&own_key, &issuer).unwrap();
            fs::write(&gateway, of_gateway.pem()).unwrap();
            fs::write(&key_file, own_key.serialize_pem()).unwrap();
        }
        fs::copy(&authority, folder.join("x509ca/authority.pem")).unwrap();
        fs::copy(&gateway, folder.join("x509/gateway.pem")).unwrap();
        fs::copy(&key_file, folder.join("private/gateway.key")).unwrap();
    }
}

fn configuration(folder: &Path, plugin: &str, plugins: &str) -> String {
    let at = folder.display();
    format!(
        "charon-systemd {{\n\
         load = random nonce openssl pem x509 pubkey pkcs1 pkcs8 constraints revocation kdf hmac sha1 sha2 md4 md5 gmp aes \
         kernel-libipsec kernel-netlink socket-default vici eap-identity {plugin}\n\
         filelog {{ log {{ path = {at}/log\n default = 1\n flush_line = yes }} }}\n\
         journal {{ default = -1 }}\n\
         plugins {{ vici {{ socket = unix://{at}/vici }}\n {plugins} }}\n}}\n"
    )
}

async fn run(end: &Holder, program: &str, line: &str) -> Output {
    let inside = end.inside();
    let (nsenter, words) = inside.split_first().unwrap();
    let command =
        Command::new(nsenter).args(words).arg(program).args(line.split(' ')).stdin(Stdio::null()).output().await;
    command.unwrap_or_else(|error| panic!("{program} (installed by scripts/test-deps): {error}"))
}

/// A running strongSwan; it ends when it is dropped.
pub struct Charon {
    folder: PathBuf,
    _child: Child,
}

impl Charon {
    /// Waits until it runs and has taken its configuration.
    async fn is_loaded(&self) {
        let loading = async {
            while !self.swanctl("--load-all --noprompt").await.1 {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let loaded = tokio::time::timeout(PATIENCE, loading).await;
        assert!(loaded.is_ok(), "{}\n{:?}", self.log(), self.swanctl("--load-all").await);
    }

    /// Dials; what it says, and whether the tunnel is up.
    pub async fn dial(&self) -> (String, bool) {
        self.swanctl("--initiate --child net --timeout 30").await
    }

    /// How many IKE SAs are established.
    pub async fn established(&self) -> usize {
        let (said, _) = self.swanctl("--list-sas").await;
        said.lines().filter(|line| line.contains(", ESTABLISHED, ")).count()
    }

    /// Hangs up.
    pub async fn hang_up(&self) {
        let (said, done) = self.swanctl("--terminate --ike home").await;
        assert!(done, "{said}");
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    async fn swanctl(&self, line: &str) -> (String, bool) {
        let uri = format!("unix://{}", self.folder.join("vici").display());
        let mut command = Command::new("swanctl");
        command.args(line.split(' ')).args(["--uri", &uri]).env("SWANCTL_DIR", &self.folder).stdin(Stdio::null());
        let output = command.output().await.expect("swanctl is installed by scripts/test-deps");
        let said = [output.stdout, output.stderr].concat();
        (String::from_utf8_lossy(&said).into_owned(), output.status.success())
    }
}
