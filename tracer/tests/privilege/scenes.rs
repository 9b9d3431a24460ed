//! What is left after privileges were given up, and what is not.

use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::sync::mpsc::channel;
use std::thread;

use rustix::process::{getegid, geteuid};
use tracer::model::Privileges;
use tracer::privilege::{Allowed, PrivilegeError, confine_reader, give_up};

use crate::acts::{Stage, landlock_of_the_kernel, seccomp_of_the_kernel, start_thread};

/// Every scene by its name.
pub(crate) const SCENES: [(&str, fn()); 8] = [
    ("before_everything_is_allowed", before_everything_is_allowed),
    ("afterwards_all_is_refused", afterwards_all_is_refused),
    ("no_capability_is_left", no_capability_is_left),
    (
        "a_reader_reads_what_is_open_alone",
        a_reader_reads_what_is_open_alone,
    ),
    ("what_is_allowed_still_works", what_is_allowed_still_works),
    (
        "files_are_made_where_that_is_allowed",
        files_are_made_where_that_is_allowed,
    ),
    (
        "root_becomes_nobody_or_the_invoking_user",
        root_becomes_nobody_or_the_invoking_user,
    ),
    ("another_thread_is_refused", another_thread_is_refused),
];

/// Says why a scene cannot be played in full.
fn skip(reason: &str) {
    eprintln!("skipped: {reason}");
}

/// What the kernel tells of this process, opened while that is allowed.
struct Status(File);

impl Status {
    fn open() -> Self {
        Self(File::open("/proc/thread-self/status").expect("the own status"))
    }

    fn read(&mut self) -> String {
        let mut text = String::new();
        self.0.rewind().expect("its begin");
        self.0.read_to_string(&mut text).expect("its text");
        text
    }

    fn field<'a>(text: &'a str, name: &str) -> &'a str {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("no {name} in {text}")).trim()
    }
}

/// What would be refused for want of Landlock is not judged without it.
fn takes_landlock(act: &str) -> bool {
    ["read a file", "list a directory"].contains(&act)
}

fn is_refused(result: &io::Result<()>) -> bool {
    let errno = result.as_ref().err().and_then(io::Error::raw_os_error);
    [Some(libc::EPERM), Some(libc::EACCES)].contains(&errno)
}

/// The acts can fail for other reasons; as root, before, none is refused.
fn before_everything_is_allowed() {
    if !geteuid().is_root() {
        return skip("not root: some acts are refused from the beginning");
    }
    let stage = Stage::new();
    for (act, result) in stage.try_all() {
        // A host may forbid a second user namespace to anybody.
        if act != "make a user namespace" {
            assert!(!is_refused(&result), "{act}: {result:?}");
        }
    }
}

fn afterwards_all_is_refused() {
    let stage = Stage::new();
    let offered = (landlock_of_the_kernel().is_some(), seccomp_of_the_kernel());
    let confinement = give_up(&Allowed::default()).expect("privileges are given up");
    let Privileges {
        seccomp, landlock, ..
    } = confinement.in_force;
    assert_eq!((landlock.is_some(), seccomp), offered, "all that there is");
    if !seccomp || landlock.is_none() {
        skip("this kernel lacks Landlock or seccomp");
    }
    for (act, result) in stage.try_all() {
        let judged = match takes_landlock(act) {
            true => landlock.is_some(),
            false => seccomp,
        };
        assert!(!judged || is_refused(&result), "{act}: {result:?}");
    }
}

fn no_capability_is_left() {
    let mut status = Status::open();
    let was_root = geteuid().is_root();
    let confinement = give_up(&Allowed::default()).expect("privileges are given up");
    let text = status.read();
    let field = |name| Status::field(&text, name);
    for set in ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"] {
        assert_eq!(field(set), "0000000000000000", "{set}");
    }
    assert_eq!(field("NoNewPrivs:"), "1");
    let in_force = &confinement.in_force;
    assert!(in_force.capabilities.is_empty(), "{in_force:?}");
    assert!(in_force.no_new_privs);
    assert_eq!(in_force.seccomp, field("Seccomp:") == "2");
    let uid = format!("{0}\t{0}\t{0}\t{0}", in_force.user);
    assert_eq!(field("Uid:"), uid);
    if was_root {
        assert_eq!(field("CapBnd:"), "0000000000000000");
    } else {
        skip("not root: the bounding set stays, and no_new_privs alone forbids to gain");
    }
}

