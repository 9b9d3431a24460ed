//! What traces, on what, and how: the begin of a trace, for whoever tells of it here or elsewhere.

use super::hidden::HiddenMethods;
use super::host::Host;
use super::zone;
use crate::cli::plan::Plan;
use crate::evidence::{Clock, Head, User};
use crate::model::{MonoNs, ResetReasons};
use crate::source::build_id::build_id;
use crate::source::live::Hook;
use crate::store::Owner;

/// What is known once the hooks are attached.
pub(super) struct Attached {
    pub(super) hook: Hook,
    pub(super) methods: HiddenMethods,
    /// Whether resets that this host sends are told, and the kernel's reasons for them.
    pub(super) tells_resets: bool,
    pub(super) reset_reasons: ResetReasons,
    /// Size of the ring buffers.
    pub(super) ring_bytes: u32,
    pub(super) start: MonoNs,
    pub(super) clock: Clock,
    /// What the host does not allow.
    pub(super) missing: Vec<String>,
    /// What could not be looked into.
    pub(super) notes: Vec<String>,
}

/// Puts together what a trace begins with.
pub(super) fn head(plan: &Plan, attached: Attached) -> Head {
    let host = Host::read();
    let user = Owner::find();
    let names = attached.methods.names();
    Head {
        tracer: env!("CARGO_PKG_VERSION").to_owned(),
        abi: u32::from(crate::source::live::ABI_VERSION),
        kernel: host.kernel,
        machine: host.machine,
        boot_id: host.boot_id,
        hostname: host.hostname,
        build_id: build_id(),
        hook: attached.hook.name().to_owned(),
        time_wait: names.time_wait.unwrap_or("off").to_owned(),
        half_open: names.half_open.unwrap_or("off").to_owned(),
        sees_silent_rearms: attached.methods.sees_silent_rearms(),
        hz: attached.methods.hz(),
        tells_resets: attached.tells_resets,
        reset_reasons: attached.reset_reasons,
        missing: attached.missing,
        notes: attached.notes,
        // Until they are given up.
        privileges: None,
        filters: plan.filter_words.clone(),
        netns: plan.selection.netns.clone(),
        command: std::env::args_os()
            .map(|word| word.to_string_lossy().into_owned())
            .collect(),
        user: User {
            uid: user.uid,
            name: user.name,
        },
        start: attached.start,
        clock: attached.clock,
        zone: zone::here(),
        ring_bytes: attached.ring_bytes,
        max_connections: plan.limits.connections as u64,
        hold_ns: plan.limits.hold_ns,
        redacted: false,
        secret: plan.record.as_ref().and_then(|_| secret()),
    }
}

/// Random bytes, in hexadecimal digits; `None` where the kernel has none to give.
fn secret() -> Option<String> {
    let mut bytes = [0_u8; 32];
    let count = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty()).ok()?;
    let whole = count == bytes.len();
    whole.then(|| bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
