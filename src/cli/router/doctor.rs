//! `radgram router doctor` and `script`: what is wrong on a router, what mends it, and how a new one is prepared.

use std::net::IpAddr;

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::super::Failure;
use super::super::desk::{ACTOR, Desk};
use super::super::output::Out;
use crate::gate::router_api::{Finding, Generation, Report};

#[derive(Debug, Args)]
pub(in crate::cli) struct Doctor {
    /// The router's name.
    name: String,
    /// Our address as the router reaches it, where it differs from what was seen.
    #[arg(long, value_name = "IP")]
    server: Option<IpAddr>,
    /// Run the commands of these findings on the router, `all` for every one that has some.
    #[arg(long, value_name = "ID", num_args = 1.., conflicts_with = "json")]
    fix: Vec<String>,
    /// One JSON object instead of text.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Prepare {
    /// The router's name.
    name: String,
    /// The router's version of RouterOS.
    #[arg(long, value_enum, default_value = "7")]
    version: Version,
    /// Our address as the router reaches it, where it differs from what was seen.
    #[arg(long, value_name = "IP")]
    server: Option<IpAddr>,
    /// Run it over the router's API instead of printing it.
    #[arg(long)]
    apply: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Version {
    #[value(name = "6")]
    Six,
    #[value(name = "7")]
    Seven,
}

impl Version {
    const fn generation(self) -> Generation {
        match self {
            Self::Six => Generation::V6,
            Self::Seven => Generation::V7,
        }
    }
}

pub(super) async fn doctor(desk: &Desk, args: Doctor) -> Result<(), Failure> {
    let router = desk.router(&args.name).await?;
    if !args.fix.is_empty() {
        return mend(desk, &args).await;
    }
    let report = desk.gate.examine_router(router.id, args.server).await?;
    if args.json {
        let shown = ShownReport::of(&router.name, &report);
        let json = serde_json::to_string_pretty(&shown).map_err(|error| Failure::because(error.to_string()))?;
        return Out::standard().text(&format!("{json}\n"));
    }
    Out::standard().text(&told(&router.name, &report))
}

async fn mend(desk: &Desk, args: &Doctor) -> Result<(), Failure> {
    let router = desk.router(&args.name).await?;
    let ids = match args.fix.iter().any(|id| id == "all") {
        true => {
            let report = desk.gate.examine_router(router.id, args.server).await?;
            report.findings.into_iter().filter(|found| !found.fix.is_empty()).map(|found| found.id).collect()
        }
        false => args.fix.clone(),
    };
    let mended = desk.gate.mend_router(&ACTOR, router.id, &ids, args.server).await?;
    if let Some(unknown) = ids.iter().find(|id| !mended.iter().any(|line| line.finding.id == **id)) {
        let why = format!("the doctor does not find {unknown:?} on {}; see radgram router doctor", router.name);
        return Err(Failure::because(why));
    }
    let mut failed = 0;
    for line in &mended {
        match &line.outcome {
            Ok(_) if line.finding.fix.is_empty() => {
                failed += 1;
                desk.say(&format!("{}: only a person can mend this", line.finding.id))?;
            }
            Ok(_) => desk.say(&format!("{}: done", line.finding.id))?,
            Err(fault) => {
                failed += 1;
                desk.say(&format!("{}: {fault}", line.finding.id))?;
            }
        }
    }
    match failed {
        0 => Ok(()),
        _ => Err(Failure::because(format!("{failed} of {} findings were not mended", mended.len()))),
    }
}

pub(super) async fn script(desk: &Desk, args: Prepare) -> Result<(), Failure> {
    let router = desk.router(&args.name).await?;
    let generation = args.version.generation();
    if args.apply {
        desk.gate.apply_router_script(&ACTOR, router.id, generation, args.server).await?;
        return desk.say(&format!("router {} is set up; see radgram router doctor {}", router.name, router.name));
    }
    let script = desk.gate.router_script(router.id, generation, args.server).await?;
    Out::standard().text(&script.text())
}

/// The report for people: the gravest first, each with why and what to type.
fn told(router: &str, report: &Report) -> String {
    let mut text = String::new();
    for finding in &report.findings {
        text.push_str(&format!("[{}] {} ({})\n", finding.gravity.word(), finding.what, finding.id));
        text.push_str(&format!("    {}\n", finding.why));
        for command in &finding.fix {
            text.push_str(&format!("    > {command}\n"));
        }
    }
    let findings = match report.findings.len() {
        0 => "nothing to be mended".to_owned(),
        1 => "1 finding".to_owned(),
        count => format!("{count} findings"),
    };
    text.push_str(&format!("{router}: {findings}, {} checks passed\n", report.passed.len()));
    text
}

#[derive(Serialize)]
struct ShownReport<'a> {
    router: &'a str,
    findings: Vec<ShownFinding<'a>>,
    passed: &'a [String],
}

#[derive(Serialize)]
struct ShownFinding<'a> {
    id: &'a str,
    gravity: &'static str,
    what: &'a str,
    why: &'a str,
    fix: Vec<String>,
}

impl<'a> ShownReport<'a> {
    fn of(router: &'a str, report: &'a Report) -> Self {
        let shown = |finding: &'a Finding| ShownFinding {
            id: &finding.id,
            gravity: finding.gravity.word(),
            what: &finding.what,
            why: &finding.why,
            fix: finding.fix.iter().map(ToString::to_string).collect(),
        };
        Self { router, findings: report.findings.iter().map(shown).collect(), passed: &report.passed }
    }
}
