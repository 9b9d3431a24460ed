//! One machine: booted, listened to until it has said how it went, and ended.
//!
//! **Owns:** the protocol with the first process, and when a machine is given up.

use std::fmt;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::accelerator::Accelerator;
use super::console::{Console, Next};
use super::emulator::Emulator;
use super::kernel::{Kernel, Series};
use super::modules;
use super::userland::Userland;
use crate::root::NotAllowed;
use crate::test::outcome::{Outcome, Reader};

/// What stock kernels, these programs and QEMU's machine have in common.
const ARCHITECTURE: &str = "x86_64";

/// How the line begins in which the first process says how it went.
const VERDICT: &str = "tracer-vm: ";

/// After these lines nothing good follows.
const HANGS: &[&str] = &["Kernel panic - not syncing", "soft lockup"];

/// The longest time without a line; the scenes with timewait sockets share one play of a good minute, which an emulated machine
/// took five for while another one ran beside it.
const SILENCE: Duration = Duration::from_secs(600);

/// The longest time in all: an emulated machine needs a few seconds for each start of the agent, whose
/// programs the kernel verifies again each time.
const LIFETIME: Duration = Duration::from_secs(45 * 60);

/// Only what is urgent comes between the lines of the tests; a kernel that fails does not go on.
const KERNEL_ARGUMENTS: &str = "console=ttyS0 quiet loglevel=3 panic=-1 oops=panic";

/// A machine that can be booted.
pub(super) struct Machine {
    /// Before each of its lines, as others tell theirs at the same time.
    name: String,
    qemu: Command,
    accelerator: Accelerator,
    log: PathBuf,
}

/// QEMU with a kernel, and with no device but the console.
pub(super) fn qemu(emulator: &Emulator, accelerator: Accelerator, image: &Path) -> Command {
    let mut qemu = emulator.command();
    qemu.args(accelerator.arguments())
        .args(["-smp", "2", "-m", "2048", "-nodefaults", "-no-user-config"])
        .args(["-display", "none", "-serial", "stdio", "-no-reboot"])
        .arg("-kernel")
        .arg(image);
    qemu
}

/// Puts a machine together.
///
/// # Errors
///
/// [`NotAllowed`] where this machine's programs cannot run in it.
pub(super) fn prepare(
    series: Series,
    emulator: &Emulator,
    kernel: &Kernel,
    userland: &Userland,
    directory: &Path,
) -> Result<Machine> {
    if std::env::consts::ARCH != ARCHITECTURE {
        let here = std::env::consts::ARCH;
        let advice = format!("the kernels are for {ARCHITECTURE}, and this is {here}");
        return Err(NotAllowed(advice).into());
    }
    let archive = directory.join(format!("{}.cpio", kernel.release));
    fs::write(&archive, userland.archive(&modules::read(&kernel.modules)?))
        .with_context(|| format!("cannot write {}", archive.display()))?;
    let accelerator = Accelerator::choose(emulator, &kernel.image);
    let mut qemu = qemu(emulator, accelerator, &kernel.image);
    qemu.arg("-initrd").arg(&archive);
    qemu.args(["-append", KERNEL_ARGUMENTS]);
    Ok(Machine {
        name: series.to_string(),
        qemu,
        accelerator,
        log: directory.join(format!("{}.log", kernel.release)),
    })
}

impl Machine {
    /// Boots it and shows what its tests say; the console is kept whole.
    pub(super) fn run(mut self) -> Outcome {
        let mut reader = Reader::new(true);
        let mut verdict = Verdict::default();
        let ended = self
            .listen(&mut reader, &mut verdict)
            .and_then(|()| verdict.judge())
            .with_context(|| format!("its console is in {}", self.log.display()));
        reader.outcome(ended)
    }

