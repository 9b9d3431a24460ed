//! Evidence on disk: what a full disk, a limit and other hands leave of it.

mod killed;

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use rustix::process::{Resource, Rlimit, prlimit};
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use tests::ask_until;
use tests::attempt::inconclusive;
use tests::host::Pair;
use tests::recording::{Recording, Verdict, record, show, verify};
use tests::schema::Line;
use tests::traffic::{Connection, Socket};

btf_only!(
    a_full_disk_is_waited_for,
    a_limit_is_outlived,
    a_removed_file_is_followed_by_another,
    the_files_take_no_more_than_they_may,
    what_exists_is_left_alone,
    whoever_used_sudo_owns_the_evidence,
    files_are_rotated_without_privileges,
);

/// Changes of one connection that is opened and closed, at both ends together.
const CHANGES: u64 = 10;
/// The most records of one: its changes, what both ends carried, who reads at the server's end, and who that is.
const RECORDS: u64 = CHANGES + 4;
/// The user who is nobody.
const NOBODY: u32 = 65_534;

/// Two hosts, a listener, and how many connections there were.
struct Scene {
    pair: Pair,
    listener: Socket,
    connections: u64,
}

impl Scene {
    fn new() -> Self {
        let pair = Pair::new();
        let listener = pair.server.listen(8000, 16);
        Self {
            pair,
            listener,
            connections: 0,
        }
    }

    /// Opens and closes a connection, and waits until it is over at both ends.
    fn connect(&mut self) {
        let connection = Connection::open(&self.pair, &self.listener);
        let ends = connection.ends;
        connection.close_client_first(&self.pair);
        self.pair.server.wait_sockets("the end", |sockets| {
            sockets.iter().all(|socket| socket.remote != ends.client)
        });
        self.connections += 1;
    }

    /// Opens and closes connections until the agent says something.
    fn connect_until_said(&mut self, recording: &mut Recording, text: &str) {
        for _ in 0..100_000 {
            if recording.has_said(text) {
                return;
            }
            self.connect();
        }
        recording.wait_said(text);
    }

    /// Demands that all there was is in the evidence, or told as lost: `lost` records, those too that told of no change.
    fn judge(&self, files: &[PathBuf], lost: u64, is_whole: bool) {
        let (lines, code) = show(files);
        let changes = lines
            .iter()
            .filter(|line| matches!(line, Line::Change(_)))
            .count() as u64;
        let (told, beside) = losses(&lines, "not_recorded");
        conclude(&lines);
        assert_eq!(told + beside, lost, "lost {lines:#?}");
        let lost = told;
        let expected = CHANGES * self.connections;
        let missing = expected.saturating_sub(changes + lost);
        if (1..=expected / 500).contains(&missing) {
            // Seen of a few in thousands while other tracers came and went, with the agent not having been handed them
            // either; why is not known: see limits.md, "Kernel counters".
            inconclusive(format!(
                "{missing} changes are missing, and nobody told of a loss"
            ));
        }
        assert_eq!(changes + lost, expected, "{lost} of them lost");
        assert_eq!(code, Some(i32::from(!is_whole)), "exit code of `show`");
    }
}

/// How many changes were lost for a cause, and how many other records.
fn losses(lines: &[Line], cause: &str) -> (u64, u64) {
    let (mut changes, mut beside) = (0, 0);
    for line in lines {
        if let Line::Loss(loss) = line
            && loss.cause == cause
        {
            changes += loss.lost;
            beside += loss.beside;
        }
    }
    (changes, beside)
}

/// Ends a recording; leaves a scenario in which the kernel itself kept changes from the hook.
fn stop(recording: Recording) -> (Option<i32>, Vec<String>) {
    let (code, said) = recording.stop();
    let of_kernel = |line: &&String| line.starts_with("recorded ") && !line.contains(", 0 lost, ");
    if let Some(line) = said.iter().find(of_kernel) {
        inconclusive(format!("the kernel kept changes from the hook: {line}"));
    }
    (code, said)
}

/// Leaves a scenario in which the kernel itself kept changes from the hook.
fn conclude(lines: &[Line]) {
    if losses(lines, "recursion").0 > 0 {
        inconclusive("the kernel kept changes from the hook".to_owned());
    }
}

