//! A connection that is logged in: commands go out as they come, answers find their askers, silence is noticed.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::fault::unreachable;
use super::hello::{READ_BYTES, Ready, no_api};
use super::link::{Order, Shared, Sink};
use super::pace::{BYTES, IN_FLIGHT, Pace, ROWS};
use super::transport::Duplex;
use crate::gate::router_api::ApiFault;
use crate::proto::routeros::{Bounds, Connection, Event, Sentence, Tag};

/// What one answer may bring.
const BOUNDS: Bounds = Bounds { rows: ROWS, bytes: BYTES };

/// The session of one connection.
pub(super) struct Session<'a> {
    reader: ReadHalf<Box<dyn Duplex>>,
    writer: WriteHalf<Box<dyn Duplex>>,
    connection: Connection,
    shared: &'a Shared,
    pace: Pace,
    buffer: Vec<u8>,
    /// Bytes on their way out, and whether the stream still holds some back.
    outgoing: Vec<u8>,
    unflushed: bool,
    asked: BTreeMap<Tag, Box<dyn Sink>>,
    listening: Listening,
    silence: Silence,
}

/// Whether the router tells us when its connections change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Listening {
    /// Nobody wants to know yet.
    No,
    /// It does, to this command.
    To(Tag),
    /// It does not.
    Refused,
}

/// Since when the router is silent, and what is done about it.
#[derive(Debug, Clone, Copy)]
struct Silence {
    /// When it was last heard, or began to owe something.
    since: Instant,
    /// Since when it is waited for a sign of life, if that is how it stands: any byte is one.
    asked: Option<Instant>,
    /// The command that asks for one, until it ends: a second helps no more than the first.
    sign: Option<Tag>,
    /// How many cancelled commands it has not ended, and since when that number has not become less.
    unended: (usize, Instant),
}

/// What the wait of a session brought.
enum Happened {
    Read(usize),
    Wrote(usize),
    Flushed,
    Order(Option<Order>),
    Look,
    Time,
}

/// Writes some of the bytes; with none left, lets go what the stream holds back. Not done is nothing done.
async fn write(writer: &mut WriteHalf<Box<dyn Duplex>>, bytes: &[u8]) -> std::io::Result<Happened> {
    match bytes {
        [] => writer.flush().await.map(|()| Happened::Flushed),
        bytes => writer.write(bytes).await.map(Happened::Wrote),
    }
}

impl<'a> Session<'a> {
    pub(super) fn new(ready: Ready, shared: &'a Shared, pace: Pace) -> Self {
        let (reader, writer) = tokio::io::split(ready.stream);
        let now = Instant::now();
        if shared.listen.load(Ordering::Relaxed) {
            // What changed while there was no connection nobody was told.
            shared.changes.send_modify(|changes| *changes = changes.wrapping_add(1));
        }
        Self {
            reader,
            writer,
            connection: ready.connection,
            shared,
            pace,
            buffer: vec![0; READ_BYTES],
            outgoing: Vec::new(),
            unflushed: false,
            asked: BTreeMap::new(),
            listening: Listening::No,
            silence: Silence { since: now, asked: None, sign: None, unended: (0, now) },
        }
    }

    /// Works until the connection is lost; whoever still waits is told why. Takes `first`, then orders as there is room.
    pub(super) async fn run(mut self, first: Vec<Order>, orders: &mut mpsc::Receiver<Order>) -> ApiFault {
        first.into_iter().for_each(|order| self.take(order));
        let fault = loop {
            if let Err(fault) = self.turn(orders).await {
                break fault;
            }
        };
        for sink in self.asked.into_values() {
            sink.fail(fault.clone());
        }
        fault
    }

    async fn turn(&mut self, orders: &mut mpsc::Receiver<Order>) -> Result<(), ApiFault> {
        self.listen();
        self.outgoing.append(&mut self.connection.take_outgoing());
        match self.happens(orders, self.deadline()).await.map_err(unreachable)? {
            Happened::Read(0) => return Err(unreachable("the router closed the connection")),
            Happened::Read(length) => {
                self.heard();
                self.connection.receive(self.buffer.get(..length).unwrap_or_default());
                while let Some(event) = self.connection.next_event().map_err(no_api)? {
                    self.event(event)?;
                }
            }
            Happened::Wrote(length) => {
                self.outgoing.drain(..length.min(self.outgoing.len()));
                self.unflushed = true;
            }
            Happened::Flushed => self.unflushed = false,
            Happened::Order(Some(order)) => self.take(order),
            // Whoever could ask is gone; the task is stopped with the link.
            Happened::Order(None) => return Err(unreachable("nobody can ask any more")),
            Happened::Look => self.let_go_of_the_abandoned(),
            Happened::Time => self.insist()?,
        }
        self.count_the_unended();
        Ok(())
    }

