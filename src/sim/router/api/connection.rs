//! One client: bytes come in as commands, answers go out, those of several commands between one another.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::faults::{Flow, Mishap};
use super::job::{Job, Said};
use super::login::{Answer, Entrance, User};
use super::{Chunks, End, Handle};
use crate::proto::routeros::{Decoder, Limits, Sentence, encode};
use crate::sim::router::command::rights::Rights;
use crate::sim::router::command::trap::Trap;
use crate::sim::router::command::{Command, Reply, rows_meant};
use crate::sim::router::state::path;
use crate::sim::router::state::table::Id;
use crate::sim::router::state::value::Value;
use crate::sim::router::trace::{Ret, SECRET_NAMES, Way};
use crate::sim::router::{Inner, lock};

/// Commands that are answered at a time; more wait in the client's buffer.
const JOBS_MAX: usize = 64;
/// Commands that go on until they are cancelled; more are refused.
const ENDLESS_MAX: usize = 100;
/// Bytes that are read at a time.
const READ_BYTES: usize = 16 * 1024;
/// Bytes of answers that are kept before they are written.
const WRITE_BYTES: usize = 16 * 1024;
/// What a sentence may cost before the log-in; RouterOS has a limit, no source says which.
const STRANGERS_BYTES: usize = 8 * 1024;
/// Sizes of the pieces that an answer is cut into, over and over.
const PIECES: [usize; 8] = [1, 2, 7, 61, 3, 509, 4093, 16_381];

/// The line to a client.
pub(super) enum Line {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Line {
    async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer).await,
            Self::Tls(stream) => stream.read(buffer).await,
        }
    }

    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.write_all(bytes).await,
            Self::Tls(stream) => {
                stream.write_all(bytes).await?;
                stream.flush().await
            }
        }
    }

    fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => stream.get_ref().0,
        }
    }
}

/// Why a connection ends.
struct Over;

struct Connection<'a> {
    router: &'a Arc<Inner>,
    handle: &'a Handle,
    peer: SocketAddr,
    line: Line,
    decoder: Decoder,
    entrance: Entrance,
    user: Option<User>,
    jobs: VecDeque<Job>,
    out: Vec<u8>,
    pieces: usize,
    /// Its row of `/ip/service`, where the version shows connections.
    shown: Option<Id>,
}

/// Serves a client until either end has enough.
pub(super) async fn serve(router: &Arc<Inner>, line: Line, peer: SocketAddr, handle: &Handle) {
    let entrance =
        Entrance { form: router.api.config.login, peer: peer.ip(), service: handle.service, challenge: None };
    let mut connection = Connection {
        router,
        handle,
        peer,
        line,
        decoder: Decoder::new(Limits::default()),
        entrance,
        user: None,
        jobs: VecDeque::new(),
        out: Vec::new(),
        pieces: 0,
        shown: None,
    };
    router.trace.connection(peer, "connected");
    connection.show();
    let end = handle.end.clone();
    let _over = end.run_until_cancelled(connection.run()).await;
    connection.leave();
}

