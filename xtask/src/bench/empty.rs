//! The floor: a program that does nothing, on the tracepoint that all contenders use.
//!
//! A process of its own, as every contender is one; `bench` starts it. It ends with an interrupt, as
//! programs do that handle none, and the kernel detaches what it had attached.

use std::thread;

use anyhow::{Context as _, Result};

use super::bpf::{self, Instruction};

/// `r0 = 0; exit`.
const NOTHING: [Instruction; 2] = [[0xb7, 0, 0, 0, 0, 0, 0, 0], [0x95, 0, 0, 0, 0, 0, 0, 0]];

/// Attaches it, and stays.
pub(crate) fn stay() -> Result<()> {
    let program = bpf::load(c"empty", &NOTHING)
        .context("cannot load a program of two instructions; this takes root and Linux 4.17")?;
    let _attached = bpf::attach(&program, c"inet_sock_set_state")
        .context("cannot attach to the raw tracepoint inet_sock_set_state (Linux 4.16)")?;
    loop {
        thread::park();
    }
}
