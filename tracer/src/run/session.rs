//! What a trace says of itself, live or from evidence.

use super::course::wall_of;
use super::hidden::HiddenMethods;
use crate::evidence::Head;
use crate::sink::Session;

/// The first line of a trace, of which `filters` tell what is shown.
pub(super) fn session(
    head: &Head,
    methods: HiddenMethods,
    filters: Vec<String>,
    existing: u64,
) -> Session {
    Session {
        tracer: head.tracer.clone(),
        kernel: head.kernel.clone(),
        machine: head.machine.clone(),
        boot_id: head.boot_id.clone(),
        hostname: head.hostname.clone(),
        hook: head.hook.clone(),
        time_wait: methods.names().time_wait.unwrap_or("off").to_owned(),
        time_wait_bound: methods.bound(),
        half_open: methods.names().half_open.unwrap_or("off").to_owned(),
        filters,
        start: head.start,
        wall: wall_of(head.clock),
        missing: head.missing.clone(),
        notes: head.notes.clone(),
        privileges: head.privileges.clone(),
        ring_bytes: head.ring_bytes,
        existing,
        redacted: head.redacted,
        reset_reasons: head.reset_reasons.clone(),
    }
}
