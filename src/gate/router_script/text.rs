//! Commands and scripts as text for a terminal of RouterOS 6.49 and 7.
//!
//! What holds for both lines: menus with spaces, values in double quotes with backslashes (manual, Scripting: constant escape
//! sequences), one `{…}` block, since a `:local` of a pasted line is gone with its line. In version 6 a question mark shows
//! help wherever it is typed, so it is written in hex, and so is everything that is not ASCII: terminals differ in what
//! they make of it.

use std::fmt::{self, Write as _};

use super::{Argument, Command, Script, Step, Verb};

/// What stands in a script where a secret is to be pasted.
const PLACEHOLDER: &str = "PASTE-THE-SECRET";

/// Menus whose rows are named in the command itself. Newer versions list live connections in `/ip/service` as dynamic rows
/// of the service's name, which `[find …]` would find too and `set` refuses; `/certificate sign` takes one name only.
const NAMED: [&str; 2] = ["/ip/service", "/certificate"];

/// Properties that are compared as what they are, not as text.
const UNQUOTED: [&str; 4] = [".id", "address", "disabled", "dynamic"];

impl fmt::Display for Command {
    /// As it is typed, on one line, with secrets as variables.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", spaced(&self.menu), self.verb)?;
        match self.verb {
            Verb::Find => write!(formatter, "{}", where_words(&self.find))?,
            Verb::Add => {}
            Verb::Set
            | Verb::Enable
            | Verb::Disable
            | Verb::Remove
            | Verb::MoveFirst
            | Verb::Sign
            | Verb::ResetCounters => {
                write!(formatter, "{}", self.rows())?;
            }
        }
        if self.verb == Verb::MoveFirst {
            write!(formatter, " destination=[:pick [{} find where dynamic=no] 0]", spaced(&self.menu))?;
        }
        self.arguments.iter().try_for_each(|(property, argument)| match argument {
            Argument::Plain(value) => write!(formatter, " {property}={}", value_word(value)),
            Argument::Secret(name, _) => write!(formatter, " {property}=${name}"),
        })
    }
}

impl Command {
    /// The rows, as an argument: nothing, a name, or `[find …]`.
    fn rows(&self) -> String {
        match self.find.as_slice() {
            [] => String::new(),
            [(property, name)] if property == "name" && NAMED.contains(&self.menu.as_str()) => {
                format!(" {}", value_word(name))
            }
            conditions => format!(" [find{}]", where_words(conditions)),
        }
    }
}

impl Script {
    /// The whole script: its opening remark, then one block that stops while a secret is missing.
    pub fn text(&self) -> String {
        let opening = usize::from(matches!(self.0.first(), Some(Step::Remark(_))));
        let (opening, steps) = self.0.split_at(opening);
        let variables = variables(&commands(steps));
        let mut text = String::new();
        write_steps(&mut text, opening, "");
        text.push_str("{\n");
        text.push_str(&variables);
        if !variables.is_empty() {
            text.push('\n');
        }
        write_steps(&mut text, steps, "");
        text.push_str("}\n");
        text
    }
}

/// Commands as they are typed: a line each, or a block where secrets are to be filled in.
pub fn typed(commands: &[Command]) -> String {
    let variables = variables(&commands.iter().collect::<Vec<_>>());
    let lines: String = commands.iter().map(|command| format!("{command}\n")).collect();
    if variables.is_empty() { lines } else { format!("{{\n{variables}{lines}}}\n") }
}

/// Every command of some steps, also of those that are for a condition only.
fn commands(steps: &[Step]) -> Vec<&Command> {
    let of_step = |step| match step {
        &Step::Remark(_) => Vec::new(),
        Step::Do(command) | Step::Try(command) => vec![command],
        Step::Once { then, .. } => commands(then),
    };
    steps.iter().flat_map(of_step).collect()
}

/// The variables of some commands, and what stops the script while one is not filled in.
fn variables(commands: &[&Command]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for name in commands.iter().flat_map(|command| command.variables()) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let mut text = String::new();
    for name in &names {
        let _ = writeln!(text, ":local {name} \"{PLACEHOLDER}\"");
    }
    for name in &names {
        let _ = writeln!(
            text,
            ":if ((${name} = \"{PLACEHOLDER}\") || ([:len ${name}] = 0)) do={{ :error \"fill in {name} first; nothing was changed\" }}"
        );
    }
    text
}

fn write_steps(text: &mut String, steps: &[Step], indent: &str) {
    let mut after_remark = true;
    for step in steps {
        let is_remark = matches!(step, Step::Remark(_));
        if is_remark && !after_remark {
            text.push('\n');
        }
        after_remark = is_remark;
        write_step(text, step, indent);
    }
}

