//! Real files.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::*;
use crate::cli::record::Rotate;
use crate::store::error::{StoreError, Trouble};
use crate::store::file::EvidenceFile;
use crate::store::owner::Owner;

fn create(path: &Path, rotate: Option<Rotate>, keep: Option<u32>) -> Result<Recorder, StoreError> {
    let plan = RecordPlan {
        path: path.to_owned(),
        rotate,
        keep,
        max_size: None,
    };
    Recorder::create(&plan, &head(), |_: &str| {})
}

#[test]
fn nothing_that_exists_is_touched() {
    let dir = tempfile::tempdir().expect("a directory");
    let at = |name: &str| dir.path().join(name);
    fs::write(at("file"), "mine").expect("write a file");
    symlink(at("nowhere"), at("dangling")).expect("make a link");
    symlink(at("file"), at("link")).expect("make a link");
    mknodat(CWD, at("pipe"), FileType::Fifo, Mode::RWXU, 0).expect("make a pipe");
    fs::create_dir(at("dir")).expect("make a directory");
    for (name, why) in [
        ("file", "it exists already"),
        ("pipe", "it exists already"),
        ("dir", "it exists already"),
        ("link", "symbolic link"),
        ("dangling", "symbolic link"),
    ] {
        let said = create(&at(name), None, None).expect_err(name).to_string();
        assert!(said.contains(why), "{said}");
    }
    assert_eq!(fs::read(at("file")).expect("read it"), b"mine");
    assert!(!at("nowhere").exists());
    let said = create(&at("none/file"), None, None).expect_err("no directory");
    assert!(
        said.to_string().contains("make its directory first"),
        "{said}"
    );
}

#[test]
fn a_file_is_its_owners_alone() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("a.tev");
    let recorder = create(&path, None, None).expect("a recorder");
    let mode = fs::metadata(&path).expect("a file").permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    // It can be read from the first moment.
    let read = read(&[fs::read(&path).expect("read it")]);
    assert_eq!(read, [Entry::Head(Box::new(head()))]);
    drop(recorder);
}

#[test]
fn files_are_numbered_and_only_own_ones_are_removed() {
    let dir = tempfile::tempdir().expect("a directory");
    let at = |name: &str| dir.path().join(name);
    fs::write(at("a.tev.000002"), "mine").expect("write a file");
    let rotate = Rotate::Bytes(64 << 10);
    let mut recorder = create(&at("a.tev"), Some(rotate), Some(2)).expect("a recorder");
    for second in 1..30 {
        recorder.turn(&many(1500, ms(second * 2000).0));
        recorder.tick(ms(second * 2000));
        recorder.tick(ms(second * 2000 + 1000));
    }
    let outcome = recorder.finish(ms(99_000));
    assert!(outcome.is_whole, "{outcome:?}");
    let [first, second] = &outcome.files[..] else {
        panic!("not two files: {outcome:?}");
    };
    assert!(first < second && !at("a.tev").exists(), "{outcome:?}");
    assert_eq!(fs::read(at("a.tev.000002")).expect("read it"), b"mine");
    assert_eq!(fs::read_dir(dir.path()).expect("a directory").count(), 3);
    let files = [first, second].map(|path| fs::read(path).expect("read it"));
    let bytes: usize = files.iter().map(Vec::len).sum();
    assert_eq!(outcome.bytes, bytes as u64);
    read(&files);
}

#[test]
fn what_others_do_to_a_file_is_seen() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("a.tev");
    let mut file = EvidenceFile::create(&path, &Owner::find()).expect("a file");
    file.append(b"one").expect("to write");
    // More than was written is passed by: a reader finds the next frame behind it.
    let mut other = fs::OpenOptions::new()
        .append(true)
        .open(&path)
        .expect("open it");
    other.write_all(b"other").expect("to write");
    file.append(b"two").expect("to write");
    assert_eq!(fs::read(&path).expect("read it"), b"oneothertwo");
    assert_eq!(file.len(), 11);
    other.set_len(2).expect("cut it");
    assert!(matches!(file.append(b"three"), Err(Trouble::Cut)));
    fs::rename(&path, dir.path().join("b.tev")).expect("rename it");
    assert!(matches!(file.look(), Err(Trouble::Cut)));
    fs::remove_file(dir.path().join("b.tev")).expect("remove it");
    assert!(matches!(file.append(b"four"), Err(Trouble::Removed)));
}

