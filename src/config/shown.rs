//! The configuration as text: what is in force, as TOML, without its secrets.

use std::fmt;
use std::path::{Path, PathBuf};

use super::Config;

/// The effective configuration as TOML, secrets hidden.
impl fmt::Display for Config {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let token = if self.telegram.token.is_some() && self.telegram.token_file.is_none() { "(hidden)" } else { "" };
        let token_file = self.telegram.token_file.as_deref().unwrap_or(Path::new(""));
        writeln!(formatter, "[radius]")?;
        writeln!(formatter, "auth_listen = {}", list(&self.radius.auth_listen))?;
        writeln!(formatter, "acct_listen = {}", list(&self.radius.acct_listen))?;
        let dictionaries = self.radius.dictionaries.as_deref().unwrap_or(Path::new(""));
        writeln!(formatter, "dictionaries = {}", quoted(dictionaries.display()))?;
        let radsec = self.radius.radsec.as_ref();
        writeln!(formatter, "radsec_listen = {}", list(radsec.map_or(&[][..], |radsec| &radsec.listen)))?;
        let file = |path: Option<&PathBuf>| quoted(path.map(|path| path.display().to_string()).unwrap_or_default());
        writeln!(formatter, "radsec_cert = {}", file(radsec.map(|radsec| &radsec.cert)))?;
        writeln!(formatter, "radsec_key = {}", file(radsec.map(|radsec| &radsec.key)))?;
        writeln!(formatter, "radsec_client_ca = {}", file(radsec.map(|radsec| &radsec.client_ca)))?;
        writeln!(formatter, "\n[web]")?;
        writeln!(formatter, "listen = {}", quoted(self.web.listen))?;
        writeln!(formatter, "trusted_proxies = {}", list(&self.web.trusted_proxies))?;
        writeln!(formatter, "metrics_from = {}", list(&self.web.metrics_from))?;
        writeln!(formatter, "\n[database]\nurl = {}", quoted(&self.database.url))?;
        writeln!(formatter, "\n[secrets]\nmaster_key_file = {}", quoted(self.secrets.master_key_file.display()))?;
        writeln!(formatter, "\n[telegram]\ntoken = {}", quoted(token))?;
        writeln!(formatter, "token_file = {}", quoted(token_file.display()))?;
        writeln!(formatter, "api_url = {}", quoted(&self.telegram.api_url))?;
        writeln!(formatter, "proxy = {}", quoted(&self.telegram.proxy))?;
        writeln!(formatter, "\n[log]\nformat = {}", quoted(self.log.format.word()))?;
        writeln!(formatter, "level = {}", quoted(self.log.level.word()))
    }
}

fn quoted(value: impl fmt::Display) -> String {
    format!("\"{}\"", value.to_string().replace('\\', "\\\\").replace('"', "\\\""))
}

fn list<T: fmt::Display>(values: &[T]) -> String {
    format!("[{}]", values.iter().map(quoted).collect::<Vec<_>>().join(", "))
}
