//! The run: servers are set up, take turns in each part of each round, and what they reached is told.

use std::process::Stdio;
use std::time::Duration;

use clap::ValueEnum;

use crate::Options;
use crate::lean::{GROUPS, Lean};
use crate::load::{Job, Outcome, Pace};
use crate::ours::Ours;
use crate::postgres::Cluster;
use crate::process;
use crate::rows;
use crate::slow;
use crate::table::{Figures, Goal, head, row, shown, verdict};
use crate::target::{Target, ourselves};
use crate::theirs::{Theirs, Users};
use crate::wire::Kind;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// Log-ins in a closed loop: processor time per request and throughput.
    LogIns,
    /// Accounting in a closed loop, on disk before the answer.
    Accounting,
    /// 1,000 log-ins a second.
    Latency,
    /// 100,000 accounts, and a million rows of accounting.
    Scale,
    /// Everybody at once after a start.
    Cold,
    /// Accounting once more, on a slower disk.
    SlowDisk,
}

/// Requests on their way: 64 log-ins, 256 records.
const LOG_INS: Pace = Pace::Closed { clients: 4, window: 16 };
const RECORDS: Pace = Pace::Closed { clients: 4, window: 64 };
const RATE: u64 = 1_000;
/// A turn of accounting and of latency is so many times longer than one of log-ins.
const LONGER: u64 = 2;
/// Users and rows of the part `scale`.
const MANY_ACCOUNTS: usize = 100_000;
const MANY_ROWS: usize = 1_000_000;

const FLOOR: &str = "floor";
const ARITHMETIC: &str = "arithmetic";
const SQLITE: &str = "radgram-sqlite";
const POSTGRES: &str = "radgram-postgres";
const THEIR_FILE: &str = "freeradius-file";
const THEIR_SQLITE: &str = "freeradius-sqlite";
const THEIR_POSTGRES: &str = "freeradius-postgres";
const MANY: &str = "radgram-many-accounts";
const LONG: &str = "radgram-many-rows";
const OF_LOG_INS: [&str; 7] = [FLOOR, ARITHMETIC, SQLITE, POSTGRES, THEIR_FILE, THEIR_SQLITE, THEIR_POSTGRES];
const OF_RECORDS: [&str; 4] = [SQLITE, POSTGRES, THEIR_SQLITE, THEIR_POSTGRES];

/// Whose figures those of the lean table in the same database are.
fn alone(name: &str, group: usize) -> String {
    format!("{name}, the database alone in {group}")
}

/// What runs.
struct Bench<'a> {
    options: &'a Options,
    figures: Figures,
    targets: Vec<Target>,
    ours: Vec<Ours>,
    lean: Vec<(&'static str, Lean)>,
    /// Where log-ins are numbered from.
    serial: usize,
    /// Where connections are: there are a million Acct-Session-Ids, and one must not come again within five minutes.
    connections: usize,
    _theirs: Vec<Theirs>,
    _cluster: Cluster,
}

/// Runs the parts that are asked for.
pub async fn run(options: &Options) {
    let parts = if options.parts.is_empty() { Part::value_variants() } else { &options.parts };
    let mut bench = Bench::new(options, parts).await;
    for round in 1..=options.rounds {
        eprintln!("round {round} of {}", options.rounds);
        for part in parts {
            bench.round(*part).await;
        }
    }
    bench.tell_memory();
    for part in parts {
        bench.tell(*part);
    }
}

impl<'a> Bench<'a> {
    async fn new(options: &'a Options, parts: &[Part]) -> Self {
        let cluster = Cluster::start("");
        let mut bench = Self {
            options,
            figures: Figures::default(),
            targets: Vec::new(),
            ours: Vec::new(),
            lean: Vec::new(),
            serial: 0,
            connections: 0,
            _theirs: Vec::new(),
            _cluster: cluster,
        };
        bench.set_up_others(parts).await;
        bench.set_up_ours(parts).await;
        bench
    }

    fn wants(&self, name: &str) -> bool {
        !self.options.without.iter().any(|without| without == name)
    }

