//! tracefs for a child process, mounted where only that child sees it.
//!
//! The classic hook reads field offsets and the tracepoint's number there. A host need not have it
//! mounted, and a test does not mount it for everyone.

use std::path::Path;

use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::thread::UnshareFlags;

/// Where it is then.
pub const WHERE: &str = "/sys/kernel/tracing";

/// Runs something in a mount namespace of its own that has tracefs; children started in it stay
/// in it.
///
/// # Panics
///
/// Panics, naming the step, when the kernel refuses one, or with what `inside` panics with.
pub fn with_tracefs<T: Send>(inside: impl FnOnce() -> T + Send) -> T {
    let enter = || {
        // SAFETY: a new mount namespace touches no file descriptor table.
        unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS) }
            .expect("make a mount namespace");
        let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        mount_change("/", private).expect("keep mounts to ourselves");
        if !Path::new(WHERE).join("events").exists() {
            mount("tracefs", WHERE, "tracefs", MountFlags::empty(), None).expect("mount tracefs");
        }
        inside()
    };
    let ran = std::thread::scope(|scope| scope.spawn(enter).join());
    ran.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