/// Demands that a file is good as far as it goes.
fn demand_good(file: &Path) -> Verdict {
    let verdict = verify(&[file.to_owned()]).remove(0);
    assert!(verdict.damaged.is_empty(), "{verdict:?}");
    verdict
}

/// A file system of its own, as large as is asked for.
struct Disk(tempfile::TempDir);

impl Disk {
    fn new(size: &str) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let options = std::ffi::CString::new(format!("size={size}")).expect("no zero in it");
        let flags = MountFlags::empty();
        mount("tmpfs", dir.path(), "tmpfs", flags, options.as_c_str()).expect("mount a tmpfs");
        Self(dir)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Uses up all that is free.
    fn fill(&self) {
        let mut file = File::create(self.path("filler")).expect("make a file");
        let mut piece = vec![1; 64 << 10];
        while !piece.is_empty() {
            if file.write_all(&piece).is_err() {
                piece.truncate(piece.len() / 2);
            }
        }
    }

    fn free(&self) {
        fs::remove_file(self.path("filler")).expect("remove the file");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // What is still open there is closed with the process that has it open.
        let _ = unmount(self.0.path(), UnmountFlags::DETACH);
    }
}

/// The disk is full for a while: everything waits, and is written when there is space again.
fn a_full_disk_is_waited_for() {
    let mut scene = Scene::new();
    let disk = Disk::new("256k");
    let file = disk.path("a.tev");
    let mut recording = Recording::start(&scene.pair, &file, &[]);
    scene.connect();
    disk.fill();
    scene.connect_until_said(&mut recording, "cannot write to");
    recording.wait_said("No space left on device");
    scene.connect();
    demand_good(&file);
    disk.free();
    recording.wait_said("nothing was lost");
    scene.connect();
    let (code, said) = stop(recording);
    assert_eq!(code, Some(0), "{said:#?}");
    scene.judge(&[file], 0, true);
}

/// A limit of file sizes, whose signal would end any other program.
fn a_limit_is_outlived() {
    let mut scene = Scene::new();
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("a.tev");
    let mut recording = Recording::start(&scene.pair, &file, &[]);
    let limit = |recording: &Recording, bytes| {
        let limit = Rlimit {
            current: bytes,
            maximum: None,
        };
        prlimit(Some(recording.pid()), Resource::Fsize, limit).expect("set the agent's limit");
    };
    let length = fs::metadata(&file).expect("a file").len();
    limit(&recording, Some(length + 50));
    scene.connect_until_said(&mut recording, "cannot write to");
    recording.wait_said("ulimit -f");
    let verdict = demand_good(&file);
    assert_eq!(verdict.records, 0, "{verdict:?}");
    limit(&recording, None);
    recording.wait_said("nothing was lost");
    let (code, said) = stop(recording);
    assert_eq!(code, Some(0), "{said:#?}");
    scene.judge(&[file], 0, true);
}

/// Somebody removes the file: what was in it is gone, and said to be.
fn a_removed_file_is_followed_by_another() {
    let mut scene = Scene::new();
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("a.tev");
    let mut recording = Recording::start(&scene.pair, &file, &["--rotate", "1G"]);
    scene.connect();
    fs::remove_file(&file).expect("remove the file");
    scene.connect_until_said(&mut recording, "somebody has removed it");
    recording.wait_said("records are missing before this");
    let lost = scene.connections;
    scene.connect();
    let (code, said) = stop(recording);
    assert_eq!(code, Some(1), "{said:#?}");
    let next = dir.path().join("a.tev.000001");
    let verdict = demand_good(&next);
    assert_eq!(verdict.sealed.as_deref(), Some("ended"), "{verdict:?}");
    // Some connections may have come between the last frame and what was said.
    assert!(
        verdict.lost > 0 && verdict.lost <= lost * RECORDS,
        "{verdict:?}"
    );
    scene.judge(&[next], verdict.lost, false);
}

