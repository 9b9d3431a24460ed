//! Feeds a stream of records and losses to `tracker`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tracer_fuzz::tracker(bytes));
