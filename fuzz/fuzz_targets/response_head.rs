#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| wspush::protocol::fuzzing::response_head(input));