/// The files grow up to what they may take; tracing goes on, and what is missing is told.
fn the_files_take_no_more_than_they_may() {
    let mut scene = Scene::new();
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("a.tev");
    let mut recording = Recording::start(&scene.pair, &file, &["--max-size", "64K"]);
    scene.connect_until_said(&mut recording, "--max-size");
    scene.connect();
    let (code, said) = stop(recording);
    assert_eq!(code, Some(1), "{said:#?}");
    let length = fs::metadata(&file).expect("a file").len();
    assert!(length <= 64 << 10, "{length}");
    let verdict = demand_good(&file);
    assert_eq!(verdict.sealed.as_deref(), Some("ended"), "{verdict:?}");
    assert!(verdict.lost >= CHANGES, "{verdict:?}");
    scene.judge(&[file], verdict.lost, false);
}

/// Nothing that exists is replaced, followed or opened.
fn what_exists_is_left_alone() {
    let pair = Pair::new();
    let dir = tempfile::tempdir().expect("a directory");
    let at = |name: &str| dir.path().join(name);
    fs::write(at("file"), "mine").expect("write a file");
    symlink(at("elsewhere"), at("link")).expect("make a link");
    for (path, why) in [
        (at("file"), "it exists already"),
        (at("link"), "symbolic link"),
        (PathBuf::from("/dev/null"), "it exists already"),
        (at("nowhere/file"), "make its directory first"),
    ] {
        let ended = record(&pair, &path, &[]).output().expect("run the agent");
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(said.contains(why), "{}: {said}", path.display());
        assert_eq!(ended.status.code(), Some(2), "{said}");
    }
    assert_eq!(fs::read(at("file")).expect("read it"), b"mine");
    assert!(!at("elsewhere").exists());
}

/// The file is the invoking user's, and made with no more than that user's rights.
fn whoever_used_sudo_owns_the_evidence() {
    let pair = Pair::new();
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("a.tev");
    let run = |more: &[&str]| {
        let mut command = record(&pair, &file, more);
        command.env("SUDO_UID", NOBODY.to_string());
        command.env("SUDO_GID", NOBODY.to_string());
        command.output().expect("run the agent")
    };
    let ended = run(&["--duration", "100ms"]);
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(said.contains("Permission denied"), "{said}");
    assert_eq!(ended.status.code(), Some(3), "{said}");
    assert!(!file.exists());

    let mode = fs::Permissions::from_mode(0o777);
    fs::set_permissions(dir.path(), mode).expect("let everybody write there");
    let ended = run(&["--duration", "100ms"]);
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(0), "{said}");
    let about = fs::metadata(&file).expect("a file");
    assert_eq!((about.uid(), about.gid()), (NOBODY, NOBODY));
    assert_eq!(about.mode() & 0o7777, 0o600);
    assert!(demand_good(&file).whole);
}

/// Long after it gave up all privileges, the agent makes files for the invoking user, and removes them.
fn files_are_rotated_without_privileges() {
    let mut scene = Scene::new();
    let dir = tempfile::tempdir().expect("a directory");
    let mode = fs::Permissions::from_mode(0o777);
    fs::set_permissions(dir.path(), mode).expect("let everybody write there");
    let at = |name: &str| dir.path().join(name);
    let mut command = record(
        &scene.pair,
        &at("a.tev"),
        &["--rotate", "1s", "--keep", "2"],
    );
    command.env("SUDO_UID", NOBODY.to_string());
    command.env("SUDO_GID", NOBODY.to_string());
    let recording = Recording::begin(command, &at("a.tev"));
    let rotated = ask_until(|| {
        scene.connect();
        at("a.tev.000002").exists().then_some(())
    });
    assert!(rotated.is_some(), "no third file");
    let (code, said) = stop(recording);
    assert_eq!(code, Some(0), "{said:#?}");
    let mut files: Vec<PathBuf> = fs::read_dir(dir.path())
        .expect("a directory")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    assert!(files.len() == 2 && !at("a.tev").exists(), "{files:?}");
    for file in &files {
        let verdict = demand_good(file);
        let about = fs::metadata(file).expect("a file");
        assert_eq!((about.uid(), about.mode() & 0o7777), (NOBODY, 0o600));
        let end = if file == &files[1] {
            "ended"
        } else {
            "rotated"
        };
        assert_eq!(verdict.sealed.as_deref(), Some(end), "{verdict:?}");
    }
}
