//! Feeds bytes that may be a frame's payload to `frame`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tracer_fuzz::frame(bytes));
