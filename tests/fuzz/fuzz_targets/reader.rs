//! Feeds bytes that may be a file of evidence to `reader`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tracer_fuzz::reader(bytes));
