//! Bytes as a kernel gave them, and bytes as none would.

use std::net::IpAddr;

use proptest::prelude::*;

use super::*;

fn change(bytes: &[u8]) -> Result<StateChange, DecodeError> {
    match decode(bytes)? {
        Event::StateChange(change) => Ok(change),
        other => panic!("no state change: {other:?}"),
    }
}

/// A record of the first change of a connect, byte for byte as a 6.18 kernel gave it, but for
/// the socket's address.
#[cfg(target_endian = "little")]
const GOLDEN: [u8; STATE_CHANGE_SIZE] = [
    0x01, 0x00, 0x80, 0x00, // kind, size
    0x01, 0x00, 0x00, 0x00, // cpu
    0x4e, 0x61, 0xbc, 0x00, 0xe8, 0x03, 0x00, 0x00, // mono_ns
    0x00, 0x11, 0x22, 0x33, 0x81, 0x88, 0xff, 0xff, // socket
    0x2a, 0x10, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, // cookie
    0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, // cgroup
    0x7f, 0x00, 0x00, 0x80, // known
    0x98, 0x00, 0x00, 0xf0, // netns
    0xe8, 0x03, 0x00, 0x00, // uid
    0x46, 0x21, 0x00, 0x00, // tgid
    0x47, 0x21, 0x00, 0x00, // tid
    0x00, 0x00, 0x00, 0x00, // error
    0x07, 0x00, 0x02, 0x00, // old_state, new_state
    0x02, 0x00, 0x06, 0x00, // family, protocol
    0x00, 0x00, 0xbb, 0x01, // local_port, remote_port
    0x00, 0x00, 0x00, 0x00, // bound_port, reserved
    10, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // local_addr
    93, 184, 216, 34, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // remote_addr
    b'c', b'u', b'r', b'l', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // comm
];

#[test]
#[cfg(target_endian = "little")]
fn a_record_is_read_as_it_was_written() {
    let change = change(&GOLDEN).expect("a whole record");
    assert_eq!(change.at, MonoNs(0x03e8_00bc_614e));
    assert_eq!(change.cpu, 1);
    assert_eq!(change.socket, Socket(0xffff_8881_3322_1100));
    assert_eq!(change.cookie, Some(0x102a));
    assert_eq!(
        (change.from, change.to),
        (TcpState::Close, TcpState::SynSent)
    );
    assert_eq!(change.shown.remote_addr, IpAddr::from([93, 184, 216, 34]));
    assert_eq!(
        (change.shown.local_port, change.shown.remote_port),
        (0, 443)
    );
    assert_eq!(change.bound_port, Some(0));
    assert_eq!(change.netns, Some(0xf000_0098));
    assert_eq!((change.cgroup, change.uid), (Some(1), Some(1000)));
    assert_eq!(change.error, Some(CloseError(0)));
    assert_eq!((change.task.pid, change.task.tid), (8518, 8519));
    assert_eq!(change.task.comm.to_string(), "curl");
    assert_eq!(change.task_holds_socket, Some(true));
}

#[test]
#[cfg(target_endian = "little")]
fn a_followed_task_counts_only_where_it_uses_the_socket() {
    let followed = |flags: u32| {
        let mut bytes = GOLDEN;
        bytes[offset_of!(Record, known)..][..4].copy_from_slice(&flags.to_ne_bytes());
        change(&bytes).expect("a whole record").task_is_followed
    };
    let uses = known::LOCK_OWNER | known::HOLDS_SOCKET;
    assert!(followed(uses | known::FOLLOWED));
    assert!(!followed(uses), "it is another's");
    for less in [0, known::LOCK_OWNER, known::HOLDS_SOCKET] {
        assert!(!followed(less | known::FOLLOWED), "{less:#x}");
    }
}