    async fn happens(&mut self, orders: &mut mpsc::Receiver<Order>, deadline: Instant) -> std::io::Result<Happened> {
        let has_room = self.connection.open() < IN_FLIGHT;
        let is_writing = !self.outgoing.is_empty() || self.unflushed;
        tokio::select! {
            read = self.reader.read(&mut self.buffer) => read.map(Happened::Read),
            wrote = write(&mut self.writer, &self.outgoing), if is_writing => wrote,
            order = orders.recv(), if has_room => Ok(Happened::Order(order)),
            () = self.shared.look.notified() => Ok(Happened::Look),
            () = tokio::time::sleep_until(deadline) => Ok(Happened::Time),
        }
    }

    fn take(&mut self, order: Order) {
        if order.sink.is_closed() {
            return;
        }
        if self.asked.is_empty() {
            self.silence.since = Instant::now();
        }
        let tag = self.connection.send(order.command, BOUNDS);
        self.asked.insert(tag, order.sink);
    }

    fn event(&mut self, event: Event) -> Result<(), ApiFault> {
        match event {
            Event::Row(tag, _) if self.listening == Listening::To(tag) => {
                self.shared.changes.send_modify(|changes| *changes = changes.wrapping_add(1));
            }
            Event::Row(tag, row) => {
                if let Some(sink) = self.asked.get_mut(&tag) {
                    sink.row(row);
                }
            }
            Event::Finished(tag, end) if self.listening == Listening::To(tag) => {
                tracing::debug!(?end, "the router does not tell when its connections change");
                self.listening = Listening::Refused;
            }
            Event::Finished(tag, _) if self.silence.sign == Some(tag) => self.silence.sign = None,
            Event::Finished(tag, end) => {
                if let Some(sink) = self.asked.remove(&tag) {
                    sink.finish(end);
                }
            }
            Event::Fatal(text) => return Err(unreachable(format_args!("the router ends the connection: {text}"))),
            Event::Unknown(word) => tracing::debug!(word = %word.escape_ascii(), "a reply that is not known"),
        }
        Ok(())
    }

    /// Asks to be told of changes, once for each connection.
    fn listen(&mut self) {
        if self.listening == Listening::No && self.shared.listen.load(Ordering::Relaxed) {
            let listen = Sentence::command("/ppp/active/listen").with(".proplist", ".id,name");
            self.listening = Listening::To(self.connection.send(listen, Bounds::NONE));
        }
    }

    fn let_go_of_the_abandoned(&mut self) {
        let abandoned: Vec<Tag> = self.asked.iter().filter(|(_, sink)| sink.is_closed()).map(|(tag, _)| *tag).collect();
        for tag in abandoned {
            self.asked.remove(&tag);
            self.connection.cancel(tag);
        }
    }

    fn heard(&mut self) {
        self.silence.since = Instant::now();
        self.silence.asked = None;
    }

    fn count_the_unended(&mut self) {
        let (before, since) = self.silence.unended;
        let now = self.connection.unattended();
        let since = if now < before || before == 0 { Instant::now() } else { since };
        self.silence.unended = (now, since);
    }

    /// When something is to be done about silence.
    fn deadline(&self) -> Instant {
        let silent = match self.silence.asked {
            Some(asked) => asked + self.pace.sign,
            None if self.asked.is_empty() => self.silence.since + self.pace.idle,
            None => self.silence.since + self.pace.owed,
        };
        match self.silence.unended {
            (0, _) => silent,
            (_, since) => silent.min(since + self.pace.sign),
        }
    }

    /// The deadline is there: gives the connection up, or asks for a sign of life.
    fn insist(&mut self) -> Result<(), ApiFault> {
        let now = Instant::now();
        if self.silence.asked.is_some_and(|asked| now >= asked + self.pace.sign) {
            return Err(unreachable("the router does not answer any more"));
        }
        let (unended, since) = self.silence.unended;
        if unended > 0 && now >= since + self.pace.sign {
            return Err(unreachable("the router does not end what was cancelled"));
        }
        if self.silence.asked.is_none() {
            self.silence.asked = Some(now);
            let sign = || Sentence::command("/system/identity/print").with(".proplist", "name");
            self.silence.sign = self.silence.sign.or_else(|| Some(self.connection.send(sign(), BOUNDS)));
        }
        Ok(())
    }
}
