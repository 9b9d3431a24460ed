//! Network namespaces made by a test.
//!
//! **Owns:** everything it makes; dropping a [`Namespace`] removes it.

use std::fs::{self, File};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;

use rustix::mount::{UnmountFlags, mount_bind, unmount};
use rustix::thread::{LinkNameSpaceType, UnshareFlags};

use crate::netlink;

/// Where `ip netns` keeps namespaces by name; the agent finds them there by name too.
const NAMED: &str = "/run/netns";

/// Moves the calling thread into a network namespace for good.
///
/// # Panics
///
/// Panics when the kernel refuses.
pub fn enter(netns: &impl AsFd) {
    let kind = Some(LinkNameSpaceType::Network);
    rustix::thread::move_into_link_name_space(netns.as_fd(), kind)
        .expect("enter the network namespace");
}

/// A network namespace with a name.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    file: File,
}

impl Namespace {
    /// Makes a namespace, with `lo` up and connections in TIME_WAIT never reused.
    ///
    /// # Panics
    ///
    /// Panics, naming the step, when the kernel refuses one.
    pub fn new(name: &str) -> Self {
        let path = Path::new(NAMED).join(name);
        fs::create_dir_all(NAMED).expect("make /run/netns");
        File::create_new(&path).unwrap_or_else(|error| panic!("make {}: {error}", path.display()));
        let on_its_own_thread = || {
            // SAFETY: a new network namespace touches no file descriptor table.
            unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET) }
                .expect("make a network namespace");
            mount_bind("/proc/thread-self/ns/net", &path).expect("name the network namespace");
        };
        thread::scope(|scope| scope.spawn(on_its_own_thread).join())
            .expect("a network namespace was made");
        let file = File::open(&path).expect("open the network namespace");
        let namespace = Self {
            name: name.to_owned(),
            file,
        };
        namespace.run(|| {
            netlink::set_up(netlink::LOOPBACK).expect("bring lo up");
        });
        namespace.set_sysctl("net/ipv4/tcp_tw_reuse", "0");
        namespace
    }

    /// Returns the name, as `ip netns` and the agent know it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the path that names the namespace.
    pub fn path(&self) -> PathBuf {
        Path::new(NAMED).join(&self.name)
    }

    /// Returns the namespace itself.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Returns the inode number, as the kernel knows the namespace.
    ///
    /// # Panics
    ///
    /// Panics when the open file cannot be asked.
    pub fn inode(&self) -> u64 {
        self.file.metadata().expect("ask for the inode").ino()
    }

    /// Runs something inside the namespace, on a thread of its own. Sockets made there stay there,
    /// wherever they are used later.
    ///
    /// # Panics
    ///
    /// Panics when the namespace cannot be entered, or with what `inside` panics with.
    pub fn run<T: Send>(&self, inside: impl FnOnce() -> T + Send) -> T {
        let entered = || {
            enter(&self.file);
            inside()
        };
        let ran = thread::scope(|scope| scope.spawn(entered).join());
        ran.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// Writes a setting below `/proc/sys`, as the namespace has it.
    ///
    /// # Panics
    ///
    /// Panics when it cannot be written.
    pub fn set_sysctl(&self, name: &str, value: &str) {
        self.run(|| fs::write(Path::new("/proc/sys").join(name), value))
            .unwrap_or_else(|error| panic!("set {name} to {value}: {error}"));
    }
}

impl Namespace {
    /// Writes a setting below `/proc/sys` that not every kernel has.
    ///
    /// # Panics
    ///
    /// Panics when it is there and cannot be written.
    pub fn set_sysctl_where_known(&self, name: &str, value: &str) {
        if self.run(|| Path::new("/proc/sys").join(name).exists()) {
            self.set_sysctl(name, value);
        }
    }
}

/// A setting of a namespace that is put back when this is dropped.
#[derive(Debug)]
#[must_use = "the setting is put back as soon as this is dropped"]
pub struct Setting<'n> {
    namespace: &'n Namespace,
    name: &'static str,
    before: String,
}

impl Namespace {
    /// Writes a setting below `/proc/sys` for as long as the returned value lives.
    ///
    /// # Panics
    ///
    /// Panics when it cannot be read or written.
    pub fn with_sysctl(&self, name: &'static str, value: &str) -> Setting<'_> {
        let before = self.sysctl(name);
        self.set_sysctl(name, value);
        Setting {
            namespace: self,
            name,
            before,
        }
    }

    /// Reads a setting below `/proc/sys`, as the namespace has it.
    ///
    /// # Panics
    ///
    /// Panics when it cannot be read.
    pub fn sysctl(&self, name: &str) -> String {
        let text = self.run(|| fs::read_to_string(Path::new("/proc/sys").join(name)));
        text.unwrap_or_else(|error| panic!("read {name}: {error}"))
    }
}

impl Drop for Setting<'_> {
    fn drop(&mut self) {
        self.namespace.set_sysctl(self.name, self.before.trim_end());
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // A drop during a failing test must not hide the failure behind its own.
        let _ = unmount(self.path(), UnmountFlags::DETACH);
        let _ = fs::remove_file(self.path());
    }
}
