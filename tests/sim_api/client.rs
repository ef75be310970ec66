//! A client of the API that knows sentences and nothing else.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use radgram::clock::{Clock, SettableClock, Timestamp};
use radgram::proto::routeros::{Decoder, Limits, Sentence, encode};
use radgram::sim::router::{RosVersion, RouterConfig, ServiceUser, SimRouter};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longer than anything takes on a slow machine; reached only by a test that fails.
pub const PATIENCE: Duration = Duration::from_secs(30);
pub const LOCALHOST: std::net::IpAddr = std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
pub const USER: &str = "radgram";
pub const PASSWORD: &str = "Dienst-Passwort-1";
/// 2024-02-05 13:47:44 UTC.
pub const NOW: i64 = 1_707_140_864_000;

pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// A connection.
pub struct Client {
    stream: Box<dyn Stream>,
    decoder: Decoder,
}

impl Client {
    pub async fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap())
    }

    pub fn over(stream: impl Stream + 'static) -> Self {
        Self { stream: Box::new(stream), decoder: Decoder::new(Limits::default()) }
    }

    /// Connected and logged in as the service user.
    pub async fn of(router: &SimRouter) -> Self {
        Self::logged_in(router, USER, PASSWORD).await
    }

    pub async fn logged_in(router: &SimRouter, name: &str, password: &str) -> Self {
        let mut client = Self::connect(router.api_addr().unwrap()).await;
        let answer = client.talk(&["/login", &format!("=name={name}"), &format!("=password={password}")]).await;
        assert_eq!(answer, [["!done"]]);
        client
    }

    pub async fn send_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    pub async fn send(&mut self, words: &[&str]) {
        let mut bytes = Vec::new();
        encode(&Sentence::from_words(words.iter().map(|word| word.as_bytes().to_vec())), &mut bytes);
        self.send_bytes(&bytes).await;
    }

    /// The next sentence; `None` once the router has closed.
    pub async fn receive(&mut self) -> Option<Vec<String>> {
        tokio::time::timeout(PATIENCE, self.sentence()).await.expect("the router answers in time")
    }

    async fn sentence(&mut self) -> Option<Vec<String>> {
        let mut buffer = [0; 4096];
        loop {
            if let Some(sentence) = self.decoder.next_sentence().unwrap() {
                return Some(sentence.words().iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect());
            }
            match self.stream.read(&mut buffer).await {
                Ok(0) | Err(_) => return None,
                Ok(length) => self.decoder.feed(&buffer[..length]),
            }
        }
    }

    /// How the connection ends, once everything is read.
    pub async fn end(&mut self) -> std::io::Result<usize> {
        tokio::time::timeout(PATIENCE, self.stream.read(&mut [0])).await.expect("it ends in time")
    }

    /// All sentences up to `!done` or the end of the connection.
    pub async fn answer(&mut self) -> Vec<Vec<String>> {
        let mut answer = Vec::new();
        while let Some(sentence) = self.receive().await {
            let is_last = sentence[0] == "!done" || sentence[0] == "!fatal";
            answer.push(sentence);
            if is_last {
                break;
            }
        }
        answer
    }

    pub async fn talk(&mut self, words: &[&str]) -> Vec<Vec<String>> {
        self.send(words).await;
        self.answer().await
    }

    /// What stands in `=ret=`.
    pub async fn ret(&mut self, words: &[&str]) -> String {
        let answer = self.talk(words).await;
        let ret = answer.last().and_then(|done| value(done, "ret"));
        ret.unwrap_or_else(|| panic!("{words:?}: {answer:?}"))
    }

    /// Does what must be done.
    pub async fn done(&mut self, words: &[&str]) {
        assert_eq!(self.talk(words).await, [["!done"]], "{words:?}");
    }

    /// The text of the trap.
    pub async fn trap(&mut self, words: &[&str]) -> String {
        let answer = self.talk(words).await;
        assert_eq!(answer[0][0], "!trap", "{words:?}: {answer:?}");
        value(&answer[0], "message").unwrap()
    }

    /// One property of all rows.
    pub async fn column(&mut self, name: &str, words: &[&str]) -> Vec<String> {
        let answer = self.talk(words).await;
        let rows = answer.iter().filter(|sentence| sentence[0] == "!re");
        rows.map(|row| value(row, name).unwrap_or_default()).collect()
    }
}

/// A property of a sentence.
pub fn value(sentence: &[String], name: &str) -> Option<String> {
    let prefix = format!("={name}=");
    sentence.iter().find_map(|word| word.strip_prefix(&prefix)).map(str::to_owned)
}

pub fn config() -> RouterConfig {
    let nobody = SocketAddr::new(LOCALHOST, 9);
    let server = radgram::sim::router::Server::new(nobody, nobody, radgram::secret::Secret::new("testing123"));
    let mut config = RouterConfig::new("MikroTik", LOCALHOST, server);
    config.api.users.push(ServiceUser::new(USER, PASSWORD, "api,read,write,sensitive,policy,reboot"));
    config
}

pub fn of_version(version: RosVersion) -> RouterConfig {
    RouterConfig { version, ..config() }
}

pub async fn start(config: RouterConfig) -> (SimRouter, SettableClock) {
    let clock = SettableClock::new(Timestamp::from_millis(NOW));
    let shared: Arc<dyn Clock> = Arc::new(clock.clone());
    (SimRouter::start(config, shared).await.unwrap(), clock)
}

/// A router with the defaults and a client that is logged in.
pub async fn office() -> (SimRouter, SettableClock, Client) {
    let (router, clock) = start(config()).await;
    let client = Client::of(&router).await;
    (router, clock, client)
}
