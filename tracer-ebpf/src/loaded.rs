//! The configuration as the agent wrote it before loading.

use aya_ebpf::Global;
use tracer_ebpf::{ABSENT, Config};

/// Read-only from the moment the object is loaded, so the verifier knows every value of it.
#[unsafe(no_mangle)]
static CONFIG: Global<Config> = Global::new(Config::EMPTY);

/// Returns the configuration; its fields are read with [`configured!`] only.
#[inline(always)]
pub(crate) fn config() -> &'static Config {
    // SAFETY: `Global` is transparent, and its value is initialised here or by the agent.
    unsafe { &*(&raw const CONFIG).cast() }
}

/// Reads what the agent wrote, and not what the compiler sees: the initial value.
#[inline(always)]
pub(crate) fn loaded<T: Copy>(field: &'static T) -> T {
    // SAFETY: a reference is valid to read from.
    unsafe { core::ptr::read_volatile(field) }
}

/// Reads one field of the configuration: `configured!(filter.family)`.
macro_rules! configured {
    ($($field:tt)+) => {
        $crate::loaded::loaded(&$crate::loaded::config().$($field)+)
    };
}
pub(crate) use configured;

/// The displacement that stands for an offset until the object is loaded: `placed!(offsets.family)`. Where the running kernel
/// has no such field, what is read there is zero.
macro_rules! placed {
    ($($field:tt)+) => {
        const { tracer_ebpf::placeholder(core::mem::offset_of!(tracer_ebpf::Config, $($field)+)) }
    };
}
pub(crate) use placed;

/// Takes an offset for what it is: `None` where the running kernel has no such field.
#[inline(always)]
pub(crate) fn present(offset: u32) -> Option<usize> {
    (offset != ABSENT).then_some(offset as usize)
}
