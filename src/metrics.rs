//! Counters, as atomics in one shared struct; rendered as Prometheus text.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// A label whose values are words of ours, so that their number is bounded.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Word(&'static str);

impl EncodeLabelValue for Word {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        self.0.encode(encoder)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    reason: Word,
}

/// Everything that is counted.
pub struct Metrics {
    registry: Registry,
    drops: Family<Labels, Counter<u64, AtomicU64>>,
    refusals: Family<Labels, Counter<u64, AtomicU64>>,
    amended: Family<Labels, Counter<u64, AtomicU64>>,
    /// Datagrams received on the authentication and accounting ports.
    pub datagrams: Counter,
    /// Access-Accepts.
    pub accepts: Counter,
    /// Access-Rejects.
    pub rejects: Counter,
    /// Duplicates answered with the same bytes.
    pub duplicates: Counter,
    /// Accounting records acknowledged.
    pub records: Counter,
    /// Transactions that those took.
    pub record_groups: Counter,
    /// Attempts that were not written: the queue was full, or one name had too many.
    pub attempts_lost: Counter,
    /// Disconnect-Requests sent.
    pub disconnects: Counter,
    /// CoA-Requests sent.
    pub amendments: Counter,
    /// Messages delivered to Telegram.
    pub messages: Counter,
    /// Open connections, as of the last minute.
    pub connections: Gauge,
    /// Messages that wait, as of the last round.
    pub outbox: Gauge,
    /// Accounting records that are on disk and acknowledged, and wait to be booked.
    pub spooled: Gauge,
    /// Log-ins that wait for their person.
    pub held: Gauge,
    /// Refusals that are kept back because passwords are guessed.
    pub kept_back: Gauge,
    radsec_ends: Family<Labels, Counter<u64, AtomicU64>>,
    /// Connections over TLS that routers have open.
    pub radsec_connections: Gauge,
    /// Packets received over TLS.
    pub radsec_packets: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All counters at zero.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("radgram");
        let drops = Family::default();
        registry.register("dropped", "Datagrams dropped without an answer, by reason", drops.clone());
        let refusals = Family::default();
        registry.register("refused", "Access-Rejects, by reason", refusals.clone());
        let radsec_ends = Family::default();
        let ends = "Connections over TLS that ended or were not taken, by reason";
        registry.register("radsec_ended", ends, radsec_ends.clone());
        let amended = Family::default();
        registry.register(
            "coa_answers",
            "Answers to CoA-Requests: ack, the Error-Cause of a NAK, or silence",
            amended.clone(),
        );
        let mut counter = |name: &str, help: &str| {
            let counter = Counter::default();
            registry.register(name, help, counter.clone());
            counter
        };
        let datagrams = counter("datagrams", "Datagrams received");
        let accepts = counter("accepts", "Access-Accepts sent");
        let rejects = counter("rejects", "Access-Rejects sent");
        let duplicates = counter("duplicates", "Duplicate requests answered with the same bytes");
        let records = counter("accounting_records", "Accounting records acknowledged");
        let record_groups = counter("accounting_groups", "Transactions that the accounting records took");
        let attempts_lost = counter(
            "attempts_lost",
            "Log-in attempts not written: the queue was full, or one name had more than 60 in a minute",
        );
        let disconnects = counter("disconnects", "Disconnect-Requests sent");
        let amendments = counter("coa_requests", "CoA-Requests sent");
        let messages = counter("telegram_messages", "Messages delivered to Telegram");
        let radsec_packets = counter("radsec_packets", "Packets received over TLS");
        let mut gauge = |name: &str, help: &str| {
            let gauge = Gauge::default();
            registry.register(name, help, gauge.clone());
            gauge
        };
        let connections = gauge("connections", "Open connections, as of the last minute");
        let outbox = gauge("outbox", "Messages that wait to be delivered");
        let spooled = gauge("accounting_spooled", "Accounting records that are on disk and wait to be booked");
        let held = gauge("held", "Log-ins that wait for their person");
        let kept_back = gauge("kept_back", "Refusals that are kept back because passwords are guessed");
        let radsec_connections = gauge("radsec_connections", "Connections over TLS that routers have open");
        Self {
            registry,
            drops,
            refusals,
            amended,
            datagrams,
            accepts,
            rejects,
            duplicates,
            records,
            record_groups,
            attempts_lost,
            disconnects,
            amendments,
            messages,
            connections,
            outbox,
            spooled,
            held,
            kept_back,
            radsec_ends,
            radsec_connections,
            radsec_packets,
        }
    }

    /// A datagram was dropped; `reason` is one of the fixed words of its class.
    pub fn dropped(&self, reason: &'static str) {
        self.drops.get_or_create(&Labels { reason: Word(reason) }).inc();
    }

    /// How many datagrams were dropped for `reason`.
    pub fn drops(&self, reason: &'static str) -> u64 {
        self.drops.get_or_create(&Labels { reason: Word(reason) }).get()
    }

    /// A connection over TLS ended, or was not taken; `reason` is one of the fixed words of its class.
    pub fn radsec_ended(&self, reason: &'static str) {
        self.radsec_ends.get_or_create(&Labels { reason: Word(reason) }).inc();
    }

    /// How many connections over TLS ended for `reason`.
    pub fn radsec_ends(&self, reason: &'static str) -> u64 {
        self.radsec_ends.get_or_create(&Labels { reason: Word(reason) }).get()
    }

    /// A dial was refused.
    pub fn refused(&self, reason: &'static str) {
        self.rejects.inc();
        self.refusals.get_or_create(&Labels { reason: Word(reason) }).inc();
    }

    /// How many dials were refused for `reason`.
    pub fn refusals(&self, reason: &'static str) -> u64 {
        self.refusals.get_or_create(&Labels { reason: Word(reason) }).get()
    }

    /// A router answered a CoA-Request, or did not; `word` is `ack`, an Error-Cause in words, or `silence`.
    pub fn amended(&self, word: &'static str) {
        self.amended.get_or_create(&Labels { reason: Word(word) }).inc();
    }

    /// How many CoA-Requests were answered by `word`.
    pub fn amended_by(&self, word: &'static str) -> u64 {
        self.amended.get_or_create(&Labels { reason: Word(word) }).get()
    }

    /// Prometheus text (OpenMetrics).
    pub fn render(&self) -> String {
        let mut text = String::new();
        // Writing into a string does not fail.
        let _ = text::encode(&mut text, &self.registry);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_by_reason() {
        let metrics = Metrics::new();
        metrics.dropped("bad_length");
        metrics.dropped("bad_length");
        assert_eq!(metrics.drops("bad_length"), 2);
        let text = metrics.render();
        assert!(text.contains("radgram_dropped_total{reason=\"bad_length\"} 2"), "{text}");
    }
}
