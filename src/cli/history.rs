//! `radgram attempt`, `alarm` and `audit`: what happened, what must be seen, who changed what.

use clap::Subcommand;
use serde::Serialize;

use super::desk::{ACTOR, Desk, Times, rfc3339};
use super::output::{Line, bounded_list};
use super::{Failure, ListArgs};
use crate::store::alarm::Alarm;
use crate::store::attempt::AttemptLine;
use crate::store::audit::AuditLine;

#[derive(Debug, Subcommand)]
pub(super) enum AttemptCommand {
    /// List the last log-in attempts, newest first.
    List(ListArgs),
}

#[derive(Debug, Subcommand)]
pub(super) enum AlarmCommand {
    /// Acknowledge an alarm: it leaves the list.
    Acknowledge {
        /// Its id, from the list.
        id: i64,
    },
    /// List the alarms that stand, newest first.
    List(ListArgs),
}

#[derive(Debug, Subcommand)]
pub(super) enum AuditCommand {
    /// List the last changes, newest first.
    List(ListArgs),
}

pub(super) async fn attempts(desk: &Desk, command: AttemptCommand) -> Result<(), Failure> {
    let AttemptCommand::List(args) = command;
    let times = desk.times().await?;
    let attempts = desk.reader().attempts().await?;
    let lines: Vec<Tried> = attempts.into_iter().map(|line| Tried::of(line, &times)).collect();
    bounded_list(&lines, args)
}

pub(super) async fn alarms(desk: &Desk, command: AlarmCommand) -> Result<(), Failure> {
    match command {
        AlarmCommand::Acknowledge { id } => {
            desk.gate.acknowledge_alarm(&ACTOR, id).await?;
            desk.say(&format!("alarm {id} is acknowledged"))
        }
        AlarmCommand::List(args) => {
            let times = desk.times().await?;
            let alarms = desk.reader().alarms().await?;
            let lines: Vec<Raised> = alarms.into_iter().map(|alarm| Raised::of(alarm, &times)).collect();
            bounded_list(&lines, args)
        }
    }
}

pub(super) async fn audit(desk: &Desk, command: AuditCommand) -> Result<(), Failure> {
    let AuditCommand::List(args) = command;
    let times = desk.times().await?;
    let audit = desk.reader().audit().await?;
    let lines: Vec<Done> = audit.into_iter().map(|line| Done::of(line, &times)).collect();
    bounded_list(&lines, args)
}

#[derive(Serialize)]
struct Tried {
    at: String,
    username: String,
    name: Option<String>,
    router: Option<String>,
    nas_address: String,
    station: Option<String>,
    method: String,
    verdict: &'static str,
    reason: Option<String>,
    #[serde(skip)]
    shown: String,
}

impl Tried {
    fn of(line: AttemptLine, times: &Times) -> Self {
        Self {
            at: rfc3339(line.at),
            username: line.user_name,
            name: line.person,
            router: line.router,
            nas_address: line.nas_address,
            station: line.station,
            method: line.method,
            verdict: line.verdict.word(),
            reason: line.reason,
            shown: times.show(line.at),
        }
    }
}

impl Line for Tried {
    const HEADS: &'static [&'static str] = &["AT", "USERNAME", "NAME", "ROUTER", "FROM", "METHOD", "VERDICT", "REASON"];

    fn cells(&self) -> Vec<String> {
        let some = |text: &Option<String>| text.clone().unwrap_or_default();
        vec![
            self.shown.clone(),
            self.username.clone(),
            some(&self.name),
            self.router.clone().unwrap_or_else(|| self.nas_address.clone()),
            some(&self.station),
            self.method.clone(),
            self.verdict.to_owned(),
            some(&self.reason),
        ]
    }
}

#[derive(Serialize)]
struct Raised {
    id: i64,
    kind: String,
    text: String,
    count: i64,
    first_at: String,
    last_at: String,
    #[serde(skip)]
    shown: String,
}

impl Raised {
    fn of(alarm: Alarm, times: &Times) -> Self {
        Self {
            id: alarm.id,
            kind: alarm.kind,
            text: alarm.text,
            count: alarm.count,
            first_at: rfc3339(alarm.first_at),
            last_at: rfc3339(alarm.last_at),
            shown: times.show(alarm.last_at),
        }
    }
}

impl Line for Raised {
    const HEADS: &'static [&'static str] = &["ID", "LAST", "COUNT", "KIND", "TEXT"];

    fn cells(&self) -> Vec<String> {
        vec![self.id.to_string(), self.shown.clone(), self.count.to_string(), self.kind.clone(), self.text.clone()]
    }
}

#[derive(Serialize)]
struct Done {
    at: String,
    actor: String,
    action: String,
    noun: String,
    subject: i64,
    detail: String,
    #[serde(skip)]
    shown: String,
}

impl Done {
    fn of(line: AuditLine, times: &Times) -> Self {
        Self {
            at: rfc3339(line.at),
            actor: line.actor,
            action: line.action,
            noun: line.noun,
            subject: line.subject,
            detail: line.detail,
            shown: times.show(line.at),
        }
    }
}

impl Line for Done {
    const HEADS: &'static [&'static str] = &["AT", "WHO", "ACTION", "ID", "DETAIL"];

    fn cells(&self) -> Vec<String> {
        vec![self.shown.clone(), self.actor.clone(), self.action.clone(), self.subject.to_string(), self.detail.clone()]
    }
}
