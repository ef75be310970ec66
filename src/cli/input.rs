//! A password or secret: one line on standard input, or asked for on a terminal; never an argument.

use std::io::{self, BufRead, IsTerminal};

use zeroize::Zeroizing;

use super::Failure;
use crate::secret::Secret;

/// The longest line that is read: far above the longest password, and it stops a file piped in by mistake.
const LINE_BYTES: u64 = 4096;

/// Reads the secret called `what`.
pub(super) fn secret(what: &str) -> Result<Secret, Failure> {
    if io::stdin().is_terminal() { asked(what) } else { line(what, io::stdin().lock()) }
}

/// Reads a secret that is only used and not kept: asked for once. Each call takes the next line.
pub(super) fn known_secret(what: &str) -> Result<Secret, Failure> {
    if !io::stdin().is_terminal() {
        return line(what, io::stdin().lock());
    }
    let typed = rpassword::prompt_password(format!("The {what}: ")).map(Zeroizing::new);
    let typed = typed.map_err(|error| Failure::because(format!("the {what} cannot be read: {error}")))?;
    Ok(Secret::new(typed.as_bytes()))
}

fn asked(what: &str) -> Result<Secret, Failure> {
    let ask = |prompt: String| {
        let typed = rpassword::prompt_password(prompt);
        typed.map(Zeroizing::new).map_err(|error| Failure::because(format!("the {what} cannot be read: {error}")))
    };
    let typed = ask(format!("The {what}: "))?;
    if typed.is_empty() {
        return Err(Failure::because(format!("the {what} is empty")));
    }
    if *typed != *ask("Once more: ".to_owned())? {
        return Err(Failure::because(format!("the {what} was typed in two ways; nothing was changed")));
    }
    Ok(Secret::new(typed.as_bytes()))
}

fn line(what: &str, input: impl BufRead) -> Result<Secret, Failure> {
    let mut bytes = Zeroizing::new(Vec::new());
    input
        .take(LINE_BYTES + 1)
        .read_until(b'\n', &mut bytes)
        .map_err(|error| Failure::because(format!("the {what} cannot be read from standard input: {error}")))?;
    let whole = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    let whole = whole.strip_suffix(b"\r").unwrap_or(whole);
    if whole.is_empty() {
        return Err(Failure::because(format!("the {what} is one line on standard input, and it was empty")));
    }
    if bytes.len() as u64 > LINE_BYTES {
        return Err(Failure::because(format!("the {what} is longer than {LINE_BYTES} bytes")));
    }
    Ok(Secret::new(whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_one_line() {
        for (input, expected) in [("a b\n", "a b"), ("a\r\n", "a"), ("a", "a"), ("a\nb\n", "a"), (" a ", " a ")] {
            assert_eq!(line("password", input.as_bytes()).unwrap(), Secret::new(expected));
        }
        for input in ["", "\n", "\r\n", &"x".repeat(5000)] {
            assert!(line("password", input.as_bytes()).is_err());
        }
    }
}