fn a_reader_reads_what_is_open_alone() {
    let stage = Stage::new();
    let mut file = File::open(&stage.file).expect("the file");
    let confinement = confine_reader().expect("privileges are given up");
    let mut text = String::new();
    file.read_to_string(&mut text).expect("what is open");
    assert_eq!(text, "text");
    // A zone that is known everywhere, read from its file.
    if fs::exists("/usr/share/zoneinfo/Europe/Paris").unwrap_or(false) {
        fs::read("/usr/share/zoneinfo/Europe/Paris").expect("a time zone");
    }
    assert_eq!(start_thread().expect("a thread"), 7);
    if confinement.in_force.landlock.is_none() {
        return skip("this kernel lacks Landlock");
    }
    assert!(is_refused(&stage.read()));
    assert!(is_refused(&fs::read("/proc/self/status").map(drop)));
    assert!(is_refused(&stage.write()));
}

fn what_is_allowed_still_works() {
    let stage = Stage::new();
    let confinement = give_up(&Allowed {
        read: vec![stage.file.clone(), "/proc/self".into()],
        asks_sockets: true,
        ..Allowed::default()
    })
    .expect("privileges are given up");
    stage.read().expect("the file that is allowed");
    fs::read("/proc/thread-self/net/snmp").expect("a file below a directory that is allowed");
    assert_eq!(start_thread().expect("a thread"), 7);
    if confinement.in_force.landlock.is_some() {
        assert!(is_refused(&fs::read_dir(stage.directory.path()).map(drop)));
    }
    if confinement.in_force.seccomp {
        assert!(is_refused(&stage.write()));
    }
}

fn files_are_made_where_that_is_allowed() {
    let stage = Stage::new();
    let other = Stage::new();
    let directory = stage.directory.path();
    let confinement = give_up(&Allowed {
        write_below: vec![directory.to_owned()],
        ..Allowed::default()
    })
    .expect("privileges are given up");
    fs::write(directory.join("one"), "1").expect("a new file");
    fs::rename(directory.join("one"), directory.join("two")).expect("another name");
    fs::remove_file(directory.join("two")).expect("it is gone");
    stage.write().expect("an existing file");
    if confinement.in_force.landlock.is_none() {
        return skip("this kernel lacks Landlock");
    }
    assert!(is_refused(&other.write()));
    assert!(is_refused(
        &File::create(other.directory.path().join("new")).map(drop)
    ));
    assert!(is_refused(&fs::create_dir(directory.join("below"))));
}

fn root_becomes_nobody_or_the_invoking_user() {
    if !geteuid().is_root() {
        return skip("not root");
    }
    let through_sudo = std::env::var("SUDO_UID")
        .ok()
        .and_then(|id| id.parse().ok());
    let expected: u32 = through_sudo.filter(|&uid| uid != 0).unwrap_or(65_534);
    let mut status = Status::open();
    let confinement = give_up(&Allowed::default()).expect("privileges are given up");
    assert_eq!(confinement.in_force.user, expected);
    assert!(!getegid().is_root());
    if expected == 65_534 {
        assert_eq!(Status::field(&status.read(), "Groups:"), "");
    }
}

fn another_thread_is_refused() {
    let (end, until_end) = channel::<()>();
    let other = thread::spawn(move || until_end.recv().is_ok());
    let result = give_up(&Allowed::default());
    assert!(
        matches!(result, Err(PrivilegeError::Threads { threads: 2 })),
        "{result:?}"
    );
    end.send(()).expect("the thread waits");
    assert!(other.join().expect("the thread"));
    // It was refused before anything was given up.
    let stage = Stage::new();
    stage.write().expect("nothing is confined");
    let confinement = give_up(&Allowed::default()).expect("alone again");
    assert!(confinement.in_force.capabilities.is_empty());
}