#[test]
#[cfg(target_endian = "little")]
fn what_is_not_known_is_not_read() {
    let mut bytes = GOLDEN;
    bytes[offset_of!(Record, known)..][..4].fill(0);
    let change = change(&bytes).expect("a whole record");
    assert_eq!(
        (change.cookie, change.netns, change.cgroup),
        (None, None, None)
    );
    assert_eq!(
        (change.uid, change.error, change.bound_port),
        (None, None, None)
    );
    assert_eq!(
        change.task_holds_socket, None,
        "the answer alone says nothing"
    );
}

#[test]
#[cfg(target_endian = "little")]
fn every_other_length_is_refused() {
    for len in 0..STATE_CHANGE_SIZE {
        assert_eq!(
            decode(&GOLDEN[..len]),
            Err(DecodeError::Length {
                found: len,
                expected: STATE_CHANGE_SIZE,
            })
        );
    }
    let longer = [&GOLDEN[..], &[0]].concat();
    assert_eq!(
        decode(&longer),
        Err(DecodeError::Length {
            found: 129,
            expected: STATE_CHANGE_SIZE,
        })
    );
}

#[test]
#[cfg(target_endian = "little")]
fn a_field_that_holds_what_it_cannot_is_named() {
    let broken = |offset: usize, value: u16| {
        let mut bytes = GOLDEN;
        bytes[offset..][..2].copy_from_slice(&value.to_ne_bytes());
        decode(&bytes).expect_err("it is broken").to_string()
    };
    assert!(broken(0, 9).contains("`kind` at byte 0 holds 9"));
    assert!(broken(2, 64).contains("`size` at byte 2 holds 64"));
    assert!(broken(68, 1).contains("`family` at byte 68 holds 1"));
    assert!(
        broken(70, 132).contains("`protocol` at byte 70 holds 132"),
        "SCTP has other states"
    );
    assert!(broken(78, 1).contains("`incarnation` at byte 78 holds 1"));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(&bytes);
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn no_change_to_a_record_makes_it_or_its_reading_panic(
        at in 0..STATE_CHANGE_SIZE,
        byte: u8,
    ) {
        let mut bytes = GOLDEN;
        bytes[at] = byte;
        if let Ok(change) = change(&bytes) {
            let _ = (change.tuple(), change.task.comm.to_string(), change.to.to_string());
        }
    }
}

/// Puts other names everywhere.
#[cfg(target_endian = "little")]
fn rename(named: Named<'_>) {
    match named {
        Named::Address(IpAddr::V4(addr)) => *addr = [1, 2, 3, 4].into(),
        Named::Address(IpAddr::V6(addr)) => *addr = [5; 16].into(),
        Named::Task(comm) => comm.0 = *b"process-1\0secret",
        Named::Socket(socket) => socket.0 += 1,
        Named::Process(process) => process.exe = None,
    }
}

#[test]
#[cfg(target_endian = "little")]
fn only_what_names_something_is_rewritten() {
    let mut bytes = GOLDEN;
    bytes[112 + 5..].copy_from_slice(b"left behind");
    bytes[96 + 4] = 9;
    rewrite(&mut bytes, rename).expect("a whole record");
    let mut expected = GOLDEN;
    expected[16] += 1;
    expected[80..84].copy_from_slice(&[1, 2, 3, 4]);
    expected[96..100].copy_from_slice(&[1, 2, 3, 4]);
    expected[112..121].copy_from_slice(b"process-1");
    assert_eq!(bytes, expected);

    bytes[68] = 10;
    rewrite(&mut bytes, rename).expect("a whole record");
    assert_eq!(bytes[80..112], [5; 32]);
}

#[test]
#[cfg(target_endian = "little")]
fn a_record_that_cannot_be_read_is_not_written_either() {
    for (at, value) in [(0, 9), (2, 64), (68, 1), (78, 1)] {
        let mut bytes = GOLDEN;
        bytes[at] = value;
        let before = bytes;
        assert_eq!(
            rewrite(&mut bytes, |_| panic!("nothing is known in it")),
            decode(&before).map(drop)
        );
        assert_eq!(bytes, before);
    }
}