    async fn set_up_others(&mut self, parts: &[Part]) {
        let accounts = self.options.accounts;
        self.targets.extend([FLOOR, ARITHMETIC].map(|name| Target::own(name, accounts)));
        if parts.contains(&Part::Accounting) {
            self.lean.push((SQLITE, Lean::on_sqlite().await));
            self.lean.push((POSTGRES, Lean::on_postgres(&self._cluster.make("lean").await).await));
        }
        for name in [THEIR_FILE, THEIR_SQLITE, THEIR_POSTGRES] {
            if !self.wants(name)
                || !parts.iter().any(|part| matches!(part, Part::LogIns | Part::Accounting | Part::Latency))
            {
                continue;
            }
            let users = match name {
                THEIR_FILE => Users::File,
                THEIR_SQLITE => Users::Sqlite,
                _ => Users::Postgres {
                    url: self._cluster.make("theirs").await,
                    folder: self._cluster.folder().to_owned(),
                    database: "theirs".to_owned(),
                    process: self._cluster.process(),
                },
            };
            eprintln!("setting up {name}");
            let theirs = Theirs::new(name, users, accounts).await;
            self.targets.push(theirs.serve());
            self._theirs.push(theirs);
        }
    }

    async fn set_up_ours(&mut self, parts: &[Part]) {
        let accounts = self.options.accounts;
        let program = &self.options.program;
        let mut names = vec![SQLITE, POSTGRES];
        if parts.contains(&Part::Scale) {
            names.extend([MANY, LONG]);
        }
        for name in names.into_iter().filter(|name| self.wants(name)).collect::<Vec<_>>() {
            eprintln!("setting up {name}");
            let accounts = if name == MANY { MANY_ACCOUNTS } else { accounts };
            let postgres = match name {
                POSTGRES => Some((self._cluster.make("ours").await, self._cluster.process())),
                _ => None,
            };
            let ours = Ours::new(name, program.clone(), accounts, postgres);
            rows::add_callers(&ours.url, accounts).await;
            if name == LONG {
                rows::add_connections(&ours.url, MANY_ROWS).await;
            }
            self.targets.push(ours.serve());
            self.ours.push(ours);
        }
    }

    fn target(&self, name: &str) -> Option<&Target> {
        self.targets.iter().find(|target| target.name == name)
    }

    /// One turn of one server.
    fn load(&mut self, name: &str, kind: Kind, pace: Pace, measured_ms: u64) -> Outcome {
        let serial = if kind == Kind::Records { self.connections } else { self.serial };
        let target = self.target(name).expect("it runs");
        let job = Job {
            auth: target.auth,
            acct: target.acct,
            kind,
            pace,
            accounts: target.accounts,
            measured_ms,
            serial,
            proves: target.proves,
            learns_class: target.learns_class,
            watched: target.watched(),
        };
        // Not the measured one alone: the machine is to be quiet.
        process::settle(&self.targets.iter().flat_map(Target::watched).collect::<Vec<_>>());
        let load = ourselves().args(["load", &serde_json::to_string(&job).unwrap()]).stderr(Stdio::inherit()).output();
        let load = load.expect("the load runs");
        assert!(load.status.success(), "{name}: a reply was wrong, or the server is gone");
        let outcome: Outcome = serde_json::from_slice(&load.stdout).unwrap();
        let replies = usize::try_from(outcome.replies).unwrap();
        if kind == Kind::Records {
            // A connection has three records, and some came before the measuring.
            self.connections += replies / 2;
        } else {
            self.serial += replies + self.options.accounts;
        }
        eprintln!(
            "{name:<22} {:<10} {pace:?}: {:>9.0}/s, {:>7.2} us of processor (load {:.2}), p50 {:.0} us, p99 {:.0} us, longest {:.0} us, again {}, unanswered {}",
            kind.name(),
            outcome.rate(),
            outcome.processor_us,
            outcome.own_processor_us,
            outcome.p50_us,
            outcome.p99_us,
            outcome.longest_us,
            outcome.again,
            outcome.unanswered
        );
        outcome
    }

    async fn round(&mut self, part: Part) {
        match part {
            Part::LogIns => self.log_ins(),
            Part::Accounting => self.accounting().await,
            Part::Latency => self.latency(),
            Part::Scale => self.scale(),
            Part::Cold => self.cold(),
            // A run of its own, once these are through.
            Part::SlowDisk => {}
        }
    }

    fn log_ins(&mut self) {
        for kind in Kind::LOG_INS {
            for name in OF_LOG_INS {
                if self.target(name).is_some() {
                    let outcome = self.load(name, kind, LOG_INS, self.options.milliseconds);
                    self.figures.add(format!("{} us", kind.name()), name, outcome.processor_us);
                    self.figures.add(format!("{} rate", kind.name()), name, outcome.rate());
                    self.figures.add(format!("{} lost", kind.name()), name, outcome.again as f64);
                }
            }
        }
    }

