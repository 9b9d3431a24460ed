//! Debian's packages: which ones, for what, and how they are installed.
//!
//! **Owns:** the one list of packages, and every call of apt-get.
//! **Never:** installs before it has said what and why, and never removes anything for it.

mod plan;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result};

use crate::cmd;
use crate::root::{self, NotAllowed};

pub(crate) use plan::Plan;

/// A package, and what it is needed for.
pub(crate) struct Need {
    package: &'static str,
    /// The program that is wanted of it, if any: found in `PATH`, it does as well as the package.
    program: Option<&'static str>,
    why: &'static str,
}

/// The LLVM of the packages below. A linker reads what a compiler of the same LLVM or an older
/// one wrote.
pub(crate) const LLVM_MAJOR: u32 = 22;

/// Where Debian puts that LLVM.
pub(crate) const LLVM_PREFIX: &str = "/usr/lib/llvm-22";

/// A compiler for BPF.
pub(crate) const COMPILER: &[Need] = &[
    Need {
        package: "rustc-web",
        program: None,
        why: "the Rust compiler that Debian's `core` for BPF belongs to",
    },
    Need {
        package: "libstd-rust-web-dev-bpf",
        program: None,
        why: "`core` for BPF, which rustup's stable does not have",
    },
];

/// What building bpf-linker needs.
pub(crate) const LINKER: &[Need] = &[
    Need {
        package: "llvm-22-dev",
        program: None,
        why: "LLVM, of which bpf-linker is made",
    },
    Need {
        package: "libpolly-22-dev",
        program: None,
        why: "a part of LLVM that llvm-config names and llvm-22-dev leaves out",
    },
];

/// What the tests start.
pub(crate) const TESTS: &[Need] = &[
    Need {
        package: "iproute2",
        program: Some("ip"),
        why: "network namespaces and links for the live tests, and `ss` to compare with",
    },
    Need {
        package: "nftables",
        program: Some("nft"),
        why: "dropping chosen SYNs and FINs",
    },
    Need {
        package: "libbpf-tools",
        program: Some("tcpstates"),
        why: "the peer that the live tests compare with",
    },
    Need {
        package: "python3-zstandard",
        program: None,
        why: "the reader of evidence in Python, which ours is held against",
    },
    Need {
        package: "nginx",
        program: Some("nginx"),
        why: "a server with workers, for the live tests; its service is left disabled",
    },
    Need {
        package: "postgresql",
        program: Some("pg_ctlcluster"),
        why: "a server that forks for each connection, for them too; its service is left disabled",
    },
    Need {
        package: "redis-tools",
        program: Some("redis-check-rdb"),
        why: "a server of one process, which this file is by another name, and its clients",
    },
    Need {
        package: "socat",
        program: Some("socat"),
        why: "a server that becomes another program for each connection, as inetd does",
    },
    Need {
        package: "curl",
        program: Some("curl"),
        why: "a client",
    },
    Need {
        package: "valgrind",
        program: Some("valgrind"),
        why: "counting the instructions that a change costs, which are held against a budget",
    },
];

/// Services that come with packages of the lists, by their package. None is wanted: tests start programs themselves.
const SERVICES: &[(&str, &str)] = &[("nginx", "nginx"), ("postgresql", "postgresql")];

/// Keeps packages from starting services.
const WITHOUT_SERVICES: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/src/packages/without_services.sh"
);

/// What runs other kernels. Where installing it would cost another package, `vm::emulator` unpacks it.
pub(crate) const EMULATOR: &[Need] = &[Need {
    package: "qemu-system-x86",
    program: Some("qemu-system-x86_64"),
    why: "virtual machines, for the tests on other kernels",
}];

/// What booting them takes besides.
pub(crate) const MACHINES: &[Need] = &[
    Need {
        package: "busybox-static",
        program: None,
        why: "the shell that starts the tests inside them",
    },
    Need {
        package: "xz-utils",
        program: Some("xz"),
        why: "unpacking kernel modules",
    },
];

impl Need {
    fn is_met(&self) -> bool {
        if let Some(program) = self.program {
            return cmd::find(program).is_some();
        }
        cmd::read(Command::new("dpkg-query").args([
            "--show",
            "--showformat=${db:Status-Status}",
            self.package,
        ]))
        .is_ok_and(|status| status == "installed")
    }
}

/// Installs what is missing of the lists, after saying so.
///
/// # Errors
///
/// [`NotAllowed`] with the commands to run by hand, where apt-get or root cannot be had.
pub(crate) fn install(lists: &[&[Need]]) -> Result<()> {
    let missing: Vec<&Need> = lists
        .iter()
        .copied()
        .flatten()
        .filter(|need| !need.is_met())
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    eprintln!("setup: about to install Debian packages:");
    for need in &missing {
        eprintln!("  {:<24} {}", need.package, need.why);
    }
    let names: Vec<&str> = missing.iter().map(|need| need.package).collect();
    install_named(&names).map_err(|error| {
        let names = names.join(" ");
        let advice = format!(
            "these packages could not be installed: {error:#}\nAs root, on Debian 12 or later, run\n  apt-get update\n  \
             apt-get install --no-install-recommends {names}\nand then start this again."
        );
        NotAllowed(advice).into()
    })
}

