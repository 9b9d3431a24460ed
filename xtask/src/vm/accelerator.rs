//! KVM where it really works, else emulation.
//!
//! `/dev/kvm` alone says little: inside some virtual machines it can be opened, and what it starts
//! never comes to its first instruction. So it has to boot a kernel once.

use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use super::console::{Console, Next};
use super::emulator::Emulator;

/// How a machine's instructions are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Accelerator {
    Kvm,
    Emulation,
}

/// A kernel says its name within a tenth of it.
const PATIENCE: Duration = Duration::from_secs(5);

impl Accelerator {
    /// Finds out with a kernel, once for all of them.
    pub(super) fn choose(emulator: &Emulator, image: &Path) -> Self {
        static CHOSEN: OnceLock<Accelerator> = OnceLock::new();
        *CHOSEN.get_or_init(|| {
            if File::options()
                .read(true)
                .write(true)
                .open("/dev/kvm")
                .is_err()
            {
                return Self::Emulation;
            }
            if boots(emulator, image) {
                return Self::Kvm;
            }
            eprintln!("vm: /dev/kvm is here, but boots nothing; taking software emulation");
            Self::Emulation
        })
    }

    /// What QEMU is told.
    ///
    /// The emulator runs both CPUs in one thread. With a thread each, a CPU can still run code that
    /// the other one has patched: attaching to a tracepoint does just that, and the kernel then dies
    /// of a breakpoint (`Oops: int3` in `inet_sk_state_store`) that it had already taken back.
    pub(super) fn arguments(self) -> [&'static str; 4] {
        match self {
            Self::Kvm => ["-accel", "kvm", "-cpu", "host"],
            Self::Emulation => ["-accel", "tcg,thread=single", "-cpu", "max"],
        }
    }
}

/// Whether the kernel says its name under KVM.
fn boots(emulator: &Emulator, image: &Path) -> bool {
    let mut qemu = super::machine::qemu(emulator, Accelerator::Kvm, image);
    qemu.args(["-append", "console=ttyS0 earlyprintk=serial panic=-1"]);
    says_its_name(&mut qemu, PATIENCE)
}

fn says_its_name(qemu: &mut Command, patience: Duration) -> bool {
    let deadline = Instant::now() + patience;
    let Ok(console) = Console::start(qemu) else {
        return false;
    };
    while let Next::Line(line) = console.next(deadline.saturating_duration_since(Instant::now())) {
        if line.contains("Linux version") {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn speaks(script: &str) -> bool {
        says_its_name(
            Command::new("sh").args(["-c", script]),
            Duration::from_millis(300),
        )
    }

    #[test]
    fn only_a_kernel_that_speaks_counts() {
        assert!(speaks(
            "echo firmware; echo '[ 0.0] Linux version 6.1'; exec sleep 9"
        ));
        assert!(!speaks("echo firmware"));
        assert!(!speaks("echo firmware; exec sleep 9"));
    }
}
