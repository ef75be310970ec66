//! A router whose menus are tables in memory: print with queries, add, set, remove, as RouterOS does them.
#![allow(dead_code, clippy::unwrap_used, reason = "each test program uses a part of it, and fails by panicking")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use radgram::domain::router::Router;
use radgram::proto::routeros::Sentence;
use radgram::routeros::Fleet;

use crate::machine::{Door, Peer, fleet, patient};

/// A row: properties that are set.
pub type Entry = BTreeMap<String, Vec<u8>>;

/// What a command is answered with instead.
type Instead = Box<dyn FnMut(&Sentence, &mut Menus) -> Option<Vec<Sentence>> + Send>;

/// The menus that there are; any other is `no such command prefix`.
#[derive(Default)]
pub struct Menus {
    tables: BTreeMap<String, Vec<Entry>>,
    /// Every command as it came, without its tag.
    pub heard: Vec<String>,
    last_id: u32,
    /// Properties that are not shown.
    pub hidden: Vec<&'static str>,
}

impl Menus {
    /// A menu, if it was not there.
    pub fn menu(&mut self, menu: &str) -> &mut Vec<Entry> {
        self.tables.entry(menu.to_owned()).or_default()
    }

    /// Puts a row in; gives its id.
    pub fn put(&mut self, menu: &str, properties: &[(&str, &str)]) -> String {
        let bytes: Vec<_> = properties.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        self.put_bytes(menu, &bytes)
    }

    pub fn put_bytes(&mut self, menu: &str, properties: &[(&str, &[u8])]) -> String {
        self.last_id += 1;
        let id = format!("*{:X}", self.last_id);
        let mut entry: Entry = properties.iter().map(|(name, value)| ((*name).to_owned(), value.to_vec())).collect();
        entry.insert(".id".to_owned(), id.clone().into_bytes());
        self.menu(menu).push(entry);
        id
    }

    /// What a property of a row is, as text.
    pub fn of(&self, menu: &str, id: &str, property: &str) -> Option<String> {
        let entry = self.tables.get(menu)?.iter().find(|entry| entry[".id"] == id.as_bytes())?;
        entry.get(property).map(|value| String::from_utf8_lossy(value).into_owned())
    }

    pub fn len(&self, menu: &str) -> usize {
        self.tables.get(menu).map_or(0, Vec::len)
    }

    fn answer(&mut self, command: &Sentence) -> Vec<Sentence> {
        let path = String::from_utf8(command.first().to_vec()).unwrap();
        let (menu, verb) = path.rsplit_once('/').unwrap();
        if !self.tables.contains_key(menu) {
            return refusal("no such command prefix");
        }
        match verb {
            "print" => self.print(menu, command),
            "add" => self.add(menu, command),
            "set" => self.change(menu, command, |entry, command| {
                entry.extend(properties(command).filter(|(name, _)| name != ".id"));
            }),
            "remove" => self.remove(menu, command),
            _ => refusal("no such command"),
        }
    }

    fn print(&self, menu: &str, command: &Sentence) -> Vec<Sentence> {
        let proplist = command.attribute(".proplist").map(|list| String::from_utf8_lossy(list).into_owned());
        let is_wanted = |name: &str| proplist.as_ref().is_none_or(|list| list.split(',').any(|wanted| wanted == name));
        let is_shown = |name: &str| is_wanted(name) && !self.hidden.contains(&name);
        let queries: Vec<&[u8]> = command.queries().collect();
        let rows = self.tables[menu].iter().filter(|entry| passes(entry, &queries));
        let row = |entry: &Entry| {
            entry
                .iter()
                .filter(|(name, _)| is_shown(name))
                .fold(Sentence::reply("!re"), |row, (name, value)| row.with(name, value))
        };
        rows.map(row).chain([Sentence::reply("!done")]).collect()
    }

    fn add(&mut self, menu: &str, command: &Sentence) -> Vec<Sentence> {
        let new: Entry = properties(command).collect();
        let key =
            |entry: &Entry| (entry.get("list").cloned(), entry.get("address").cloned(), entry.get("name").cloned());
        if self.tables[menu].iter().any(|entry| key(entry) == key(&new)) {
            return refusal("failure: already have such entry");
        }
        let borrowed: Vec<_> = new.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
        let id = self.put_bytes(menu, &borrowed);
        vec![Sentence::reply("!done").with("ret", id)]
    }

    fn change(&mut self, menu: &str, command: &Sentence, change: impl Fn(&mut Entry, &Sentence)) -> Vec<Sentence> {
        let id = command.attribute(".id").unwrap_or_default().to_vec();
        match self.menu(menu).iter_mut().find(|entry| entry[".id"] == id) {
            None => refusal("no such item"),
            Some(entry) => {
                change(entry, command);
                vec![Sentence::reply("!done")]
            }
        }
    }

    fn remove(&mut self, menu: &str, command: &Sentence) -> Vec<Sentence> {
        let id = command.attribute(".id").unwrap_or_default().to_vec();
        let before = self.len(menu);
        self.menu(menu).retain(|entry| entry[".id"] != id);
        if self.len(menu) == before { refusal("no such item") } else { vec![Sentence::reply("!done")] }
    }
}

