//! What the agent says where it may not or cannot trace.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Output};

use tests::cgroup::Cgroup;
use tests::require::skip;
use tests::tracer::{binary, command};

btf_only!(
    not_root,
    no_tracefs_for_the_classic_hook,
    no_such_namespace,
    part_of_the_cgroups,
);

const NOBODY: u32 = 65534;

/// Without privileges the agent says which are missing, and how to get them.
fn not_root() {
    // The build directory may be closed to others.
    let dir = tempfile::tempdir().expect("make a directory");
    let open = fs::Permissions::from_mode(0o755);
    fs::set_permissions(dir.path(), open.clone()).expect("open the directory");
    let copy = dir.path().join("tracer");
    // By another process: one that this process forks for another test would inherit the open copy
    // for a moment, and what is open for writing cannot be run.
    let copied = Command::new("cp")
        .arg(binary().expect("an agent"))
        .arg(&copy)
        .status()
        .expect("run cp");
    assert!(copied.success(), "copy the agent: {copied}");
    fs::set_permissions(&copy, open).expect("open the agent");

    let mut command = Command::new(&copy);
    command.arg("live").uid(NOBODY).gid(NOBODY);
    let output = command
        .current_dir("/")
        .output()
        .expect("run the agent as nobody");
    let said = refused(&output, 3);
    assert!(
        said.contains("sudo") || said.contains("root"),
        "what to do: {said}"
    );
}

/// The message says what to mount. Where tracefs is mounted there is nothing to refuse.
fn no_tracefs_for_the_classic_hook() {
    let mounted = [
        "/sys/kernel/tracing/events",
        "/sys/kernel/debug/tracing/events",
    ]
    .iter()
    .any(|path| fs::exists(path).is_ok_and(|is| is));
    let args = ["live", "--hook", "classic", "--duration", "1ms"];
    let output = command().args(args).output().expect("run the agent");
    if mounted {
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        return;
    }
    let said = refused(&output, 3);
    assert!(said.contains("tracefs"), "{said}");
    assert!(said.contains("mount"), "what to do: {said}");
}

fn no_such_namespace() {
    let output = command()
        .args(["live", "--netns", "tracer-has-no-such-namespace"])
        .output()
        .expect("run the agent");
    let said = refused(&output, 2);
    assert!(said.contains("tracer-has-no-such-namespace"), "{said}");
}

/// The kernel side counts levels from the root of all cgroups; in a cgroup namespace nothing tells
/// how far away that is. Where no cgroups are mounted, there is nothing to look up.
fn part_of_the_cgroups() {
    let Some(cgroup) = Cgroup::new() else {
        skip("no cgroup of version 2 can be made: none is mounted, or not to be written");
        return;
    };
    let said = refused(&contained(&cgroup, "mount -t cgroup2 none \"$1\""), 3);
    assert!(said.contains("cgroup namespace"), "{said}");
    assert!(said.contains("nsenter"), "what to do: {said}");

    let said = refused(&contained(&cgroup, "true"), 3);
    assert!(said.contains("no cgroup2 filesystem"), "{said}");
    assert!(said.contains("mount -t cgroup2"), "what to do: {said}");
}

/// Runs the agent as in a container: in a cgroup namespace that begins at `cgroup`, with no cgroups
/// mounted but what `mount` mounts at `$1`.
fn contained(cgroup: &Cgroup, mount: &str) -> Output {
    let place = tempfile::tempdir().expect("make a directory");
    let script = format!(
        "umount --all --lazy --types cgroup2; {mount}; exec \"$0\" live --cgroup / --duration 1ms"
    );
    Command::new("sh")
        .args(["-c", "echo $$ > \"$0/cgroup.procs\" && exec \"$@\""])
        .arg(cgroup.path())
        .args(["unshare", "--mount", "--cgroup", "sh", "-c", &script])
        .arg(binary().expect("an agent"))
        .arg(place.path())
        .output()
        .expect("run sh")
}

/// Demands a refusal with nothing on the output, and returns what was said.
fn refused(output: &Output, code: i32) -> String {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(output.stdout.is_empty(), "{output:?}");
    said
}
