//! The fuzz targets, run by every `make test`: over what fuzzing starts from and a fixed number of inputs made of it, always the
//! same ones. `docs/fuzzing.md` says how they run for longer.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

#[path = "../fuzz/targets/attributes.rs"]
mod attributes;
#[path = "../fuzz/targets/dictionary.rs"]
mod dictionary;
#[path = "../fuzz/targets/eap.rs"]
mod eap;
#[path = "../fuzz/targets/packet.rs"]
mod packet;
#[path = "../fuzz/targets/radsec_framing.rs"]
mod radsec_framing;
#[path = "../fuzz/targets/routeros_codec.rs"]
mod routeros_codec;
#[path = "../fuzz/targets/seeds.rs"]
mod seeds;

/// The longest input that is made, in octets: more than a RADIUS packet.
const INPUT_MAX_BYTES: usize = 5_000;
/// Octets at which codecs change their minds.
const TELLING: [u8; 10] = [0, 1, 2, 3, 19, 20, 26, 80, 254, 255];

#[test]
fn packet_holds() {
    // Half of what comes has the Length that fits, as what a forger sends has.
    replay(&seeds::packet(), 20_000, |input, dice| {
        let length = (input.len() as u16).to_be_bytes();
        if dice.below(2) == 0 && input.len() >= 4 {
            input[2..4].copy_from_slice(&length);
        }
        packet::run(input);
    });
}

#[test]
fn attributes_hold() {
    replay(&seeds::attributes(), 40_000, |input, _| attributes::run(input));
}

#[test]
fn eap_holds() {
    replay(&seeds::eap(), 40_000, |input, _| eap::run(input));
}

#[test]
fn dictionary_holds() {
    replay(&seeds::dictionary(), 1_000, |input, _| dictionary::run(input));
}

#[test]
fn radsec_framing_holds() {
    replay(&seeds::radsec_framing(), 20_000, |input, _| radsec_framing::run(input));
}

#[test]
fn routeros_codec_holds() {
    replay(&seeds::routeros_codec(), 5_000, |input, _| routeros_codec::run(input));
}

/// Writes the seeds where `fuzz/run` finds them.
#[test]
fn seeds_are_written() {
    for (target, seeds) in [
        ("packet", seeds::packet()),
        ("attributes", seeds::attributes()),
        ("eap", seeds::eap()),
        ("dictionary", seeds::dictionary()),
        ("radsec_framing", seeds::radsec_framing()),
        ("routeros_codec", seeds::routeros_codec()),
    ] {
        assert!(seeds.len() > 3, "{target}");
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fuzz").join(target);
        fs::create_dir_all(&folder).unwrap();
        for (number, seed) in seeds.iter().enumerate() {
            fs::write(folder.join(format!("seed-{number:03}")), seed).unwrap();
        }
    }
}

/// The seeds as they are, then `count` inputs made of them. What fails is said in hexadecimal.
fn replay(seeds: &[Vec<u8>], count: usize, run: impl Fn(&mut Vec<u8>, &mut Dice)) {
    let mut dice = Dice(0x5eed);
    let run = |input: Vec<u8>, dice: &mut Dice| {
        let mut tried = input.clone();
        let run = std::panic::AssertUnwindSafe(|| run(&mut tried, dice));
        if std::panic::catch_unwind(run).is_err() {
            panic!("made of the input {}", radgram::crypto::hex::encode(&input));
        }
    };
    for seed in seeds {
        run(seed.clone(), &mut dice);
    }
    for _ in 0..count {
        let mut input = dice.of(seeds).clone();
        for _ in 0..=dice.below(4) {
            change(&mut input, seeds, &mut dice);
        }
        input.truncate(INPUT_MAX_BYTES);
        run(input, &mut dice);
    }
}

/// One change of the kinds that break parsers.
fn change(input: &mut Vec<u8>, seeds: &[Vec<u8>], dice: &mut Dice) {
    if input.is_empty() {
        return input.push(dice.octet());
    }
    let at = dice.below(input.len());
    let end = at + dice.below(input.len() - at).min(64);
    match dice.below(8) {
        0 => input[at] ^= 1 << dice.below(8),
        1 => input[at] = *dice.of(&TELLING),
        2 => input[at] = input[at].wrapping_add(1),
        3 => input[at] = dice.octet(),
        4 => drop(input.drain(at..end)),
        5 => {
            let again = input[at..end].to_vec();
            drop(input.splice(at..at, again));
        }
        6 => {
            let other = dice.of(seeds);
            let from = dice.below(other.len().max(1)).min(other.len());
            drop(input.splice(at.., other[from..].iter().copied()));
        }
        _ => input.truncate(at),
    }
}

/// Numbers that look random and are always the same (SplitMix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 up to `bound`, which is never reached but if it is 0.
    fn below(&mut self, bound: usize) -> usize {
        (self.roll() % bound.max(1) as u64) as usize
    }

    fn octet(&mut self) -> u8 {
        self.roll() as u8
    }

    fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}