#[test]
fn recording_goes_on_when_the_directory_vanishes_and_comes_back() {
    let dir = tempfile::tempdir().expect("a directory");
    let sub = dir.path().join("sub");
    fs::create_dir(&sub).expect("make a directory");
    let mut recorder = create(&sub.join("a.tev"), None, None).expect("a recorder");
    recorder.turn(&turn(&[ms(1).0]));
    recorder.tick(ms(1));
    recorder.tick(ms(1000));
    fs::remove_dir_all(&sub).expect("remove it");
    recorder.turn(&turn(&[ms(1500).0]));
    recorder.tick(ms(1500));
    recorder.tick(ms(2500));
    recorder.tick(ms(3500));
    assert!(!recorder.progress().is_writing);
    fs::create_dir(&sub).expect("make it again");
    recorder.tick(ms(4500));
    assert!(recorder.progress().is_writing);
    recorder.turn(&turn(&[ms(5000).0]));
    recorder.entry(&Entry::End(ms(5001)));
    let outcome = recorder.finish(ms(5001));
    assert!(!outcome.is_whole);
    assert_eq!((outcome.records, outcome.lost), (1, 2));
    let [path] = &outcome.files[..] else {
        panic!("not one file: {outcome:?}");
    };
    let (records, losses) = tell(&read(&[fs::read(path).expect("read it")]));
    assert_eq!((records, losses.len(), losses[0].lost), (1, 1, 2));
}

/// Says that the test runs alone in a process, whose limits are its own.
const ALONE: &str = "TRACER_TEST_ALONE";

/// A limit of file sizes ends a write in the middle of a frame, as a full disk does, and sends a signal that would
/// end the process.
#[test]
fn half_a_frame_is_taken_back_and_the_limits_signal_outlived() {
    if std::env::var_os(ALONE).is_none() {
        let this = std::env::current_exe().expect("the test's own name");
        let name = "store::tests::real::half_a_frame_is_taken_back_and_the_limits_signal_outlived";
        let ended = std::process::Command::new(this)
            .args(["--exact", name, "--nocapture"])
            .env(ALONE, "1")
            .output()
            .expect("start the test");
        let said = String::from_utf8_lossy(&ended.stdout);
        let said = format!("{said}{}", String::from_utf8_lossy(&ended.stderr));
        assert!(
            ended.status.success() && said.contains("1 passed"),
            "{}\n{said}",
            ended.status
        );
        return;
    }
    let limit = |bytes| {
        let before = getrlimit(Resource::Fsize);
        let new = Rlimit {
            current: bytes,
            ..before
        };
        setrlimit(Resource::Fsize, new).expect("set the limit");
    };
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("a.tev");
    let mut recorder = create(&path, None, None).expect("a recorder");
    recorder.turn(&turn(&[ms(1).0]));
    recorder.tick(ms(1));
    recorder.tick(ms(1000));
    let good = fs::read(&path).expect("read it");
    limit(Some(good.len() as u64 + 1000));
    recorder.turn(&many(1500, ms(2000).0));
    recorder.tick(ms(2000));
    recorder.tick(ms(3000));
    assert!(!recorder.progress().is_writing);
    assert_eq!(
        fs::read(&path).expect("read it"),
        good,
        "half a frame was left"
    );
    limit(None);
    recorder.tick(ms(4000));
    recorder.entry(&Entry::End(ms(5000)));
    let outcome = recorder.finish(ms(5000));
    assert!(outcome.is_whole, "{outcome:?}");
    let entries = read(&[fs::read(&path).expect("read it")]);
    assert_eq!(tell(&entries), (1501, Vec::new()));
}
