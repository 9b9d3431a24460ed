//! The fuzz targets, for a few seconds: each seed of their corpus, and thousands of mutations of them, the same
//! each time. `tests/fuzz` runs them with a fuzzer, for as long as one likes.

use std::path::Path;
use std::{fs, panic};

#[expect(
    unreachable_pub,
    reason = "in the fuzzer's own package it is a library"
)]
#[path = "../../../tests/fuzz/src/lib.rs"]
mod targets;

/// A generator of numbers (xorshift64*): the same ones each time.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }
}

/// Changes a seed in some places, as fuzzers do.
fn mutate(numbers: &mut Numbers, seeds: &[Vec<u8>]) -> Vec<u8> {
    const TELLING: [u8; 6] = [0, 1, 0x7f, 0x80, 0xfe, 0xff];
    let mut bytes = seeds[numbers.below(seeds.len())].clone();
    for _ in 0..=numbers.below(4) {
        let at = numbers.below(bytes.len());
        let end = at + numbers.below((bytes.len() - at).min(200));
        match numbers.below(7) {
            _ if bytes.is_empty() => bytes.push(numbers.next() as u8),
            0 => bytes[at] ^= 1 << numbers.below(8),
            1 => bytes[at] = TELLING[numbers.below(TELLING.len())],
            2 => bytes[at] = numbers.next() as u8,
            3 => bytes.truncate(at),
            4 => drop(bytes.drain(at..end)),
            5 => {
                let part = bytes[at..end].to_vec();
                let to = numbers.below(bytes.len());
                bytes.splice(to..to, part);
            }
            _ => {
                let other = &seeds[numbers.below(seeds.len())];
                let from = numbers.below(other.len());
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
        }
    }
    bytes
}

/// Runs a target with its corpus and so many mutations of it.
fn run(name: &str, target: fn(&[u8]), mutations: usize) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz/corpus");
    let mut files: Vec<_> = fs::read_dir(corpus.join(name))
        .expect("the target has a corpus")
        .map(|file| file.expect("it can be listed").path())
        .collect();
    files.sort();
    let seeds: Vec<Vec<u8>> = files
        .iter()
        .map(|file| fs::read(file).expect("a seed can be read"))
        .collect();
    assert!(!seeds.is_empty(), "{name} has no seed");
    let mut numbers = Numbers(0x9E37_79B9_7F4A_7C15);
    let mutated = std::iter::repeat_with(|| mutate(&mut numbers, &seeds)).take(mutations);
    for bytes in seeds.iter().cloned().chain(mutated) {
        if panic::catch_unwind(|| target(&bytes)).is_err() {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            panic!("{name} fails with {hex}");
        }
    }
}

#[test]
fn the_reader_takes_any_file() {
    run("reader", targets::reader, 10_000);
}

#[test]
fn the_reader_takes_any_payload() {
    run("frame", targets::frame, 10_000);
}

#[test]
fn the_decoder_takes_any_record() {
    run("decoder", targets::decoder, 50_000);
}

#[test]
fn the_tracker_takes_any_stream() {
    run("tracker", targets::tracker, 10_000);
}