fn install_named(names: &[&str]) -> Result<()> {
    let start = Instant::now();
    if cmd::find("apt-get").is_none() {
        anyhow::bail!("there is no apt-get here");
    }
    if !root::is_root()? {
        eprintln!("setup: only root installs packages; sudo may ask for your password");
    }
    if let Err(error) = cmd::run(apt_get()?.arg("update")) {
        eprintln!("setup: {error:#}; going on with the package lists that are here");
    }
    let services = SERVICES
        .iter()
        .filter(|(package, _)| names.contains(package));
    let services: Vec<&str> = services.map(|(_, service)| *service).collect();
    let mut install = root::command(Path::new("sh"))?;
    install
        .args([WITHOUT_SERVICES, &services.join(" "), "env"])
        .args(APT_GET)
        .args(["install", "--yes", "--no-install-recommends", "--no-remove"])
        .args(names)
        .stdout(Stdio::null());
    cmd::run(&mut install)?;
    eprintln!("setup: installed in {:.0} s", start.elapsed().as_secs_f32());
    Ok(())
}

/// Every package name that begins so, of which some may be but mentioned by others.
pub(crate) fn names(prefix: &str) -> Result<Vec<String>> {
    let names = cmd::read(Command::new("apt-cache").args(["pkgnames", prefix]))?;
    Ok(names.lines().map(str::to_owned).collect())
}

/// Whether a package can be had by this name.
pub(crate) fn is_offered(package: &str) -> bool {
    cmd::read(Command::new("apt-cache").args(["show", "--no-all-versions", package]))
        .is_ok_and(|record| record.lines().any(|line| line.starts_with("Filename: ")))
}

/// Downloads packages into an empty directory without installing them, and returns their files.
/// Package lists that are too old to find them are renewed, where that is allowed.
pub(crate) fn download(packages: &[impl AsRef<str>], directory: &Path) -> Result<Vec<PathBuf>> {
    let fetch = || {
        // Root fetches as root: the user that apt would become may not write here.
        let mut apt = Command::new("apt-get");
        apt.args(["-qq", "-oAPT::Sandbox::User=root", "download"])
            .args(packages.iter().map(AsRef::as_ref));
        cmd::run(apt.current_dir(directory))
    };
    if fetch().is_err() {
        cmd::run(apt_get()?.arg("update"))?;
        fetch()?;
    }
    let files: Vec<PathBuf> = fs::read_dir(directory)
        .with_context(|| format!("cannot list {}", directory.display()))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|file| file.extension().is_some_and(|extension| extension == "deb"))
        .collect();
    if files.len() < packages.len() {
        let (left, asked) = (files.len(), packages.len());
        anyhow::bail!(
            "apt-get left {left} packages of {asked} in {}",
            directory.display()
        );
    }
    Ok(files)
}

/// What `env` starts apt-get with: asking nothing, waiting for another apt-get to end, silent but for errors.
const APT_GET: [&str; 5] = [
    "DEBIAN_FRONTEND=noninteractive",
    "apt-get",
    "-qq",
    "-oDPkg::Lock::Timeout=300",
    "-oDpkg::Use-Pty=0",
];

/// apt-get as root.
fn apt_get() -> Result<Command> {
    let mut apt = root::command(Path::new("env"))?;
    apt.args(APT_GET).stdout(Stdio::null());
    Ok(apt)
}

#[cfg(test)]
mod tests {
    use std::{env, process};

    use super::*;

    /// Runs a command as packages are installed; returns whether it went well, and whether services are forbidden
    /// afterwards.
    fn run(policy: &Path, command: &str) -> (bool, bool) {
        let status = Command::new("sh")
            .args([WITHOUT_SERVICES, "", "sh", "-c", command])
            .env("TRACER_POLICY", policy)
            .status()
            .expect("a shell");
        (status.success(), policy.exists())
    }

    #[test]
    fn services_are_forbidden_while_packages_are_installed() {
        let policy = env::temp_dir().join(format!("tracer-policy-{}", process::id()));
        let asks = "$TRACER_POLICY; [ $? = 101 ]";
        assert_eq!(run(&policy, asks), (true, false));
        assert_eq!(run(&policy, "exit 1"), (false, false));

        fs::write(&policy, "").expect("write a policy");
        assert_eq!(run(&policy, "true"), (true, true), "not ours to remove");
        assert_eq!(fs::read(&policy).expect("read it"), b"");
        fs::remove_file(&policy).expect("remove it");
    }

    #[test]
    fn every_service_comes_with_a_package_of_the_lists() {
        for (package, _) in SERVICES {
            assert!(
                TESTS.iter().any(|need| need.package == *package),
                "{package}"
            );
        }
    }
}
