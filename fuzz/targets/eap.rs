//! An EAP log-in: whatever a peer says, nothing panics, what was understood is written and understood again, and nobody is
//! let in but by the acknowledgement of a success.

use radgram::proto::radius::eap::{Conversation, Eap, Heard, MsChapV2, conversation};

type Talk = Conversation<(), ()>;

/// One input.
pub fn run(input: &[u8]) {
    read(input);
    // Each word of the peer stands behind its length.
    let mut rest = input;
    let Some((first, after)) = word(rest) else { return };
    rest = after;
    let Ok(mut heard) = Talk::open(first, [1; 16]) else { return };
    let mut was_told_of_success = false;
    loop {
        heard = match heard {
            Heard::Ask(talk, asked) => {
                read(&asked);
                let Some((said, after)) = word(rest) else { return };
                rest = after;
                match talk.hear(said, [2; 16]) {
                    Ok(next) => next,
                    Err(_) => return,
                }
            }
            Heard::Proof(challenged, response) => {
                assert!(!response.name.is_empty() && response.name.len() <= 253);
                was_told_of_success = response.ident % 2 == 0;
                let (talk, asked) = match was_told_of_success {
                    true => challenged.succeed((), b"S=00"),
                    false => challenged.fail((), b"E=691"),
                };
                Heard::Ask(talk, asked)
            }
            Heard::Granted((), end) => {
                assert!(was_told_of_success && matches!(Eap::parse(&end), Ok(Eap::Success { .. })));
                return;
            }
            Heard::Unwilling((), end) | Heard::Refused((), end) | Heard::Failed(_, end) => {
                assert!(matches!(Eap::parse(&end), Ok(Eap::Failure { .. })));
                return;
            }
        };
    }
}

fn word(input: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = input.split_first()?;
    rest.split_at_checked(usize::from(*length))
}

fn read(octets: &[u8]) {
    assert!(matches!(Eap::parse(&conversation::failure_for(octets)), Ok(Eap::Failure { .. })));
    let Ok(packet) = Eap::parse(octets) else { return };
    assert_eq!(Eap::parse(&packet.to_bytes()), Ok(packet));
    if let Eap::Request { data, .. } | Eap::Response { data, .. } = packet
        && let Some(said) = MsChapV2::parse(data)
    {
        assert_eq!(MsChapV2::parse(&said.to_bytes()), Some(said));
    }
}
