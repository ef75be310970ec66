//! Runs one command as people would type it: in a menu without rows, or for each row that it finds.

use super::link::Link;
use super::value;
use crate::gate::router_api::{ApiFault, Argument, Command, Verb};
use crate::proto::routeros::{Row, Sentence};

/// Runs it; gives for how many rows.
pub(super) async fn run(link: &Link, command: &Command) -> Result<usize, ApiFault> {
    if command.arguments.iter().any(|(_, argument)| is_unknown(argument)) {
        return Err(ApiFault::Refused("a secret of this command is not known here; type it on the router".to_owned()));
    }
    let rows_are_meant = !command.find.is_empty() || command.verb == Verb::Find;
    if !rows_are_meant {
        link.act(sentence(command)).await?;
        return Ok(1);
    }
    let found = find(link, &command.menu, &command.find).await?;
    let sentence = match command.verb {
        Verb::Find => return Ok(found.len()),
        Verb::MoveFirst => match first(link, &command.menu).await? {
            Some(first) if !found.contains(&first) => sentence(command).with("destination", first),
            Some(_) | None => return Ok(0),
        },
        Verb::Add | Verb::Set | Verb::Enable | Verb::Disable | Verb::Remove | Verb::Sign | Verb::ResetCounters => {
            sentence(command)
        }
    };
    let mut done = 0;
    for id in found {
        match link.act(sentence.clone().with(".id", id)).await {
            Ok(_) => done += 1,
            // It went in between: then it needs nothing more.
            Err(ApiFault::Gone(_)) => {}
            Err(fault) => return Err(fault),
        }
    }
    Ok(done)
}

/// An empty secret stands for one that only a person knows.
fn is_unknown(argument: &Argument) -> bool {
    match argument {
        Argument::Plain(_) => false,
        Argument::Secret(_, secret) => secret.expose().is_empty(),
    }
}

fn sentence(command: &Command) -> Sentence {
    let start = Sentence::command(format!("{}/{}", command.menu, command.verb));
    command.arguments.iter().fold(start, |sentence, (name, argument)| match argument {
        Argument::Plain(text) => sentence.with(name, text),
        Argument::Secret(_, secret) => sentence.with(name, secret.expose()),
    })
}

/// Dynamic rows cannot be changed (`/ip/service` of newer versions lists live connections so).
async fn find(link: &Link, menu: &str, wanted: &[(String, String)]) -> Result<Vec<String>, ApiFault> {
    let mut properties = vec![".id", "dynamic"];
    properties.extend(wanted.iter().map(|(property, _)| property.as_str()));
    let mut print = Sentence::command(format!("{menu}/print")).with(".proplist", properties.join(","));
    // A switch is compared differently by versions: those rows are looked at here.
    for (property, value) in wanted.iter().filter(|(_, value)| as_switch(value).is_none()) {
        print = print.query(format!("?{property}={value}"));
    }
    let wanted = wanted.to_vec();
    let read = move |row: &Row| {
        let is_it = wanted.iter().all(|(property, value)| is_same(row.value(property).unwrap_or(b"no"), value));
        (is_it && !row.is("dynamic")).then(|| value::id(row))
    };
    link.rows(print, read).await
}

/// The first row of a menu that can be moved.
async fn first(link: &Link, menu: &str) -> Result<Option<String>, ApiFault> {
    let print = Sentence::command(format!("{menu}/print")).with(".proplist", ".id,dynamic");
    let rows = link.rows(print, |row: &Row| (!row.is("dynamic")).then(|| value::id(row))).await?;
    Ok(rows.into_iter().next())
}

fn is_same(found: &[u8], wanted: &str) -> bool {
    let found_switch = std::str::from_utf8(found).ok().and_then(as_switch);
    found == wanted.as_bytes() || (found_switch.is_some() && found_switch == as_switch(wanted))
}

fn as_switch(text: &str) -> Option<bool> {
    match text {
        "yes" | "true" => Some(true),
        "no" | "false" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    #[test]
    fn switches_are_the_same_in_both_words() {
        assert!(is_same(b"true", "yes"));
        assert!(is_same(b"false", "no"));
        assert!(is_same(b"api", "api"));
        assert!(!is_same(b"true", "no"));
        assert!(!is_same(b"\xff", "yes"));
    }

    #[test]
    fn arguments_go_as_they_are() {
        let command = Command {
            menu: "/radius".to_owned(),
            verb: Verb::Add,
            find: Vec::new(),
            arguments: vec![
                ("service".to_owned(), Argument::Plain("ppp".to_owned())),
                ("secret".to_owned(), Argument::Secret("radiusSecret", Secret::new("hunter2"))),
            ],
        };
        let expected = Sentence::command("/radius/add").with("service", "ppp").with("secret", "hunter2");
        assert_eq!(sentence(&command), expected);
    }
}