fn write_step(text: &mut String, step: &Step, indent: &str) {
    let _ = match step {
        Step::Remark(remark) => {
            remark.lines().for_each(|line| {
                text.push_str(format!("{indent}# {}", plain(line)).trim_end());
                text.push('\n');
            });
            Ok(())
        }
        Step::Do(command) => writeln!(text, "{indent}{command}"),
        Step::Try(command) => writeln!(text, "{indent}{}", tried(command)),
        Step::Once { unless, then } => {
            let _ = writeln!(text, "{indent}:if ([:len [{unless}]] = 0) do={{");
            write_steps(text, then, &format!("{indent}  "));
            writeln!(text, "{indent}}}")
        }
    };
}

/// A command whose refusal stops nothing. A property that a version does not know is no failure of the command, which
/// `on-error` would catch, but a fault in the script's own text, at which the whole block would not begin: so the command
/// is text until it is run. A command without properties needs no such care, and one with a secret cannot have it: variables
/// do not reach into the text.
fn tried(command: &Command) -> String {
    if command.arguments.is_empty() || command.variables().next().is_some() {
        return format!(":do {{ {command} }} on-error={{}}");
    }
    format!(":do {{ [[:parse {}]] }} on-error={{}}", quoted(&command.to_string()))
}

/// `/ppp/aaa` as `/ppp aaa`: version 6 knows no slashes inside.
fn spaced(menu: &str) -> String {
    format!("/{}", menu.trim_start_matches('/').replace('/', " "))
}

fn where_words(conditions: &[(String, String)]) -> String {
    let conditions: Vec<String> = conditions
        .iter()
        .map(|(property, value)| {
            let bare = UNQUOTED.contains(&property.as_str()) && (is_bare(value) || is_id(value));
            format!("{property}={}", if bare { value.clone() } else { quoted(value) })
        })
        .collect();
    if conditions.is_empty() { String::new() } else { format!(" where {}", conditions.join(" and ")) }
}

/// A value behind `=`: in quotes, unless it says the same without.
fn value_word(value: &str) -> String {
    if is_bare(value) { value.to_owned() } else { quoted(value) }
}

/// Whether a value says the same without quotes: a word, a number, an address, a list of words.
fn is_bare(value: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b',' | b':' | b'/' | b'-' | b'_');
    value.starts_with(|first: char| first.is_ascii_alphanumeric()) && value.bytes().all(plain)
}

