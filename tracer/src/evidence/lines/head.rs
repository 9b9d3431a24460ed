//! The line of [`Head`].

use std::ops::Not;

use serde::{Deserialize, Serialize};

use super::ClockLine;
use crate::evidence::entry::{Head, TimeZoneOf, User};
use crate::model::{MonoNs, Privileges, ResetReasons};

/// What traced, on what, and how. The keys are the fields of [`Head`].
#[derive(Serialize, Deserialize)]
pub(in crate::evidence) struct HeadLine {
    tracer: String,
    abi: u32,
    kernel: String,
    machine: String,
    boot_id: Option<String>,
    hostname: String,
    build_id: Option<String>,
    hook: String,
    time_wait: String,
    half_open: String,
    sees_silent_rearms: bool,
    hz: Option<u32>,
    /// Only where it is so; older evidence does not know of it.
    #[serde(default, skip_serializing_if = "Not::not")]
    tells_resets: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    reset_reasons: Vec<(u32, String)>,
    missing: Vec<String>,
    notes: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    privileges: Option<PrivilegesLine>,
    filters: Vec<String>,
    netns: Vec<u32>,
    command: Vec<String>,
    user: UserLine,
    start: u64,
    clock: ClockLine,
    zone: ZoneLine,
    ring_bytes: u32,
    max_connections: u64,
    hold_ns: u64,
    /// Not in what was redacted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
    /// Only where it is so.
    #[serde(default, skip_serializing_if = "Not::not")]
    redacted: bool,
}

/// The keys are the fields of [`Privileges`].
#[derive(Serialize, Deserialize)]
struct PrivilegesLine {
    capabilities: Vec<String>,
    user: u32,
    no_new_privs: bool,
    landlock: Option<u32>,
    seccomp: bool,
}

impl From<Privileges> for PrivilegesLine {
    fn from(privileges: Privileges) -> Self {
        Self {
            capabilities: privileges.capabilities,
            user: privileges.user,
            no_new_privs: privileges.no_new_privs,
            landlock: privileges.landlock,
            seccomp: privileges.seccomp,
        }
    }
}

impl From<PrivilegesLine> for Privileges {
    fn from(line: PrivilegesLine) -> Self {
        Self {
            capabilities: line.capabilities,
            user: line.user,
            no_new_privs: line.no_new_privs,
            landlock: line.landlock,
            seccomp: line.seccomp,
        }
    }
}

#[derive(Serialize, Deserialize)]
struct UserLine {
    uid: u32,
    name: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct ZoneLine {
    iana: Option<String>,
    offset_s: i32,
}

impl From<&Head> for HeadLine {
    fn from(head: &Head) -> Self {
        let head = head.clone();
        Self {
            tracer: head.tracer,
            abi: head.abi,
            kernel: head.kernel,
            machine: head.machine,
            boot_id: head.boot_id,
            hostname: head.hostname,
            build_id: head.build_id,
            hook: head.hook,
            time_wait: head.time_wait,
            half_open: head.half_open,
            sees_silent_rearms: head.sees_silent_rearms,
            hz: head.hz,
            tells_resets: head.tells_resets,
            reset_reasons: head.reset_reasons.0.into_iter().collect(),
            missing: head.missing,
            notes: head.notes,
            privileges: head.privileges.map(PrivilegesLine::from),
            filters: head.filters,
            netns: head.netns,
            command: head.command,
            user: UserLine {
                uid: head.user.uid,
                name: head.user.name,
            },
            start: head.start.0,
            clock: head.clock.into(),
            zone: ZoneLine {
                iana: head.zone.iana,
                offset_s: head.zone.offset_s,
            },
            ring_bytes: head.ring_bytes,
            max_connections: head.max_connections,
            hold_ns: head.hold_ns,
            secret: head.secret,
            redacted: head.redacted,
        }
    }
}

impl HeadLine {
    pub(super) fn into_head(self) -> Result<Head, String> {
        Ok(Head {
            tracer: self.tracer,
            abi: self.abi,
            kernel: self.kernel,
            machine: self.machine,
            boot_id: self.boot_id,
            hostname: self.hostname,
            build_id: self.build_id,
            hook: self.hook,
            time_wait: self.time_wait,
            half_open: self.half_open,
            sees_silent_rearms: self.sees_silent_rearms,
            hz: self.hz,
            tells_resets: self.tells_resets,
            reset_reasons: ResetReasons(self.reset_reasons.into_iter().collect()),
            missing: self.missing,
            notes: self.notes,
            privileges: self.privileges.map(Privileges::from),
            filters: self.filters,
            netns: self.netns,
            command: self.command,
            user: User {
                uid: self.user.uid,
                name: self.user.name,
            },
            start: MonoNs(self.start),
            clock: self.clock.into_clock()?,
            zone: TimeZoneOf {
                iana: self.zone.iana,
                offset_s: self.zone.offset_s,
            },
            ring_bytes: self.ring_bytes,
            max_connections: self.max_connections,
            hold_ns: self.hold_ns,
            secret: self.secret,
            redacted: self.redacted,
        })
    }
}
