//! How old timewait sockets are, held against the times at which each test made them.

use tracer::model::Existing;
use tracer::source::clock::boot_time;
use tracer::source::preflight::{KernelRelease, kernel_release};
use tracer::source::timewait_ages;

use super::asking::{close, timewait};
use super::place::{Place, can_run};

/// The kernel that began to keep it.
const KEPT_SINCE: KernelRelease = KernelRelease {
    major: 6,
    minor: 14,
};

#[test]
fn the_age_of_a_timewait_socket_is_known_where_the_kernel_keeps_it() {
    if !can_run() {
        return;
    }
    let places = [Place::new(), Place::new()];
    let mut made = Vec::new();
    let mut existing: Vec<Existing> = Vec::new();
    for (place, addr) in places.iter().zip(["127.0.0.1:0", "[::1]:0"]) {
        let (listener, addr) = place.listen(addr);
        for _ in 0..2 {
            let (client, server) = place.connect(&listener, addr);
            let port = client.local_addr().expect("a name").port();
            let before = boot_time();
            close((client, server));
            made.push((port, before, boot_time()));
        }
        existing.extend(timewait(place, 2));
    }
    let namespaces = places.each_ref().map(|place| place.netns.clone());
    let notes = timewait_ages::fill(&mut existing, &namespaces);

    assert_eq!(existing.len(), 4);
    let kept = kernel_release().expect("a release") >= KEPT_SINCE;
    if !kept {
        assert!(existing.iter().all(|one| one.age_ns.is_none()));
        assert!(
            matches!(&notes[..], [note] if note.contains("6.14")),
            "{notes:?}"
        );
        return;
    }
    assert_eq!(notes, Vec::<String>::new());
    for one in &existing {
        let port = one.tuple.local.port.expect("a port");
        let (_, before, after) = made
            .iter()
            .find(|made| made.0 == port)
            .expect("it was made");
        let age_ns = one.age_ns.expect("its age");
        let entered = one.at.0 - age_ns;
        assert!(entered + 1_000_000 >= before.0, "{entered} {before:?}");
        assert!(entered <= after.0, "{entered} {after:?}");
    }
}

#[test]
fn where_there_is_no_timewait_socket_nothing_is_asked() {
    assert_eq!(timewait_ages::fill(&mut [], &[]), Vec::<String>::new());
}