    async fn accounting(&mut self) {
        let measured_ms = self.options.milliseconds * LONGER;
        for (whose, lean) in &mut self.lean {
            for group in GROUPS {
                let rate = lean.rate(group, Duration::from_millis(self.options.milliseconds)).await;
                eprintln!("{whose:<22} alone, in groups of {group}: {rate:.0} rows/s");
                self.figures.add("records rate", alone(whose, group), rate);
            }
        }
        for name in OF_RECORDS {
            if self.target(name).is_some() {
                let outcome = self.load(name, Kind::Records, RECORDS, measured_ms);
                self.figures.add("records rate", name, outcome.rate());
                self.figures.add("records us", name, outcome.processor_us);
                self.figures.add("records lost", name, outcome.again as f64);
                self.figures.add("records p99 ms", name, outcome.p99_us / 1e3);
            }
        }
    }

    fn latency(&mut self) {
        for kind in [Kind::Pap, Kind::MsChap2] {
            for name in OF_LOG_INS {
                if self.target(name).is_some() {
                    let measured_ms = self.options.milliseconds * LONGER;
                    let outcome = self.load(name, kind, Pace::Open { rate: RATE }, measured_ms);
                    self.figures.add(format!("{} p50 ms", kind.name()), name, outcome.p50_us / 1e3);
                    self.figures.add(format!("{} p99 ms", kind.name()), name, outcome.p99_us / 1e3);
                }
            }
        }
    }

    fn scale(&mut self) {
        for kind in [Kind::Pap, Kind::MsChap2, Kind::Records] {
            let pace = if kind == Kind::Records { RECORDS } else { LOG_INS };
            for name in [SQLITE, MANY, LONG] {
                if self.target(name).is_some() {
                    let outcome = self.load(name, kind, pace, self.options.milliseconds);
                    self.figures.add(format!("scale {} rate", kind.name()), name, outcome.rate());
                    self.figures.add(format!("scale {} us", kind.name()), name, outcome.processor_us);
                }
            }
        }
        for name in [SQLITE, MANY, LONG] {
            if let Some(target) = self.target(name) {
                let resident = target.resident() as f64;
                self.figures.add("resident KiB", name, resident);
            }
        }
    }

    /// The server is started anew, and everybody dials at once.
    fn cold(&mut self) {
        for name in [SQLITE, POSTGRES] {
            let Some(place) = self.targets.iter().position(|target| target.name == name) else { continue };
            let ours = self.ours.iter().find(|ours| ours.name == name).expect("it is set up");
            drop(self.targets.remove(place));
            let started = ours.serve();
            self.targets.push(started);
            let outcome = self.load(name, Kind::MsChap2, Pace::Burst, 10_000);
            self.figures.add("cold: unanswered", name, outcome.unanswered as f64);
            self.figures.add("cold: again", name, outcome.again as f64);
            self.figures.add("cold: longest ms", name, outcome.longest_us / 1e3);
        }
    }

    fn tell(&self, part: Part) {
        match part {
            Part::LogIns => self.tell_log_ins(),
            Part::Accounting => self.tell_accounting(),
            Part::Latency => self.tell_latency(),
            Part::Scale => self.tell_scale(),
            Part::Cold => self.tell_cold(),
            Part::SlowDisk => slow::run(self.options),
        }
    }

    fn line(&self, title: &str, what: &str, whose: &[&str]) {
        row(title, whose.iter().map(|whose| self.figures.median(what, whose).map(shown)));
    }

    fn tell_log_ins(&self) {
        head("window 64", &OF_LOG_INS);
        for kind in Kind::LOG_INS.map(Kind::name) {
            self.line(&format!("{kind}: µs of processor per request"), &format!("{kind} us"), &OF_LOG_INS);
            self.line(&format!("{kind}: requests per second"), &format!("{kind} rate"), &OF_LOG_INS);
            self.line(&format!("{kind}: asked again"), &format!("{kind} lost"), &OF_LOG_INS);
        }
        println!();
        for name in [SQLITE, POSTGRES] {
            for (kind, of, most, least) in
                [("PAP", FLOOR, 2.5, 0.6), ("CHAP", FLOOR, 2.5, 0.6), ("MS-CHAPv2", ARITHMETIC, 1.5, 0.75)]
            {
                let ratio = |what: &str| self.figures.ratio(&format!("{kind} {what}"), name, of);
                verdict(&format!("{name}, {kind}: processor time / {of}"), ratio("us"), &Goal::Most(most));
                verdict(&format!("{name}, {kind}: throughput / {of}"), ratio("rate"), &Goal::Least(least));
            }
        }
    }

