//! The imports of `src/` run one way, down the table of layers, and what is pure stays pure.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt;
use std::path::{Path, PathBuf};

const GROUND: &[&str] = &["clock", "secret", "entropy", "metrics", "crypto", "dictionary", "text"];
const PURE: &[&str] = &["proto", "domain"];
const EDGES: &[&str] = &["radius", "routeros", "telegram", "web"];
const SIMULATORS: &[&str] = &["sim"];
const WIRING: &[&str] = &["app", "cli", "open", "main", "lib"];

/// What the modules of a layer may import, besides themselves.
struct Layer {
    modules: &'static [&'static str],
    may: Option<&'static [&'static [&'static str]]>,
}

const EVERYTHING: Option<&[&[&str]]> = None;

/// The table, from the ground up.
const TABLE: &[Layer] = &[
    Layer { modules: GROUND, may: Some(&[GROUND]) },
    Layer { modules: PURE, may: Some(&[GROUND]) },
    Layer { modules: &["config", "store"], may: Some(&[GROUND, &["domain"]]) },
    Layer { modules: &["gate"], may: Some(&[GROUND, &["domain", "store"]]) },
    Layer { modules: &["radius", "routeros"], may: Some(&[GROUND, &["domain", "store", "gate", "proto"]]) },
    Layer { modules: &["telegram", "web"], may: Some(&[GROUND, &["domain", "store", "gate"]]) },
    Layer { modules: SIMULATORS, may: Some(&[GROUND, &["proto"]]) },
    Layer { modules: WIRING, may: EVERYTHING },
];

/// Edges read: what changes the state is for `gate` alone. The module itself would bring both.
const NOT_FOR_EDGES: &[&str] = &["store", "store::*", "store::Store", "store::Tx"];

/// What the ground and the pure layer do not know.
const IMPURE: &[&str] = &[
    "async fn",
    "async move",
    ".await",
    "tokio::",
    "std::thread",
    "std::fs",
    "std::io",
    "UdpSocket",
    "TcpStream",
    "TcpListener",
    "SystemTime",
    "Instant::",
    ".now()",
    "tracing::",
    "getrandom",
    "println!",
    "sqlx",
    "serde",
];

/// The homes of time and randomness.
const NOT_PURE: &[&str] = &["clock", "entropy"];

/// One line that breaks a rule.
#[derive(Debug, PartialEq, Eq)]
struct Violation {
    file: String,
    line: usize,
    what: String,
    rule: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "src/{}:{}: {}; {}", self.file, self.line, self.what, self.rule)
    }
}