impl Connection<'_> {
    async fn run(&mut self) -> Over {
        let mut buffer = vec![0; READ_BYTES];
        let mut flow = self.router.api.plans.flow.subscribe();
        loop {
            let now = *flow.borrow_and_update();
            if now == Flow::Stalled {
                if flow.changed().await.is_err() {
                    return Over;
                }
                continue;
            }
            if self.work(now).await.is_err() {
                return Over;
            }
            let has_room = self.busy() < JOBS_MAX;
            tokio::select! {
                read = self.line.read(&mut buffer), if has_room => match read {
                    Ok(0) | Err(_) => return Over,
                    Ok(length) => self.decoder.feed(&buffer[..length]),
                },
                () = news(&self.jobs) => {}
                changed = flow.changed() => if changed.is_err() { return Over },
            }
        }
    }

    /// Does what was read and says what is to be said, in turns.
    async fn work(&mut self, flow: Flow) -> Result<(), Over> {
        loop {
            let mut is_idle = true;
            if self.busy() < JOBS_MAX
                && let Some(sentence) = self.decoder.next_sentence().map_err(|_| Over)?
            {
                is_idle = false;
                match flow {
                    Flow::Deaf => {}
                    Flow::Runs | Flow::Stalled => self.take(&sentence).await?,
                }
            }
            if flow == Flow::Runs {
                is_idle &= !self.speak();
                // While more commands are there their answers go out together.
                if self.out.len() >= WRITE_BYTES || (is_idle && !self.out.is_empty()) {
                    self.flush().await?;
                }
            }
            if is_idle {
                return Ok(());
            }
        }
    }

    /// Commands that end by themselves.
    fn busy(&self) -> usize {
        self.jobs.iter().filter(|job| !job.is_endless()).count()
    }

    /// One sentence of each command that has something to say; whether any had.
    fn speak(&mut self) -> bool {
        let now = self.router.clock.now();
        let mut spoke = false;
        for _ in 0..self.jobs.len() {
            let Some(mut job) = self.jobs.pop_front() else { break };
            match job.say(self.router, now) {
                Said::Sentence(sentence) => {
                    spoke = true;
                    self.send(&sentence, job.ret);
                    self.jobs.push_back(job);
                }
                Said::Last(sentence) => {
                    spoke = true;
                    self.send(&sentence, job.ret);
                    job.leave(&mut lock(&self.router.state));
                    self.jobs.iter_mut().for_each(|other| other.held = false);
                }
                Said::Nothing => self.jobs.push_back(job),
            }
        }
        spoke
    }

    fn send(&mut self, sentence: &Sentence, ret: Ret) {
        self.router.trace.sentence(self.peer, Way::Out, sentence, ret);
        encode(sentence, &mut self.out);
    }

    async fn flush(&mut self) -> Result<(), Over> {
        let out = std::mem::take(&mut self.out);
        let mut left = out.as_slice();
        while !left.is_empty() {
            let size = match self.router.api.config.chunks {
                Chunks::Odd => PIECES[self.pieces % PIECES.len()],
                Chunks::Whole => left.len(),
            };
            self.pieces += 1;
            let (piece, rest) = left.split_at(size.min(left.len()));
            self.line.write(piece).await.map_err(|_| Over)?;
            left = rest;
        }
        Ok(())
    }

    /// One sentence of the client.
    async fn take(&mut self, sentence: &Sentence) -> Result<(), Over> {
        self.router.trace.sentence(self.peer, Way::In, sentence, Ret::Shown);
        if self.user.is_none() && sentence.size_bytes() > STRANGERS_BYTES {
            return Err(Over);
        }
        let tag = sentence.tag().map(<[u8]>::to_vec);
        let command = Command::of(sentence);
        match (sentence.first(), &self.user) {
            (b"/login", _) => {
                self.log_in(tag, &command);
                Ok(())
            }
            (b"/quit", _) => self.fatal("session terminated on request").await,
            (_, None) => self.fatal("not logged in").await,
            (b"/cancel", Some(_)) => {
                self.cancel(tag, &command);
                Ok(())
            }
            (_, Some(user)) => {
                let rights = Rights::of_user(&lock(&self.router.state), &user.name);
                let rights = rights.without(&lock(&self.router.api.plans.taken));
                self.command(tag, sentence, &command, &rights).await
            }
        }
    }

    async fn command(
        &mut self,
        tag: Option<Vec<u8>>,
        sentence: &Sentence,
        command: &Command,
        rights: &Rights,
    ) -> Result<(), Over> {
        let mishap = self.router.api.plans.mishap(&words(sentence));
        match mishap {
            Some(Mishap::DropBefore) => return Err(Over),
            Some(Mishap::RowsVanish) => self.remove_meant(command),
            Some(Mishap::DropAfter | Mishap::Fatal | Mishap::AnswerLate) | None => {}
        }
        let reply = self.execute(rights, command);
        let mut job = Job::new(tag, reply);
        if command.verb == "get" && may_give_a_secret(command) {
            job.ret = Ret::Hidden;
        }
        match mishap {
            Some(Mishap::DropAfter) => {
                job.leave(&mut lock(&self.router.state));
                Err(Over)
            }
            Some(Mishap::Fatal) => {
                // A first row, if there is one, and then the end.
                if let Said::Sentence(sentence) = job.say(self.router, self.router.clock.now()) {
                    self.send(&sentence, job.ret);
                }
                job.leave(&mut lock(&self.router.state));
                self.fatal("connection terminated").await
            }
            Some(Mishap::AnswerLate) => {
                job.held = true;
                self.jobs.push_back(job);
                Ok(())
            }
            Some(Mishap::DropBefore | Mishap::RowsVanish) | None => {
                self.jobs.push_back(job);
                Ok(())
            }
        }
    }

    fn execute(&self, rights: &Rights, command: &Command) -> Result<Reply, Trap> {
        if self.router.api.plans.hides(&command.path) {
            return Err(Trap::no_such_prefix());
        }
        let reply = self.router.execute(rights, command)?;
        let endless = self.jobs.iter().filter(|job| job.is_endless()).count();
        match reply {
            Reply::Watch(mut rows) if endless >= ENDLESS_MAX => {
                rows.leave(&mut lock(&self.router.state));
                Err(Trap::plain("too many commands"))
            }
            reply => Ok(reply),
        }
    }

    fn remove_meant(&self, command: &Command) {
        let mut state = lock(&self.router.state);
        for (menu, id) in rows_meant(&state, command) {
            state.remove(menu, id);
        }
    }

    fn log_in(&mut self, tag: Option<Vec<u8>>, command: &Command) {
        let now = self.router.clock.now();
        let answer = self.entrance.login(&mut lock(&self.router.state), command, now);
        let reply = match answer {
            Answer::Welcome(user) => {
                self.log_out();
                *lock(&self.handle.active) = user.active;
                self.user = Some(user);
                Ok(Reply::Done)
            }
            Answer::Challenge(challenge) => Ok(Reply::Ret(challenge)),
            Answer::Refused(text) => Err(Trap::plain(text)),
        };
        self.jobs.push_back(Job::new(tag, reply));
    }

    /// Ends the commands with the tag, or all that go on.
    fn cancel(&mut self, tag: Option<Vec<u8>>, command: &Command) {
        let meant = command.attribute("tag");
        let mut state = lock(&self.router.state);
        for job in &mut self.jobs {
            let is_meant = match meant {
                Some(meant) => job.tag.as_deref() == Some(meant),
                None => job.is_endless(),
            };
            if is_meant {
                job.cancel(&mut state);
            }
        }
        drop(state);
        self.jobs.push_back(Job::new(tag, Ok(Reply::Done)));
    }

    /// Says what is due, then the bare word, and ends.
    async fn fatal(&mut self, text: &str) -> Result<(), Over> {
        while self.jobs.iter().any(|job| !job.is_endless() && !job.held) && self.speak() {}
        self.send(&Sentence::reply("!fatal").with_word(text), Ret::Shown);
        self.flush().await?;
        Err(Over)
    }

    /// Shows the connection in `/ip/service`, where the version does.
    fn show(&mut self) {
        let mut state = lock(&self.router.state);
        if !state.version().lists_connections() {
            return;
        }
        let local = self.line.tcp().local_addr().map(|address| address.to_string()).unwrap_or_default();
        let name = self.handle.service.name();
        let port = state.named(path::SERVICE, name).and_then(|(_, row)| row.number("port")).unwrap_or_default();
        let cells = vec![
            ("name", Value::text(name)),
            ("port", Value::Number(port)),
            ("proto", Value::text("tcp")),
            ("dynamic", Value::Flag(true)),
            ("connection", Value::Flag(true)),
            ("local", Value::text(local)),
            ("remote", Value::text(self.peer.to_string())),
        ];
        self.shown = state.insert(path::SERVICE, cells);
    }

    fn log_out(&mut self) {
        let active = self.user.take().and_then(|user| user.active);
        if let Some(id) = active {
            lock(&self.router.state).remove(path::USER_ACTIVE, id);
        }
    }

    fn leave(mut self) {
        self.log_out();
        let mut state = lock(&self.router.state);
        for job in &mut self.jobs {
            job.leave(&mut state);
        }
        if let Some(id) = self.shown {
            state.remove(path::SERVICE, id);
        }
        drop(state);
        if *lock(&self.handle.how) == End::Reset {
            // Closing it now sends a reset instead of the end.
            let _ = socket2::SockRef::from(self.line.tcp()).set_linger(Some(std::time::Duration::ZERO));
        }
        self.router.trace.connection(self.peer, "disconnected");
    }
}

/// Waits until a command that goes on may have something to say.
async fn news(jobs: &VecDeque<Job>) {
    let due = jobs.iter().filter_map(Job::due).min();
    let wakes: Vec<_> = jobs.iter().filter_map(Job::wake).collect();
    let mut woken: Vec<_> = wakes.iter().map(|wake| Box::pin(wake.notified())).collect();
    let any = std::future::poll_fn(|context| {
        let is_ready = woken.iter_mut().any(|wake| wake.as_mut().poll(context).is_ready());
        if is_ready { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    });
    match due {
        Some(due) => {
            tokio::select! {
                () = any => {}
                () = tokio::time::sleep_until(due) => {}
            }
        }
        None => any.await,
    }
}

/// The words of a command as a test names them.
fn words(sentence: &Sentence) -> String {
    let words: Vec<_> = sentence.words().iter().map(|word| String::from_utf8_lossy(word)).collect();
    words.join(" ")
}

/// Whether `get` may answer with a password.
fn may_give_a_secret(command: &Command) -> bool {
    command.text("value-name").is_none_or(|name| SECRET_NAMES.contains(&name.as_str()))
}
