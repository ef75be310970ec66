//! Secrets on the router: each is a way past us, since the router asks RADIUS only about names that it does not know.

use std::collections::BTreeSet;

use super::super::command::{Row, is};
use super::chart::{Chart, count_of};
use super::inventory::{Inventory, SECRET};
use super::value::text;
use crate::domain::account::{candidates, name_key};
use crate::gate::router_api::{Command, Expected, Gravity, Verb};
use crate::text::one_line;

/// Behind the name of a secret that is put aside.
const ASIDE: &str = ".radgram";

/// Looks at `/ppp secret`, by names alone.
pub fn look(seen: &Inventory, expected: &Expected, chart: &mut Chart) {
    let Some(secrets) = seen.rows(SECRET) else { return };
    let accounts: BTreeSet<String> = expected.accounts.iter().map(|name| name_key(name)).collect();
    // Whoever dials as `CORP\ann` is ann to us.
    let is_account =
        |secret: &&Row| candidates(text(secret, "name").as_bytes()).iter().any(|key| accounts.contains(key));
    let (shadows, others): (Vec<&Row>, Vec<&Row>) = secrets.iter().partition(is_account);
    for secret in &shadows {
        find_shadow(secret, chart);
    }
    if shadows.is_empty() {
        chart.pass("no account of radgram has a secret on the router, too");
    }
    let outside: Vec<&str> =
        others.iter().filter(|secret| !is(secret, "disabled")).map(|secret| text(secret, "name")).collect();
    if outside.is_empty() {
        chart.pass("nobody gets in by a secret of the router alone");
    } else {
        chart.find(
            Gravity::Warning,
            "secret_outside",
            format!("Secrets on the router that radgram does not rule: {}.", count_of(outside)),
            "Who has such a name and password gets in without a yes in Telegram. Adopt these accounts, or remove them.",
            Vec::new(),
        );
    }
}

fn find_shadow(secret: &Row, chart: &mut Chart) {
    let name = text(secret, "name");
    let shown = one_line(name);
    let fix = vec![aside(secret)];
    if is(secret, "disabled") {
        // Whether a disabled secret counts as known is not documented.
        chart.find(
            Gravity::Note,
            format!("shadow:{name}"),
            format!("There is a disabled secret {shown} on the router."),
            "It lets nobody in, but it may keep the router from asking radgram about that name. Put it aside, if the log-in \
             is refused and radgram sees no attempt.",
            fix,
        );
    } else {
        chart.find(
            Gravity::Grave,
            format!("shadow:{name}"),
            format!("There is a secret {shown} on the router."),
            "For this name the router does not ask radgram: a stolen password is enough. The repair keeps the secret under \
             another name, disabled.",
            fix,
        );
    }
}

/// Kept, but under a name that nobody dials with.
fn aside(secret: &Row) -> Command {
    let name = text(secret, "name");
    let set = Command::new(SECRET, Verb::Set);
    // A name that is no UTF-8 cannot be said again.
    let set = match name.contains(char::REPLACEMENT_CHARACTER) {
        true => set.whose(".id", text(secret, ".id")),
        false => set.whose("name", name),
    };
    set.with("name", &format!("{name}{ASIDE}")).with("disabled", "yes")
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Seen;
    use super::*;

    fn secret(name: &str, disabled: &str) -> Seen {
        Seen::healthy().row(SECRET, &[(".id", "*5"), ("name", name), ("disabled", disabled)])
    }

    #[test]
    fn a_secret_of_an_account_is_grave_in_whatever_letters() {
        for (name, typed) in [
            ("ann", "[find where name=\"ann\"] name=ann.radgram"),
            ("Ann", "[find where name=\"Ann\"] name=Ann.radgram"),
            (r"CORP\ann", r#"[find where name="CORP\\ann"] name="CORP\\ann.radgram""#),
        ] {
            let fix = format!("/ppp secret set {typed} disabled=yes");
            secret(name, "false").finds(&format!("shadow:{name}"), Gravity::Grave, &[&fix]);
        }
    }

    #[test]
    fn a_disabled_one_is_noted() {
        secret("ann", "true").finds(
            "shadow:ann",
            Gravity::Note,
            &["/ppp secret set [find where name=\"ann\"] name=ann.radgram disabled=yes"],
        );
    }

    #[test]
    fn secrets_that_we_do_not_rule_are_summed_up() {
        let seen = secret("bob", "false")
            .row(SECRET, &[("name", "eve")])
            .row(SECRET, &[("name", "off"), ("disabled", "true")]);
        let report = seen.finds("secret_outside", Gravity::Warning, &[]);
        assert!(report.findings[0].what.contains("2 (bob, eve)"), "{report:?}");
        secret("bob", "true").finds_nothing();
        secret("annabel", "true").finds_nothing();
    }

    #[test]
    fn a_name_that_is_no_text_is_found_by_its_id() {
        let command = aside(&crate::routeros::machine::row(&[(".id", "*5"), ("name", "a\u{fffd}")]));
        assert_eq!(command.find, [(".id".to_owned(), "*5".to_owned())]);
    }
}
