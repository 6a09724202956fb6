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

/// The sizes at which masking is held against copying.
const MASKED_SIZES: [usize; 10] = [20, 64, 125, 126, 200, 512, 1000, 4096, 16 * 1024, 1024 * 1024];

/// Bytes of payloads that are masked or copied in turn. One payload, masked again and again, would be loaded before
/// what was stored to it has left the processor, and what was measured would be that wait, which a copy does not have.
const PAYLOADS: usize = 8 * 1024;

/// Bytes between what is copied from and what is copied to. Allocated one after the other, they would be some pages and
/// a few bytes apart, and a copy takes twice as long where the low bits of both addresses are nearly the same.
const APART: usize = 2 * 1024;

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

/// Bytes of as many payloads as fit, but of one at least.
fn of_payloads(size: usize) -> usize {
    (PAYLOADS / size).max(1) * size
}

#[divan::bench(args = MASKED_SIZES)]
fn memcpy(bencher: Bencher, size: usize) {
    let length = of_payloads(size);
    let mut both = ascii(2 * length + APART);
    let (from, to) = both.split_at_mut(length + APART);
    let from = &from[..length];
    bencher.counter(BytesCount::new(length)).counter(ItemsCount::new(length / size)).bench_local(|| {
        for (from, to) in from.chunks_exact(size).zip(to.chunks_exact_mut(size)) {
            black_box(to).copy_from_slice(black_box(from));
        }
    });
}

#[divan::bench(args = MASKED_SIZES)]
fn masking(bencher: Bencher, size: usize) {
    let length = of_payloads(size);
    let mut payloads = ascii(length);
    bencher.counter(BytesCount::new(length)).counter(ItemsCount::new(length / size)).bench_local(|| {
        for payload in payloads.chunks_exact_mut(size) {
            black_box(mask::apply(black_box(payload), KEY));
        }
    });
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