/// Whether a value is the id of a row: `*1A`.
fn is_id(value: &str) -> bool {
    value
        .strip_prefix('*')
        .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// A value in quotes: every octet that is not plain is escaped.
fn quoted(value: &str) -> String {
    let mut text = String::with_capacity(value.len() + 2);
    text.push('"');
    for byte in value.bytes() {
        match byte {
            b'"' | b'\\' | b'$' => {
                text.push('\\');
                text.push(char::from(byte));
            }
            b'?' => text.push_str("\\3F"),
            b' '..=b'~' => text.push(char::from(byte)),
            _ => {
                let _ = write!(text, "\\{byte:02X}");
            }
        }
    }
    text.push('"');
    text
}

/// A remark's line with nothing that a terminal would act upon.
fn plain(line: &str) -> String {
    line.chars()
        .map(|character| if matches!(character, ' '..='~') && character != '?' { character } else { '.' })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    #[track_caller]
    fn check(command: &Command, expected: &str) {
        assert_eq!(command.to_string(), expected);
    }

    fn filter(verb: Verb) -> Command {
        Command::new("/ip/firewall/filter", verb)
    }

    #[test]
    fn commands_are_written_as_both_lines_take_them() {
        check(
            &Command::new("/radius/incoming", Verb::Set).with("accept", "yes").with("port", "3799"),
            "/radius incoming set accept=yes port=3799",
        );
        check(
            &Command::new("/ppp/secret", Verb::Disable).whose("name", "ann"),
            "/ppp secret disable [find where name=\"ann\"]",
        );
        check(
            &Command::new("/ip/firewall/address-list", Verb::Remove)
                .whose("list", "radgram")
                .whose("address", "10.0.0.9")
                .whose("dynamic", "no"),
            "/ip firewall address-list remove [find where list=\"radgram\" and address=10.0.0.9 and dynamic=no]",
        );
        check(&Command::new("/radius", Verb::Enable).whose(".id", "*A"), "/radius enable [find where .id=*A]");
        check(&Command::new("/radius", Verb::ResetCounters), "/radius reset-counters");
        check(&Command::new("/user", Verb::Find).whose("name", "radgram"), "/user find where name=\"radgram\"");
    }

    #[test]
    fn a_move_goes_before_the_first_row_that_can_be_moved() {
        check(
            &filter(Verb::MoveFirst).whose("comment", "2FA ann"),
            "/ip firewall filter move [find where comment=\"2FA ann\"] \
             destination=[:pick [/ip firewall filter find where dynamic=no] 0]",
        );
    }

    #[test]
    fn services_and_certificates_are_named() {
        check(
            &Command::new("/ip/service", Verb::Set).whose("name", "api-ssl").with("disabled", "no"),
            "/ip service set api-ssl disabled=no",
        );
        check(&Command::new("/certificate", Verb::Sign).whose("name", "a b"), "/certificate sign \"a b\"");
        check(&Command::new("/certificate", Verb::Find).whose("name", "a"), "/certificate find where name=\"a\"");
    }

    #[test]
    fn values_cannot_break_out_of_their_quotes() {
        for (value, expected) in [
            ("2FA ann", r#""2FA ann""#),
            ("a\"; /user remove [find]; :put \"", r#""a\"; /user remove [find]; :put \"""#),
            ("back\\slash", r#""back\\slash""#),
            ("$radiusSecret", r#""\$radiusSecret""#),
            ("why?", r#""why\3F""#),
            ("line\r\nbreak\tand\0nul", r#""line\0D\0Abreak\09and\00nul""#),
            ("Аня", r#""\D0\90\D0\BD\D1\8F""#),
            ("", r#""""#),
            ("[find]", r#""[find]""#),
            ("*1", r#""*1""#),
            (":put", r#"":put""#),
        ] {
            check(&filter(Verb::Add).with("comment", value), &format!("/ip firewall filter add comment={expected}"));
            check(
                &filter(Verb::Find).whose("comment", value),
                &format!("/ip firewall filter find where comment={expected}"),
            );
        }
    }

    #[test]
    fn an_id_or_address_that_is_neither_is_quoted() {
        check(
            &filter(Verb::Remove).whose(".id", "*1] ; [/user remove"),
            "/ip firewall filter remove [find where .id=\"*1] ; [/user remove\"]",
        );
    }

    #[test]
    fn secrets_are_variables() {
        let secret = Secret::new("swordfish");
        let command = Command::new("/radius", Verb::Add).with_secret("secret", "radiusSecret", &secret);
        check(&command, "/radius add secret=$radiusSecret");
        assert!(!format!("{command:?}").contains("swordfish"));
        assert_eq!(
            typed(&[command]),
            "{\n:local radiusSecret \"PASTE-THE-SECRET\"\n\
             :if (($radiusSecret = \"PASTE-THE-SECRET\") || ([:len $radiusSecret] = 0)) \
             do={ :error \"fill in radiusSecret first; nothing was changed\" }\n\
             /radius add secret=$radiusSecret\n}\n"
        );
    }

    #[test]
    fn commands_without_secrets_are_lines() {
        let commands = [Command::new("/ppp/aaa", Verb::Set).with("use-radius", "yes"), filter(Verb::Find)];
        assert_eq!(typed(&commands), "/ppp aaa set use-radius=yes\n/ip firewall filter find\n");
    }

    #[test]
    fn a_script_is_one_block_behind_its_opening_remarks() {
        let secret = Secret::new("swordfish");
        let set = Command::new("/radius", Verb::Set).whose("comment", "radgram");
        let script = Script(vec![
            Step::Remark("For office?\nSecond line.".to_owned()),
            Step::Once {
                unless: Command::new("/radius", Verb::Find).whose("comment", "radgram"),
                then: vec![Step::Do(Command::new("/radius", Verb::Add).with_secret("secret", "radiusSecret", &secret))],
            },
            Step::Remark("Signed.".to_owned()),
            Step::Try(set.with("require-message-auth", "yes-for-request-resp")),
        ]);
        let expected = r#"# For office.
# Second line.
{
:local radiusSecret "PASTE-THE-SECRET"
:if (($radiusSecret = "PASTE-THE-SECRET") || ([:len $radiusSecret] = 0)) do={ :error "fill in radiusSecret first; nothing was changed" }

:if ([:len [/radius find where comment="radgram"]] = 0) do={
  /radius add secret=$radiusSecret
}

# Signed.
:do { [[:parse "/radius set [find where comment=\"radgram\"] require-message-auth=yes-for-request-resp"]] } on-error={}
}
"#;
        assert_eq!(script.text(), expected);
    }

    #[test]
    fn what_has_no_property_or_a_secret_is_not_parsed_from_text() {
        let enable = Command::new("/radius", Verb::Enable).whose(".id", "*1");
        assert_eq!(tried(&enable), ":do { /radius enable [find where .id=*1] } on-error={}");
        let command = Command::new("/radius", Verb::Set).with_secret("secret", "s", &Secret::new("x"));
        assert_eq!(tried(&command), ":do { /radius set secret=$s } on-error={}");
    }
}
