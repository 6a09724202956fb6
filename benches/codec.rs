//! The codec alone, beside `memcpy`: `cargo bench --bench codec`.

#![allow(missing_docs, reason = "a program, not a library")]

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use std::hint::black_box;
use wspush::protocol::Role;
use wspush::protocol::decoder::{Decoder, Limits};
use wspush::protocol::frame::{self, Opcode};
use wspush::protocol::{mask, utf8};

const SIZES: [usize; 4] = [20, 512, 16 * 1024, 1024 * 1024];
const KEY: mask::Key = [0x12, 0x5f, 0x33, 0x25];
const LIMITS: Limits = Limits { max_message: 1 << 24, max_frame: 1 << 24, max_fragments: 16 };

/// Bytes of frames that arrive together.
const INPUT: usize = 64 * 1024;

fn main() {
    divan::main();
}

fn ascii(length: usize) -> Vec<u8> {
    (0..length).map(|i| b'a' + (i % 26) as u8).collect()
}

fn mixed(length: usize) -> Vec<u8> {
    "wir müssen für 漢字 und 🎉 auch Zeit haben, ".bytes().cycle().take(length / 57 * 57).collect()
}

#[divan::bench(args = SIZES)]
fn memcpy(bencher: Bencher, size: usize) {
    let (from, mut to) = (ascii(size), vec![0; size]);
    bencher.counter(BytesCount::new(size)).bench_local(|| black_box(&mut to).copy_from_slice(black_box(&from)));
}

#[divan::bench(args = SIZES)]
fn masking(bencher: Bencher, size: usize) {
    let mut payload = ascii(size);
    bencher.counter(BytesCount::new(size)).bench_local(|| mask::apply(black_box(&mut payload), KEY));
}

#[divan::bench(args = SIZES)]
fn utf8_of_ascii(bencher: Bencher, size: usize) {
    let text = ascii(size);
    bencher.counter(BytesCount::new(size)).bench_local(|| utf8::is_valid(black_box(&text)));
}

#[divan::bench(args = &SIZES[1..])]
fn utf8_of_mixed_text(bencher: Bencher, size: usize) {
    let text = mixed(size);
    bencher.counter(BytesCount::new(text.len())).bench_local(|| utf8::is_valid(black_box(&text)));
}

/// Frames of text from a client, unmasked, checked and handed out.
#[divan::bench(args = SIZES)]
fn parsing(bencher: Bencher, size: usize) {
    let count = (INPUT / size).max(1);
    let mut one = Vec::new();
    frame::write(&mut one, Opcode::Text, true, Some(KEY), &ascii(size));
    let input = one.repeat(count);
    bencher
        .counter(BytesCount::new(input.len()))
        .counter(ItemsCount::new(count))
        .with_inputs(|| input.clone())
        .bench_local_refs(|input| {
            let mut decoder = Decoder::new(Role::Server);
            let mut used = 0;
            while used < input.len() {
                let take = |_, payload: &[u8]| black_box(payload).len() < usize::MAX;
                used += decoder.short_messages(&mut input[used..], &LIMITS, take).expect("the frames are in order");
                used += decoder.step(&mut input[used..], &LIMITS).expect("the frames are in order").0;
            }
        });
}

/// The frame of a server, written behind others.
#[divan::bench(args = SIZES)]
fn writing(bencher: Bencher, size: usize) {
    let payload = ascii(size);
    let mut out = Vec::with_capacity(size + frame::MAX_HEADER);
    bencher.counter(BytesCount::new(size)).counter(ItemsCount::new(1_usize)).bench_local(|| {
        out.clear();
        frame::write(&mut out, Opcode::Binary, true, None, black_box(&payload));
        black_box(&out);
    });
}
