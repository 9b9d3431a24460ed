//! `show --redact`, from outside: the same connections, and no name in any form of output.

use std::fs;
use std::process::Command;

use tracer::evidence::{Closing, Entry, Head, Sealed, TimeZoneOf, Turn, User, Writer};
use tracer::model::{Batch, MonoNs};

const REMOTE: [u8; 4] = [93, 184, 216, 34];

fn head() -> Head {
    let clock = tracer::evidence::Clock {
        mono: MonoNs(1_000_000_000),
        wall_ns: 1_790_000_000_000_000_000,
        suspended_ns: 0,
    };
    Head {
        tracer: "0.1.0".to_owned(),
        abi: 2,
        kernel: "6.12.117-quagga".to_owned(),
        machine: "x86_64".to_owned(),
        boot_id: Some("quagga".to_owned()),
        secret: Some("quagga".to_owned()),
        hostname: "quagga".to_owned(),
        build_id: None,
        hook: "tp_btf".to_owned(),
        time_wait: "fentry".to_owned(),
        half_open: "fentry".to_owned(),
        sees_silent_rearms: false,
        tells_resets: false,
        reset_reasons: Default::default(),
        hz: None,
        missing: vec!["the cgroup of quagga".to_owned()],
        notes: vec!["cannot look into /run/netns/quagga".to_owned()],
        privileges: None,
        filters: vec!["--comm".to_owned(), "quagga".to_owned()],
        netns: Vec::new(),
        command: Vec::new(),
        user: User { uid: 0, name: None },
        start: clock.mono,
        clock,
        zone: TimeZoneOf {
            iana: None,
            offset_s: 0,
        },
        ring_bytes: 8 << 20,
        max_connections: 100,
        hold_ns: 50_000_000,
        redacted: false,
    }
}

/// A connect of a process that uses its socket, as the kernel side writes it.
fn record(kind: u16) -> Vec<u8> {
    let mut bytes = vec![0; 128];
    let mut put = |at: usize, value: &[u8]| bytes[at..][..value.len()].copy_from_slice(value);
    let (lock_owner, holds_socket) = (1_u32 << 4, 1_u32 << 31);
    put(0, &kind.to_ne_bytes());
    put(2, &128_u16.to_ne_bytes());
    put(8, &2_000_000_000_u64.to_ne_bytes());
    put(16, &0xffff_8881_3322_1100_u64.to_ne_bytes());
    put(40, &(lock_owner | holds_socket).to_ne_bytes());
    put(52, &77_u32.to_ne_bytes());
    put(64, &[7, 0, 2, 0, 2, 0, 6, 0]);
    put(74, &443_u16.to_ne_bytes());
    put(80, &[10, 0, 0, 5]);
    put(96, &REMOTE);
    put(112, b"quagga");
    bytes
}

fn evidence(records: &[Vec<u8>]) -> Vec<u8> {
    let mut batch = Batch::default();
    records.iter().for_each(|record| batch.push(record));
    let turn = Turn {
        batch,
        emptied: true,
        timeout: Some(MonoNs(3_000_000_000)),
        ..Turn::default()
    };
    let closing = Closing {
        at: MonoNs(4_000_000_000),
        counters: Vec::new(),
        not_followed: 0,
    };
    let mut writer = Writer::new(&head(), None);
    for entry in [
        Entry::Head(Box::new(head())),
        Entry::ExistingComplete,
        Entry::Turn(turn),
        Entry::Closing(closing),
        Entry::End(MonoNs(5_000_000_000)),
    ] {
        writer.entry(&entry);
    }
    let mut file = writer.cut().to_vec();
    writer.written();
    file.extend_from_slice(writer.seal(Sealed::Ended));
    file
}

/// What is written, both ways, and the exit code.
fn show(records: &[Vec<u8>], options: &[&str]) -> (String, String, Option<i32>) {
    let place = tempfile::tempdir().expect("a directory");
    let file = place.path().join("a.tev");
    fs::write(&file, evidence(records)).expect("a file");
    let output = Command::new(env!("CARGO_BIN_EXE_tracer"))
        .arg("show")
        .args(options)
        .arg(&file)
        .output()
        .expect("the agent runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (
        text(output.stdout),
        text(output.stderr),
        output.status.code(),
    )
}

#[test]
#[cfg(target_endian = "little")]
fn no_form_of_output_tells_a_name() {
    for form in [&["--json"][..], &["--csv"], &["-v"], &["--raw", "--json"]] {
        let (plain, ..) = show(&[record(1)], form);
        assert!(plain.contains("quagga") && plain.contains("93.184.216.34"));
        let redact = [form, &["--redact"]].concat();
        let (redacted, said, code) = show(&[record(1)], &redact);
        assert_eq!((said.as_str(), code), ("", Some(0)));
        for name in ["quagga", "93.184.216.34"] {
            assert!(!redacted.contains(name), "{form:?}: {redacted}");
        }
        // The filter that was recorded chooses the same connection.
        assert!(redacted.contains("process-"), "{redacted}");
        assert_eq!(
            redacted.lines().count(),
            plain.lines().count() + usize::from(form == ["-v"])
        );
        assert_eq!(show(&[record(1)], &redact).0, redacted, "in every run");
    }
}

#[test]
#[cfg(target_endian = "little")]
fn filters_are_typed_with_the_names_that_are_known() {
    let changes = |option, value| {
        let (lines, ..) = show(&[record(1)], &["--json", "--redact", option, value]);
        assert!(
            !lines.contains("quagga") && !lines.contains("93.184"),
            "{lines}"
        );
        lines.matches("\"type\":\"change\"").count()
    };
    assert_eq!(changes("--comm", "quagga"), 1);
    assert_eq!(changes("--raddr", "93.184.216.0/24"), 1);
    assert_eq!(changes("--raddr", "93.185.0.0/16"), 0);
}

#[test]
#[cfg(target_endian = "little")]
fn what_cannot_be_redacted_is_left_out_and_said() {
    let (lines, said, code) = show(&[record(9), record(1)], &["--json", "--redact"]);
    assert_eq!(lines.matches("\"type\":\"change\"").count(), 1);
    assert!(said.contains("1 record left out"), "{said}");
    assert_eq!(code, Some(1));
}