/// Written `yes` or `no`, shown as `true` or `false`.
fn properties(command: &Sentence) -> impl Iterator<Item = (String, Vec<u8>)> {
    let shown = |value: &[u8]| match value {
        b"yes" => b"true".to_vec(),
        b"no" => b"false".to_vec(),
        value => value.to_vec(),
    };
    command.attributes().map(move |(name, value)| (String::from_utf8(name.to_vec()).unwrap(), shown(value)))
}

pub fn refusal(message: &str) -> Vec<Sentence> {
    vec![Sentence::reply("!trap").with("message", message), Sentence::reply("!done")]
}

/// The stack of booleans: a row passes if none that is left is false.
fn passes(entry: &Entry, queries: &[&[u8]]) -> bool {
    let mut stack = Vec::new();
    for query in queries {
        match query.strip_prefix(b"?").unwrap() {
            b"#|" => {
                let (second, first) = (stack.pop().unwrap(), stack.pop().unwrap());
                stack.push(first || second);
            }
            step => {
                let step: Vec<&[u8]> = step.splitn(2, |byte| *byte == b'=').collect();
                let found = entry.get(std::str::from_utf8(step[0]).unwrap());
                stack.push(step.get(1).map_or(found.is_some(), |wanted| found.is_some_and(|found| found == wanted)));
            }
        }
    }
    stack.into_iter().all(|passed| passed)
}

/// A router with these menus, a fleet that talks to it, and what is there.
pub struct Bench {
    pub fleet: Arc<Fleet>,
    pub router: Router,
    pub menus: Arc<Mutex<Menus>>,
}

impl Bench {
    pub async fn new(fill: impl FnOnce(&mut Menus)) -> Self {
        Self::with(fill, |_, _| None).await
    }

    /// With answers of its own to some commands.
    pub async fn with(
        fill: impl FnOnce(&mut Menus),
        instead: impl FnMut(&Sentence, &mut Menus) -> Option<Vec<Sentence>> + Send + 'static,
    ) -> Self {
        let mut menus = Menus::default();
        menus.put("/system/identity", &[("name", "gw-1")]);
        menus.put("/system/resource", &[("version", "7.22.3 (stable)")]);
        fill(&mut menus);
        let (menus, door) = (Arc::new(Mutex::new(menus)), Door::open().await);
        let pace = radgram::routeros::pace::Pace { look: std::time::Duration::from_millis(5), ..patient() };
        let bench = Self { fleet: fleet(pace), router: door.router(), menus: Arc::clone(&menus) };
        tokio::spawn(serve(door, menus, Box::new(instead)));
        bench
    }

    /// Looks at what is there, or changes it.
    pub fn at<T>(&self, look: impl FnOnce(&mut Menus) -> T) -> T {
        look(&mut self.menus.lock().unwrap())
    }

    /// The commands that change something, in order.
    pub fn changes(&self) -> Vec<String> {
        self.at(|menus| menus.heard.iter().filter(|heard| !heard.contains("/print")).cloned().collect())
    }

    pub fn heard(&self) -> Vec<String> {
        self.at(|menus| menus.heard.clone())
    }
}

async fn serve(door: Door, menus: Arc<Mutex<Menus>>, mut instead: Instead) {
    let mut peer: Peer = door.peer().await;
    let login = peer.hears().await.unwrap();
    peer.done(&crate::machine::tag_of(&login)).await;
    while let Some(command) = peer.hears().await {
        let tag = crate::machine::tag_of(&command);
        let replies = {
            let mut menus = menus.lock().unwrap();
            menus.heard.push(shown(&command));
            match instead(&command, &mut menus) {
                Some(replies) => replies,
                None => menus.answer(&command),
            }
        };
        for reply in replies {
            peer.says(reply.tagged(&tag)).await;
        }
    }
}

fn shown(command: &Sentence) -> String {
    let words = command.words().iter().filter(|word| !word.starts_with(b".tag="));
    words.map(|word| String::from_utf8_lossy(word).into_owned()).collect::<Vec<_>>().join(" ")
}

/// A router with these menus that answers one connection after the other: for programs that connect by themselves.
pub async fn answering(fill: impl FnOnce(&mut Menus)) -> (std::net::SocketAddr, Arc<Mutex<Menus>>) {
    let mut menus = Menus::default();
    menus.put("/system/identity", &[("name", "gw-1")]);
    menus.put("/system/resource", &[("version", "7.22.3 (stable)")]);
    fill(&mut menus);
    let (menus, door) = (Arc::new(Mutex::new(menus)), Door::open().await);
    let (address, shared) = (door.address(), Arc::clone(&menus));
    tokio::spawn(async move {
        loop {
            let mut peer = door.peer().await;
            while let Some(command) = peer.hears().await {
                let tag = crate::machine::tag_of(&command);
                let replies = match command.first() {
                    b"/login" => vec![Sentence::reply("!done")],
                    _ => shared.lock().unwrap().hears(&command),
                };
                for reply in replies {
                    peer.says(reply.tagged(&tag)).await;
                }
            }
        }
    });
    (address, menus)
}

impl Menus {
    fn hears(&mut self, command: &Sentence) -> Vec<Sentence> {
        self.heard.push(shown(command));
        self.answer(command)
    }
}