    /// Takes lines in until the machine is off.
    fn listen(&mut self, reader: &mut Reader, verdict: &mut Verdict) -> Result<()> {
        let mut log = File::create(&self.log)
            .with_context(|| format!("cannot write {}", self.log.display()))?;
        println!("{}: booting ({})", self.name, self.accelerator);
        let start = Instant::now();
        let console = Console::start(&mut self.qemu)?;
        loop {
            let left = LIFETIME.saturating_sub(start.elapsed());
            let line = match console.next(SILENCE.min(left)) {
                Next::Line(line) => line,
                Next::Off => return Ok(()),
                Next::Silence if left <= SILENCE => bail!("not done after {LIFETIME:?}"),
                Next::Silence => bail!("no sound for {SILENCE:?}"),
            };
            writeln!(log, "{line}")
                .with_context(|| format!("cannot write {}", self.log.display()))?;
            if reader.shows(&line) {
                println!("{}: {line}", self.name);
            }
            if HANGS.iter().any(|hang| line.contains(hang)) {
                bail!("the kernel failed: {line}");
            }
            verdict.take(&line)?;
        }
    }
}

impl fmt::Display for Accelerator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kvm => "KVM",
            Self::Emulation => "software emulation",
        })
    }
}

/// What the first process has said of how it went: exactly one word, or something is wrong.
#[derive(Debug, Default)]
struct Verdict(Option<bool>);

impl Verdict {
    fn take(&mut self, line: &str) -> Result<()> {
        let Some(word) = line.strip_prefix(VERDICT) else {
            return Ok(());
        };
        let success = match word {
            "success" => true,
            "failure" => false,
            _ => bail!("a verdict that is none: {line}"),
        };
        if self.0.replace(success).is_some() {
            bail!("more than one verdict");
        }
        Ok(())
    }

    fn judge(&self) -> Result<()> {
        match self.0 {
            Some(true) => Ok(()),
            Some(false) => bail!("tests failed"),
            None => bail!("off without a verdict"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(lines: &[&str]) -> Result<()> {
        let mut verdict = Verdict::default();
        for line in lines {
            verdict.take(line)?;
        }
        verdict.judge()
    }

    #[test]
    fn a_verdict_is_one_word_said_once() {
        assert!(verdict(&["test a ... ok", "tracer-vm: success"]).is_ok());
        for wrong in [
            &["tracer-vm: failure"][..],
            &["tracer-vm: success", "tracer-vm: success"],
            &["tracer-vm: success", "tracer-vm: failure"],
            &["tracer-vm: succ"],
            &["test a ... ok"],
        ] {
            assert!(verdict(wrong).is_err(), "{wrong:?}");
        }
    }

    /// A machine that is a shell script.
    fn machine(script: &str) -> (Outcome, String) {
        let log = std::env::temp_dir().join(format!(
            "xtask-vm-{}-{}.log",
            std::process::id(),
            script.len()
        ));
        let mut qemu = Command::new("sh");
        qemu.args(["-c", script]);
        let machine = Machine {
            name: "sh".to_owned(),
            qemu,
            accelerator: Accelerator::Emulation,
            log: log.clone(),
        };
        let outcome = machine.run();
        let console = fs::read_to_string(&log).expect("the console was kept");
        fs::remove_file(log).expect("remove the console");
        (outcome, console)
    }

    #[test]
    fn tests_are_counted_and_the_console_is_kept() {
        let (outcome, console) = machine(
            "echo test a ... ok; echo 'test result: ok. 1 passed; 0 failed; 0 ignored'; \
             echo tracer-vm: success",
        );
        assert!(outcome.ended.is_ok(), "{:?}", outcome.ended);
        assert_eq!(outcome.counts.passed, 1);
        assert_eq!(console.lines().count(), 3);
    }

    #[test]
    fn a_panic_ends_the_machine_at_once() {
        let start = Instant::now();
        let (outcome, _) = machine("echo '[1.0] Kernel panic - not syncing: no'; exec sleep 60");
        let error = outcome.ended.expect_err("it failed");
        assert!(format!("{error:#}").contains("Kernel panic"), "{error:#}");
        assert!(
            start.elapsed() < Duration::from_secs(30),
            "it was waited for"
        );
    }
}
