//! What each key takes: how its text is read, how a message names what is allowed, whether a message may repeat it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use reqwest::Url;

use super::source::Shown;
use super::{LogFormat, LogLevel};
use crate::domain::router::source_network;
use crate::secret::Secret;

/// What a key takes.
#[derive(Clone, Copy)]
pub(super) struct Kind<T> {
    /// Reads a text; `None` if it is not taken.
    pub(super) read: fn(&str) -> Option<T>,
    /// What is allowed, in words.
    pub(super) expected: &'static str,
    /// Whether a message may repeat the text.
    pub(super) shown: Shown,
}

pub(super) const ONE_TOKEN: &str = "token or token_file, not both";

pub(super) const NEEDED_BY_RADSEC: &str = "the path of a file, since radsec_listen is set";

pub(super) const SOCKET: Kind<SocketAddr> =
    Kind { read: |text| text.parse().ok(), expected: "an address with port like 127.0.0.1:8080", shown: Shown::Plain };

pub(super) const NETWORK: Kind<IpNet> = Kind {
    read: |text| source_network(text).ok(),
    expected: "addresses or networks like 192.0.2.1, 192.0.2.0/24",
    shown: Shown::Plain,
};

pub(super) const PATH: Kind<PathBuf> = Kind {
    read: |text| (!text.is_empty()).then(|| PathBuf::from(text)),
    expected: "the path of a file",
    shown: Shown::Plain,
};

pub(super) const OPTIONAL_PATH: Kind<Option<PathBuf>> = Kind {
    read: |text| Some((!text.is_empty()).then(|| PathBuf::from(text))),
    expected: "the path of a file, or nothing",
    shown: Shown::Plain,
};

pub(super) const OPTIONAL_FOLDER: Kind<Option<PathBuf>> =
    Kind { expected: "the path of a folder, or nothing", ..OPTIONAL_PATH };

pub(super) const DATABASE: Kind<String> =
    Kind { read: database, expected: "sqlite:FILE or postgres://USER:PASSWORD@HOST/NAME", shown: Shown::Hidden };

pub(super) const TOKEN: Kind<Option<Secret>> =
    Kind { read: token, expected: "a bot token like 123456:ABC-def, or nothing", shown: Shown::Hidden };

pub(super) const API_URL: Kind<String> = Kind {
    read: |text| with_scheme(text, &["http", "https"]),
    expected: "an address like https://api.telegram.org",
    shown: Shown::Plain,
};

pub(super) const PROXY: Kind<String> = Kind {
    read: |text| {
        if text.is_empty() { Some(String::new()) } else { with_scheme(text, &["http", "https", "socks5", "socks5h"]) }
    },
    expected: "nothing, or an address like socks5h://USER:PASSWORD@HOST:PORT, socks5://… or http://…",
    shown: Shown::Hidden,
};

pub(super) const FORMAT: Kind<LogFormat> = Kind {
    read: |text| LogFormat::ALL.into_iter().find(|format| format.word() == text),
    expected: "text or json",
    shown: Shown::Plain,
};

pub(super) const LEVEL: Kind<LogLevel> = Kind {
    read: |text| LogLevel::ALL.into_iter().find(|level| level.word() == text),
    expected: "error, warn, info, debug or trace",
    shown: Shown::Plain,
};

fn with_scheme(text: &str, schemes: &[&str]) -> Option<String> {
    let url = Url::parse(text).ok()?;
    (schemes.contains(&url.scheme()) && url.has_host()).then(|| text.to_owned())
}

fn token(text: &str) -> Option<Option<Secret>> {
    if text.is_empty() {
        return Some(None);
    }
    let (number, letters) = text.split_once(':')?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    let taken = !number.is_empty()
        && number.bytes().all(|byte| byte.is_ascii_digit())
        && !letters.is_empty()
        && letters.bytes().all(plain);
    taken.then(|| Some(Secret::new(text)))
}

/// A database URL. A SQLite database in memory is none: it would be another one for each connection.
fn database(text: &str) -> Option<String> {
    if let Some(rest) = text.strip_prefix("sqlite:") {
        let file = rest.strip_prefix("//").unwrap_or(rest);
        let path = file.split('?').next().unwrap_or_default();
        return (!path.is_empty() && path != ":memory:" && !text.contains("mode=memory")).then(|| text.to_owned());
    }
    with_scheme(text, &["postgres", "postgresql"])
}

/// A SQLite URL with its relative path put behind `directory`; any other URL as it is.
pub(super) fn resolved(url: &str, directory: &Path) -> String {
    let Some(rest) = url.strip_prefix("sqlite:") else { return url.to_owned() };
    let file = rest.strip_prefix("//").unwrap_or(rest);
    if directory.as_os_str().is_empty() || Path::new(file).is_absolute() {
        return format!("sqlite:{file}");
    }
    // The driver undoes percent-encoding in the path.
    let directory = directory.to_string_lossy().replace('%', "%25").replace('?', "%3F").replace('#', "%23");
    format!("sqlite:{}/{file}", directory.trim_end_matches('/'))
}

/// A URL without its password, wherever a driver reads one from; what does not parse is not shown at all.
pub(super) fn without_password(url: &str) -> String {
    if url.is_empty() || url.starts_with("sqlite:") {
        return url.to_owned();
    }
    let Ok(mut url) = Url::parse(url) else { return "(hidden)".to_owned() };
    if url.password().is_some() && url.set_password(Some("hidden")).is_err() {
        return "(hidden)".to_owned();
    }
    if url.query().is_some() {
        // PostgreSQL takes `?password=` too.
        url.set_query(Some("hidden"));
    }
    url.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn database_urls_are_of_two_kinds() {
        for taken in ["sqlite:a.db", "sqlite:///var/lib/a.db", "postgres://u:p@h/n", "postgresql://h/n"] {
            assert!(database(taken).is_some(), "{taken}");
        }
        for refused in ["", "a.db", "sqlite:", "sqlite::memory:", "sqlite://?mode=memory", "mysql://h/n", "postgres:x"]
        {
            assert!(database(refused).is_none(), "{refused}");
        }
    }

    #[test]
    fn relative_databases_are_beside_the_file() {
        assert_eq!(resolved("sqlite:a.db", Path::new("")), "sqlite:a.db");
        assert_eq!(resolved("sqlite://a.db", Path::new("/etc/radgram")), "sqlite:/etc/radgram/a.db");
        assert_eq!(resolved("sqlite:/var/a.db?x=1", Path::new("/etc")), "sqlite:/var/a.db?x=1");
        assert_eq!(resolved("sqlite:a.db", Path::new("/50%")), "sqlite:/50%25/a.db");
        assert_eq!(resolved("postgres://h/n", Path::new("/etc")), "postgres://h/n");
    }

    #[test]
    fn tokens_have_their_form() {
        assert_eq!(token(""), Some(None));
        assert!(token("123456:ABC-def_1").is_some());
        for refused in ["x", ":x", "1:", "a:b", "1:a b"] {
            assert!(token(refused).is_none(), "{refused}");
        }
    }
}
