//! The hooks on what happens between state changes: who uses a socket, what is sent again, resets.
//!
//! **Owns:** which of them are attached, and what is missing where one cannot be.
//! **Never:** a failure: the trace goes on without them, and says so.

use aya::Btf as KernelBtf;
use aya::programs::{FExit, ProgramError};

use super::hidden::{Hooked, track, unload};
use super::programs::Programs;

const RETRANSMITTED: Hooked = ("retransmitted", "tcp_retransmit_skb");
const RESET_SENT: Hooked = ("reset_sent", "tcp_send_reset");
const RESET_RECEIVED: Hooked = ("reset_received", "tcp_receive_reset");
const ERROR_REPORTED: Hooked = ("error_reported", "inet_sk_error_report");
const RECEIVED: Hooked = ("received", "tcp_rcv_space_adjust");
const ACCEPTED: Hooked = ("accepted", "inet_csk_accept");

/// Each, and what is missing without it.
const SEGMENTS: [(Hooked, &str); 4] = [
    (RETRANSMITTED, "retransmissions"),
    (RESET_SENT, "when and why resets were sent"),
    (RESET_RECEIVED, "when resets were received"),
    (
        ERROR_REPORTED,
        "errors that were reported and closed nothing",
    ),
];

/// What is attached.
pub(super) struct Between {
    /// Whether resets that this host sends are told.
    pub(super) tells_resets: bool,
    pub(super) missing: Vec<String>,
}

/// Attaches what the kernel allows. Who uses a socket is told only where `processes` can be told.
pub(super) fn attach(object: &mut Programs<'_>, types: &KernelBtf, processes: bool) -> Between {
    let mut missing = Vec::new();
    let mut tells_resets = true;
    for (hook, what) in SEGMENTS {
        if let Err(error) = track(object, types, hook) {
            unload(object, hook.0);
            tells_resets &= hook != RESET_SENT;
            missing.push(format!("{what} ({})", refusal(hook.1, &error)));
        }
    }
    missing.extend(users(object, types, processes));
    Between {
        tells_resets,
        missing,
    }
}

/// Why a hook could not be attached, without the verifier's log.
fn refusal(hooked: &str, error: &ProgramError) -> String {
    let cause = match error {
        ProgramError::LoadError { io_error, .. } => io_error.to_string(),
        other => other.to_string(),
    };
    format!("{hooked}: {cause}")
}

fn users(object: &mut Programs<'_>, types: &KernelBtf, processes: bool) -> Vec<String> {
    let mut missing = Vec::new();
    if !processes {
        missing.push(
            "what processes were started as, and who used a socket between its state changes"
                .to_owned(),
        );
        return missing;
    }
    if let Err(error) = track(object, types, RECEIVED) {
        unload(object, RECEIVED.0);
        missing.push(format!(
            "who reads from a socket ({})",
            refusal(RECEIVED.1, &error)
        ));
    }
    if let Err(error) = leave(object, types, ACCEPTED) {
        unload(object, ACCEPTED.0);
        missing.push(format!(
            "who accepted a connection, until it reads from it or closes it ({})",
            match &error {
                ProgramError::LoadError { io_error, .. }
                    if io_error.kind() == std::io::ErrorKind::PermissionDenied =>
                {
                    "this kernel does not let functions be hooked".to_owned()
                }
                error => refusal(ACCEPTED.1, error),
            }
        ));
    }
    missing
}

fn leave(
    object: &mut Programs<'_>,
    types: &KernelBtf,
    (name, function): Hooked,
) -> Result<(), ProgramError> {
    let program = object.program_mut(name).ok_or(ProgramError::NotLoaded)?;
    let program: &mut FExit = program.try_into()?;
    program.load(function, types)?;
    program.attach().map(drop)
}