#[test]
fn imports_run_one_way_and_the_pure_stays_pure() {
    let files = files_below(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    assert!(files.len() > 100, "only {} files were found", files.len());
    let broken: Vec<String> =
        files.iter().flat_map(|(name, text)| violations(name, text)).map(|line| line.to_string()).collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn every_module_stands_in_the_table_once() {
    let files = files_below(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    for (name, _) in &files {
        let module = module_of(name);
        let layers = TABLE.iter().filter(|layer| layer.modules.contains(&module)).count();
        assert_eq!(layers, 1, "src/{name}: {module} stands in {layers} layers");
    }
}

#[test]
fn a_made_up_violation_is_named() {
    let found = violations("domain/user.rs", "//! Users.\n\nuse crate::store::Reader;\n");
    let [line] = found.try_into().unwrap();
    assert_eq!(
        line.to_string(),
        "src/domain/user.rs:3: crate::store::Reader; \
         domain may import: clock, secret, entropy, metrics, crypto, dictionary, text"
    );
}

#[test]
fn what_breaks_the_table_is_found() {
    for (file, text) in [
        ("domain/user.rs", "use crate::proto::radius::Code;"),
        ("proto/radius/code.rs", "use crate::domain::id::UserId;"),
        ("crypto/mod.rs", "use crate::domain::id::UserId;"),
        ("store/user.rs", "use crate::config::Config;"),
        ("store/user.rs", "use crate::gate::Gate;"),
        ("gate/mod.rs", "use crate::radius::Cutters;"),
        ("gate/mod.rs", "fn cut(outcome: crate::proto::radius::Code) {}"),
        ("web/users.rs", "use crate::telegram::Bot;"),
        ("web/users.rs", "use crate::proto::radius::Code;"),
        ("telegram/mod.rs", "use crate::web;"),
        ("telegram/mod.rs", "use crate::config::Config;"),
        ("sim/router/mod.rs", "use crate::domain::id::UserId;"),
        ("web/users.rs", "use crate::store::Store;"),
        ("web/users.rs", "use crate::store::{LIST_ROWS, Reader, Tx};"),
        ("web/users.rs", "use crate::store;"),
        ("web/users.rs", "use crate::store::*;"),
        ("web/users.rs", "use crate::{\n    clock::Clock,\n    store::{self, Reader},\n};"),
        ("web/users.rs", "use super::super::telegram::Bot;"),
        ("web/mod.rs", "use super::telegram::Bot;"),
        ("web/nested/page.rs", "use super::super::super::telegram::Bot;"),
        ("secret.rs", "use super::store::Reader;"),
        ("crypto/mod.rs", "\nmod tests {\n    use super::super::store::Reader;\n}"),
        ("web/users.rs", "pub use radgram::telegram::Bot;"),
    ] {
        assert!(!violations(file, text).is_empty(), "src/{file}: {text}");
    }
}

#[test]
fn what_keeps_the_table_passes() {
    for (file, text) in [
        ("domain/user.rs", "use crate::clock::Timestamp;\nuse super::id::UserId;\nuse crate::domain::id;"),
        ("domain/user.rs", "// crate::store has the rows.\n/// [`crate::gate::Gate`] decides.\nfn of() {}"),
        ("domain/user.rs", "\nmod tests {\n    use super::*;\n    const PATH: &str = \"crate::store\";\n}"),
        ("radius/decode.rs", "use crate::proto::radius::Packet;"),
        ("web/users.rs", "use crate::store::{LIST_ROWS, Reader, user::UserLine};"),
        ("web/page/users.rs", "use super::super::form::Form;"),
        ("crypto/mod.rs", "fn same() {}\nmod tests {\n    use super::same;\n}"),
        ("sim/router/mod.rs", "use crate::proto::radius::Packet;"),
        ("app.rs", "use crate::{radius, telegram, web};\nuse crate::store::Store;"),
        ("domain/router.rs", "use std::net::{IpAddr, SocketAddr};"),
        ("clock.rs", "async fn wait() { tokio::time::sleep(left).await }"),
    ] {
        let found: Vec<String> = violations(file, text).iter().map(Violation::to_string).collect();
        assert!(found.is_empty(), "{}", found.join("\n"));
    }
}

#[test]
fn what_is_impure_is_found() {
    for line in IMPURE {
        for file in ["domain/user.rs", "proto/radius/packet.rs", "crypto/mppe.rs", "text/time.rs", "secret.rs"] {
            let text = format!("fn made_up() {{\n    {line}\n}}\n");
            let found = violations(file, &text);
            assert!(found.iter().any(|found| found.line == 2), "src/{file}: {line}");
        }
        assert!(violations("gate/mod.rs", line).is_empty(), "{line}");
    }
}

/// Everything in one file that breaks a rule.
fn violations(file: &str, text: &str) -> Vec<Violation> {
    let code = without_comments_and_strings(text);
    let mut found = wrong_imports(file, &code);
    let module = module_of(file);
    if (GROUND.contains(&module) || PURE.contains(&module)) && !NOT_PURE.contains(&module) {
        found.extend(impurities(file, &code));
    }
    found
}

fn wrong_imports(file: &str, code: &str) -> Vec<Violation> {
    let module = module_of(file);
    let layer = TABLE.iter().find(|layer| layer.modules.contains(&module));
    let allowed = match layer.map(|layer| layer.may) {
        Some(EVERYTHING) => return Vec::new(),
        Some(Some(groups)) => groups.concat(),
        None => Vec::new(),
    };
    let wrong = |path: &str| {
        let to = path.split("::").next().unwrap_or_default();
        let of_the_store = EDGES.contains(&module)
            && NOT_FOR_EDGES.iter().any(|no| path == *no || no.contains("::") && path.starts_with(&format!("{no}::")));
        of_the_store || (to != module && !allowed.contains(&to))
    };
    let mut rule = format!("{module} may import: {}", allowed.join(", "));
    if EDGES.contains(&module) {
        rule.push_str(" (of store only Reader and what it reads)");
    }
    let imports = imports(file, code).into_iter().filter(|(_, path)| wrong(path));
    imports
        .map(|(line, path)| Violation {
            file: file.to_owned(),
            line,
            what: format!("crate::{path}"),
            rule: rule.clone(),
        })
        .collect()
}

fn impurities(file: &str, code: &str) -> Vec<Violation> {
    let mut found = Vec::new();
    for (number, line) in (1..).zip(code.lines()) {
        for word in IMPURE.iter().filter(|word| line.contains(**word)) {
            let rule = "the ground, proto and domain have no async, no sockets, no clock, no randomness, no log lines";
            found.push(Violation {
                file: file.to_owned(),
                line: number,
                what: (*word).to_owned(),
                rule: rule.to_owned(),
            });
        }
    }
    found
}

/// The first part of a file's path: the module whose layer it is in.
fn module_of(file: &str) -> &str {
    let first = file.split('/').next().unwrap_or(file);
    first.strip_suffix(".rs").unwrap_or(first)
}

/// How many modules a file is below the crate: 1 for `clock.rs` and `web/mod.rs`, 2 for `web/users.rs`.
fn depth_of(file: &str) -> usize {
    file.split('/').filter(|part| *part != "mod.rs").count()
}

/// Every path of this crate that the code names, with its line, without `crate::`.
fn imports(file: &str, code: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (at, line) in starts_of(code, "crate::").chain(starts_of(code, "radgram::")).map(|at| (at, line_of(code, at))) {
        let (_, rest) = code[at..].split_once("::").unwrap();
        found.extend(paths(rest).into_iter().map(|path| (line, path)));
    }
    let tests = code.find("\nmod tests {").unwrap_or(code.len());
    for at in starts_of(code, "super::") {
        let mut rest = &code[at..];
        let mut climbed = 0;
        while let Some(below) = rest.strip_prefix("super::") {
            (rest, climbed) = (below, climbed + 1);
        }
        // The tests at the foot of a file are one module deeper than the file.
        if climbed >= depth_of(file) + usize::from(at > tests) {
            found.extend(paths(rest).into_iter().map(|path| (line_of(code, at), path)));
        }
    }
    found
}

/// Where a path begins with `word`; not in the middle of one.
fn starts_of<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let inside = |before: char| before.is_alphanumeric() || matches!(before, '_' | ':');
    code.match_indices(word).map(|(at, _)| at).filter(move |at| !code[..*at].ends_with(inside))
}

fn line_of(code: &str, at: usize) -> usize {
    code[..at].matches('\n').count() + 1
}

/// The paths that a use tree (or a path in the code) names: `a::{b, c::d}` is `a::b` and `a::c::d`.
fn paths(tree: &str) -> Vec<String> {
    let tree = tree.trim_start();
    if let Some(inner) = tree.strip_prefix('{') {
        return branches(inner).into_iter().flat_map(paths).collect();
    }
    let end = tree.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '*').unwrap_or(tree.len());
    let (name, rest) = tree.split_at(end);
    match rest.strip_prefix("::") {
        _ if name == "self" => vec![String::new()],
        Some(below) => {
            let below = paths(below).into_iter();
            below.map(|path| if path.is_empty() { name.to_owned() } else { format!("{name}::{path}") }).collect()
        }
        None => vec![name.to_owned()],
    }
}

/// The branches of a use tree whose brace is open, each up to its comma.
fn branches(inner: &str) -> Vec<&str> {
    let (mut found, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, c) in inner.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                found.push(&inner[start..at]);
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                found.push(&inner[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    found.retain(|branch| !branch.trim().is_empty());
    found
}

/// The code alone, line by line as it was: what is said in comments and texts imports nothing.
fn without_comments_and_strings(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    for line in text.lines() {
        let (mut inside, mut escaped, mut previous) = (false, false, ' ');
        for c in line.chars() {
            if !inside && previous == '/' && c == '/' {
                code.pop();
                break;
            }
            if c == '"' && !escaped && previous != '\'' {
                inside = !inside;
            }
            escaped = inside && c == '\\' && !escaped;
            previous = c;
            if !inside {
                code.push(c);
            }
        }
        code.push('\n');
    }
    code
}

fn files_below(root: &Path) -> Vec<(String, String)> {
    let (mut folders, mut files) = (vec![root.to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        let entries: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        for path in entries {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                files.push((name, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    files.sort();
    files
}
