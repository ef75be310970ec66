//! Runs one command as people would type it: in a menu without rows, or for each row that it finds.

use super::link::Link;
use super::value;
use crate::gate::router_api::{ApiFault, Argument, Command};
use crate::proto::routeros::{Row, Sentence};

/// Runs it; gives for how many rows.
pub(super) async fn run(link: &Link, command: &Command) -> Result<usize, ApiFault> {
    let Some((property, wanted)) = &command.find else {
        link.act(sentence(command)).await?;
        return Ok(1);
    };
    let mut done = 0;
    for id in find(link, &command.menu, property, wanted).await? {
        match link.act(sentence(command).with(".id", id)).await {
            Ok(_) => done += 1,
            // It went in between: then it needs nothing more.
            Err(ApiFault::Gone(_)) => {}
            Err(fault) => return Err(fault),
        }
    }
    Ok(done)
}

fn sentence(command: &Command) -> Sentence {
    let start = Sentence::command(format!("{}/{}", command.menu, command.verb));
    command.arguments.iter().fold(start, |sentence, (name, argument)| match argument {
        Argument::Plain(text) => sentence.with(name, text),
        Argument::Secret(_, secret) => sentence.with(name, secret.expose()),
    })
}

/// Dynamic rows cannot be changed (`/ip/service` of newer versions lists live connections so).
async fn find(link: &Link, menu: &str, property: &str, wanted: &str) -> Result<Vec<String>, ApiFault> {
    let print = Sentence::command(format!("{menu}/print")).with(".proplist", format!(".id,dynamic,{property}"));
    // A switch is compared differently by versions: those rows are looked at here.
    let print = match as_switch(wanted) {
        Some(_) => print,
        None => print.query(format!("?{property}={wanted}")),
    };
    let (property, wanted) = (property.to_owned(), wanted.to_owned());
    let read = move |row: &Row| {
        let is_it = row.value(&property).is_some_and(|found| is_same(found, &wanted));
        (is_it && !row.is("dynamic")).then(|| value::id(row))
    };
    link.rows(print, read).await
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
            verb: "add".to_owned(),
            find: None,
            arguments: vec![
                ("service".to_owned(), Argument::Plain("ppp".to_owned())),
                ("secret".to_owned(), Argument::Secret("radiusSecret", Secret::new("hunter2"))),
            ],
        };
        let expected = Sentence::command("/radius/add").with("service", "ppp").with("secret", "hunter2");
        assert_eq!(sentence(&command), expected);
    }
}
