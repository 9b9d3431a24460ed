//! Feeds bytes that may be a record to `decoder`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tracer_fuzz::decoder(bytes));