    fn tell_accounting(&self) {
        head("window 256", &OF_RECORDS);
        self.line("records per second", "records rate", &OF_RECORDS);
        self.line("µs of processor per record, database included", "records us", &OF_RECORDS);
        self.line("p99 in ms", "records p99 ms", &OF_RECORDS);
        self.line("asked again", "records lost", &OF_RECORDS);
        for group in GROUPS {
            let rates = OF_RECORDS.iter().map(|name| self.figures.median("records rate", &alone(name, group)));
            row(&format!("the database alone, in groups of {group}"), rates.map(|rate| rate.map(shown)));
        }
        println!();
        for (name, other, least) in [(SQLITE, THEIR_SQLITE, 30.0), (POSTGRES, THEIR_POSTGRES, 5.0)] {
            let ratio = self.figures.ratio("records rate", name, other);
            verdict(&format!("{name}: records per second / {other}"), ratio, &Goal::Least(least));
            for group in GROUPS {
                let share = self.figures.ratio("records rate", name, &alone(name, group));
                verdict(&format!("{name}: records per second / database alone in {group}"), share, &Goal::Least(0.4));
            }
        }
    }

    fn tell_latency(&self) {
        head("1,000 requests per second", &OF_LOG_INS);
        for kind in [Kind::Pap, Kind::MsChap2].map(Kind::name) {
            self.line(&format!("{kind}: p50 in ms"), &format!("{kind} p50 ms"), &OF_LOG_INS);
            self.line(&format!("{kind}: p99 in ms"), &format!("{kind} p99 ms"), &OF_LOG_INS);
        }
        println!();
        for name in [SQLITE, POSTGRES] {
            for kind in [Kind::Pap, Kind::MsChap2].map(Kind::name) {
                let ratio = self.figures.ratio(&format!("{kind} p50 ms"), name, FLOOR);
                verdict(&format!("{name}, {kind}: p50 / floor"), ratio, &Goal::Most(2.0));
            }
        }
    }

    fn tell_scale(&self) {
        let names = [SQLITE, MANY, LONG];
        head("window 64, records 256", &names);
        for kind in [Kind::Pap, Kind::MsChap2, Kind::Records].map(Kind::name) {
            self.line(&format!("{kind}: per second"), &format!("scale {kind} rate"), &names);
            self.line(&format!("{kind}: µs of processor"), &format!("scale {kind} us"), &names);
        }
        self.line("resident KiB", "resident KiB", &names);
        println!();
        for name in [MANY, LONG] {
            for kind in [Kind::Pap, Kind::MsChap2, Kind::Records].map(Kind::name) {
                let ratio = self.figures.ratio(&format!("scale {kind} rate"), name, SQLITE);
                verdict(&format!("{name}, {kind}: throughput / {SQLITE}"), ratio, &Goal::Least(0.9));
            }
        }
        let resident = |name| self.figures.median("resident KiB", name);
        let further = (MANY_ACCOUNTS - self.options.accounts) as f64;
        let each = resident(MANY).zip(resident(SQLITE)).map(|(many, few)| (many - few) / further);
        verdict("resident KiB for each further account", each, &Goal::Most(0.5));
    }

    fn tell_cold(&self) {
        let names = [SQLITE, POSTGRES];
        head("everybody at once", &names);
        for what in ["cold: unanswered", "cold: again", "cold: longest ms"] {
            self.line(what, what, &names);
        }
        println!();
        for name in names {
            verdict(&format!("{name}: unanswered"), self.figures.median("cold: unanswered", name), &Goal::Most(0.0));
        }
    }

    fn tell_memory(&self) {
        let names: Vec<&str> = self.targets.iter().map(|target| target.name).collect();
        head("memory", &names);
        row(
            "resident MiB at the end",
            self.targets.iter().map(|target| Some(shown(target.resident() as f64 / 1_024.0))),
        );
        println!();
        for name in [SQLITE, POSTGRES] {
            let resident = self.target(name).map(|target| target.resident() as f64 / 1_024.0);
            verdict(&format!("{name}: resident MiB"), resident, &Goal::Most(40.0));
        }
    }
}
