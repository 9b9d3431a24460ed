//! What a confined process tries.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;
use std::ptr::null;
use std::thread;

/// What is prepared while everything is allowed.
pub(crate) struct Stage {
    /// A directory that anybody may write to.
    pub(crate) directory: tempfile::TempDir,
    /// A file in it that anybody may read and write.
    pub(crate) file: PathBuf,
    /// Where somebody listens.
    _listener: TcpListener,
    local: SocketAddr,
}

impl Stage {
    pub(crate) fn new() -> Self {
        use std::os::unix::fs::PermissionsExt;

        let directory = tempfile::tempdir().expect("a directory");
        let open = |path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode));
        open(directory.path(), 0o777).expect("a directory for all");
        let file = directory.path().join("file");
        fs::write(&file, "text").expect("a file");
        open(&file, 0o666).expect("a file for all");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a listener");
        let local = listener.local_addr().expect("its address");
        Self {
            directory,
            file,
            _listener: listener,
            local,
        }
    }

    /// Each act by its name, with what came of it.
    pub(crate) fn try_all(&self) -> Vec<(&'static str, io::Result<()>)> {
        let new = self.directory.path().join("new");
        vec![
            ("read a file", self.read()),
            (
                "list a directory",
                fs::read_dir(self.directory.path()).map(drop),
            ),
            ("write a file", self.write()),
            ("make a file", File::create(&new).map(drop)),
            ("remove a file", fs::remove_file(&new)),
            ("connect", TcpStream::connect(self.local).map(drop)),
            (
                "listen",
                TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map(drop),
            ),
            (
                "open a datagram socket",
                UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).map(drop),
            ),
            ("open a pair of sockets", UnixStream::pair().map(drop)),
            ("run a program", run()),
            ("be traced", trace()),
            ("call bpf()", call_bpf()),
            ("make a user namespace", unshare(libc::CLONE_NEWUSER)),
            ("signal another process", signal()),
            ("change the own limits", limit()),
        ]
    }

    /// Reads the file that anybody may read.
    pub(crate) fn read(&self) -> io::Result<()> {
        fs::read(&self.file).map(drop)
    }

    /// Opens the file that anybody may write.
    pub(crate) fn write(&self) -> io::Result<()> {
        OpenOptions::new().append(true).open(&self.file).map(drop)
    }
}

/// A thread is started and ends.
pub(crate) fn start_thread() -> io::Result<u32> {
    let thread = thread::Builder::new().spawn(|| 7)?;
    thread.join().map_err(|_| io::Error::other("it panicked"))
}

fn run() -> io::Result<()> {
    // Without the environment, which would make it play this scene too.
    let mut command = Command::new("/proc/self/exe");
    command.env_clear().arg("--list").output().map(drop)
}

fn answered(result: i64) -> io::Result<()> {
    match result {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Lets the parent trace this process.
fn trace() -> io::Result<()> {
    // SAFETY: PTRACE_TRACEME ignores all other arguments.
    answered(unsafe { libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) })
}

/// Makes the smallest array.
fn call_bpf() -> io::Result<()> {
    const BPF_MAP_CREATE: i64 = 0;
    // Type array, keys and values of four bytes, one entry.
    let attributes: [u32; 16] = [2, 4, 4, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    // SAFETY: the attributes are as long as is said, and are only read.
    answered(unsafe {
        libc::syscall(
            libc::SYS_bpf,
            BPF_MAP_CREATE,
            attributes.as_ptr(),
            size_of_val(&attributes),
        )
    })
}

fn unshare(flags: i32) -> io::Result<()> {
    // SAFETY: no memory is given.
    answered(unsafe { libc::unshare(flags) }.into())
}

fn signal() -> io::Result<()> {
    // SAFETY: signal zero reaches nobody.
    answered(unsafe { libc::kill(libc::getppid(), 0) }.into())
}

fn limit() -> io::Result<()> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the limit is written by the first call and read by the second.
    answered(
        unsafe {
            match libc::prlimit(0, libc::RLIMIT_NOFILE, null(), &mut limit) {
                0 => libc::prlimit(0, libc::RLIMIT_NOFILE, &limit, std::ptr::null_mut()),
                failed => failed,
            }
        }
        .into(),
    )
}

/// Which version of Landlock's interface the kernel itself says it has.
pub(crate) fn landlock_of_the_kernel() -> Option<u32> {
    const VERSION: u32 = 1;
    // SAFETY: asked for the version, the kernel takes no pointer and makes nothing.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            null::<u8>(),
            0_usize,
            VERSION,
        )
    };
    u32::try_from(answer).ok().filter(|&version| version > 0)
}

/// Whether the kernel itself says that it filters system calls.
pub(crate) fn seccomp_of_the_kernel() -> bool {
    let known = fs::read_to_string("/proc/sys/kernel/seccomp/actions_avail");
    known.is_ok_and(|actions| actions.contains("errno"))
}
