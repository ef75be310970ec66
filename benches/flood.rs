//! What a flood does to good log-ins of another router: latency beside that of quiet moments of the same run, and what the server
//! holds in memory meanwhile. `docs/flood.md` has figures.
//!
//! The server is the program itself, over SQLite. A flood is paced, bounded in number, and on the loopback interface alone.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints, and fails by panicking")]

#[path = "../tests/support/flood.rs"]
mod flood;
#[path = "../tests/support/postgres.rs"]
mod postgres;
#[path = "../tests/support/program.rs"]
mod program;

use std::thread;
use std::time::Duration;

use flood::{Account, FLOODING, Fared, Flood, GOOD, GoodLogIns};
use program::{Office, Server};
use radgram::proto::radius::SharedSecret;
use radgram::secret::Secret;

const SECRET: &str = "testing123";
const PASSWORD: &str = "clientPass";
/// Packets of a flood a second, and how many in one round: four seconds.
const RATE: u64 = 50_000;
const COUNT: u64 = 200_000;
/// Quiet and flooded moments follow one another, so that what else runs on the machine troubles both alike.
const ROUNDS: usize = 3;
/// Four clients, each of which logs in 100 times a second.
const CLIENTS: u32 = 4;
const INTERVAL: Duration = Duration::from_millis(10);
/// How long a quiet moment is, and how long the server may catch its breath after a flood before the next.
const QUIET: Duration = Duration::from_secs(4);
const BREATH: Duration = Duration::from_millis(1_500);

#[tokio::main]
async fn main() {
    let office = Office::on_sqlite();
    furnish(&office).await;
    let server = office.serve().await;
    println!("good log-ins: {} a second; floods of {COUNT} packets at {RATE} a second; {ROUNDS} rounds", 400);
    println!(
        "{:<16} {:>9} {:>9} {:>9} {:>6} {:>9} {:>6} {:>8} {:>8}",
        "flood", "sent/s", "quiet p99", "p99", "×", "p50", "lost", "MiB", "processor"
    );
    let measured = tokio::task::spawn_blocking(move || {
        for kind in Flood::ALL {
            println!("{}", measure(&server, kind.name(), kind, "bob"));
        }
        // The database is asked about each, and the person.
        println!("{}", measure(&server, "no session", Flood::Right, "eve"));
    });
    measured.await.unwrap();
}

async fn furnish(office: &Office) {
    for (name, address) in [("flooding", FLOODING), ("good", GOOD)] {
        office.done_with(&format!("router add {name} --address {address}"), SECRET).await;
    }
    office.done("user add --telegram-id 1001 --name Ann --approved").await;
    office.done("setting set accounts_per_user 3").await;
    for name in ["ann", "bob", "eve"] {
        office.done(&format!("account add {name} --user 1001")).await;
        office.done_with(&format!("account password {name}"), PASSWORD).await;
    }
    for name in ["ann", "bob"] {
        office.done(&format!("session grant {name} --hours 8")).await;
    }
}

fn account(name: &'static str) -> Account {
    let secret = SharedSecret::new(Secret::new(SECRET));
    Account { name, caller: "203.0.113.7", password: Secret::new(PASSWORD), secret }
}

fn measure(server: &Server, name: &str, kind: Flood, victim: &'static str) -> String {
    let (mut quiet, mut flooded, mut rates) = (Vec::new(), Vec::new(), Vec::new());
    let mut busy = Duration::ZERO;
    for _ in 0..ROUNDS {
        quiet.push(good_meanwhile(server, || thread::sleep(QUIET)));
        let began = server.processor();
        flooded.push(good_meanwhile(server, || rates.push(kind.send(server.auth, &account(victim), RATE, COUNT))));
        busy += server.processor() - began;
        thread::sleep(BREATH);
    }
    let rate = median(rates.iter().map(|rate| *rate as u64));
    let p99 = |all: &[Fared]| median(all.iter().map(|fared| fared.at(990)));
    let (calm, worst) = (p99(&quiet), p99(&flooded));
    let half = median(flooded.iter().map(|fared| fared.at(500)));
    let lost: usize = flooded.iter().map(|fared| fared.lost).sum();
    let ratio = worst as f64 / calm.max(1) as f64;
    let flooding = COUNT as f64 / rate.max(1) as f64 * ROUNDS as f64;
    format!(
        "{:<16} {rate:>9} {calm:>6} µs {worst:>6} µs {ratio:>6.1} {half:>6} µs {lost:>6} {:>8.1} {:>7.0} %",
        name,
        server.resident_kib() as f64 / 1024.0,
        busy.as_secs_f64() / flooding * 100.0,
    )
}

fn good_meanwhile(server: &Server, meanwhile: impl FnOnce()) -> Fared {
    let good = GoodLogIns::begin(server.auth, &account("ann"), CLIENTS, INTERVAL);
    meanwhile();
    good.end()
}

fn median(figures: impl Iterator<Item = u64>) -> u64 {
    let mut figures: Vec<u64> = figures.collect();
    figures.sort_unstable();
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}
