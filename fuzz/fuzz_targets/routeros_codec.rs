#![no_main]

#[path = "../targets/routeros_codec.rs"]
mod target;

libfuzzer_sys::fuzz_target!(|input: &[u8]| target::run(input));
