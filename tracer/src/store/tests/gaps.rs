//! What becomes of records while the disk takes nothing.

use super::shelf::full;
use super::*;
use crate::store::error::Trouble;

#[test]
fn a_record_is_on_disk_within_a_second() {
    let mut scene = Scene::new(&plan());
    assert_eq!(scene.recorder.next_deadline(), None);
    let empty = scene.shelf.files();
    scene.recorder.turn(&turn(&[START.0 + 1]));
    scene.recorder.tick(ms(1));
    let due = scene.recorder.next_deadline().expect("something waits");
    assert!(due > ms(500) && due < ms(1000), "{due:?}");
    scene.recorder.tick(MonoNs(due.0 - 1));
    assert_eq!(scene.shelf.files(), empty);
    scene.recorder.tick(due);
    assert_eq!(tell(&read(&scene.shelf.files())).0, 1);
    assert_eq!(scene.recorder.next_deadline(), None);
    assert_eq!(scene.recorder.progress().records, 1);
}

#[test]
fn many_records_do_not_wait() {
    let mut scene = Scene::new(&plan());
    scene.recorder.turn(&many(10_000, START.0 + 1));
    scene.recorder.tick(ms(1));
    assert_eq!(tell(&read(&scene.shelf.files())).0, 10_000);
}

#[test]
fn a_whole_recording_is_sealed_and_says_so() {
    let mut scene = Scene::new(&plan());
    scene.recorder.entry(&Entry::ExistingComplete);
    scene.recorder.turn(&turn(&[START.0 + 1, START.0 + 2]));
    let (outcome, shelf, said) = scene.finish(ms(5));
    assert!(outcome.is_whole && said.is_empty(), "{outcome:?} {said:?}");
    assert_eq!((outcome.records, outcome.lost), (2, 0));
    let entries = read(&shelf.files());
    assert_eq!(entries.last(), Some(&Entry::End(ms(5))));
}

#[test]
fn what_fits_into_memory_waits_for_the_disk() {
    let mut scene = Scene::new(&plan());
    scene.turn_at(&turn(&[START.0 + 1]), ms(1));
    scene.shelf.fail(Some(full));
    scene.turn_at(&turn(&[START.0 + 2]), ms(2000));
    let said = scene.said();
    assert!(
        said.len() == 1
            && said[0].contains("cannot write to a.tev")
            && said[0].contains("tracing goes on"),
        "{said:?}"
    );
    // However long it lasts, and whatever comes: said once.
    for second in 3..60 {
        scene
            .recorder
            .entry(&Entry::Clock(clock(ms(second * 1000))));
        scene.turn_at(&turn(&[START.0 + second]), ms(second * 1000));
    }
    assert_eq!(scene.said().len(), 1);
    assert!(!scene.recorder.progress().is_writing);
    scene.shelf.fail(None);
    scene.recorder.tick(ms(70_000));
    assert_eq!(scene.said().len(), 2);
    assert!(
        scene.said()[1].contains("nothing was lost"),
        "{:?}",
        scene.said()
    );
    let (outcome, shelf, _) = scene.finish(ms(71_000));
    assert!(outcome.is_whole, "{outcome:?}");
    assert_eq!(tell(&read(&shelf.files())), (59, Vec::new()));
}

#[test]
fn what_does_not_fit_is_a_loss_in_its_place() {
    let mut scene = Scene::new(&plan());
    scene.turn_at(&turn(&[START.0 + 1]), ms(1));
    scene.shelf.fail(Some(full));
    let mut given = 1;
    for second in 2..30 {
        scene.turn_at(&many(10_000, ms(second * 1000).0), ms(second * 1000));
        given += 10_000;
    }
    assert!(scene.recorder.progress().lost > 0);
    scene.shelf.fail(None);
    scene.recorder.tick(ms(40_000));
    scene.turn_at(&turn(&[ms(41_000).0]), ms(41_000));
    given += 1;
    let said = scene.said();
    let (outcome, shelf, _) = scene.finish(ms(42_000));
    let entries = read(&shelf.files());
    let (records, losses) = tell(&entries);
    let [loss] = losses[..] else {
        panic!("not one loss: {losses:?}");
    };
    assert_eq!(records + loss.lost, given);
    assert_eq!((outcome.records, outcome.lost), (records, loss.lost));
    assert!(!outcome.is_whole);
    assert!(
        said[1].contains(&format!("{} records are missing", loss.lost)),
        "{said:?}"
    );
    assert_eq!(loss.until, ms(29_000));
    // All that was kept is older than the loss, and what came after it is behind it.
    let place = entries.iter().position(|entry| match entry {
        Entry::Turn(turn) => turn.losses.contains(&loss),
        _ => false,
    });
    let (before, after) = entries.split_at(place.expect("the loss"));
    let last = before.iter().rev().find_map(|entry| match entry {
        Entry::Turn(turn) => turn.batch.last_at(),
        _ => None,
    });
    assert!(last < Some(loss.since), "{last:?} {loss:?}");
    assert_eq!(tell(after).0, 1);
}

#[test]
fn a_disk_that_stays_full_leaves_evidence_unsealed_and_what_waited_is_lost() {
    let mut scene = Scene::new(&plan());
    scene.turn_at(&turn(&[START.0 + 1]), ms(1));
    scene.shelf.fail(Some(full));
    scene.turn_at(&turn(&[START.0 + 2, START.0 + 3]), ms(2000));
    scene.recorder.turn(&turn(&[START.0 + 4]));
    let (outcome, shelf, said) = scene.finish(ms(5000));
    assert!(!outcome.is_whole);
    assert_eq!((outcome.records, outcome.lost), (1, 3));
    assert!(
        said.last().is_some_and(|said| said.contains("cannot seal")),
        "{said:?}"
    );
    assert_eq!(tell(&read(&shelf.files())).0, 1);
}

#[test]
fn a_removed_file_is_followed_by_another_which_says_what_is_missing() {
    for trouble in [|| Trouble::Removed, || Trouble::Cut] {
        let mut scene = Scene::new(&plan());
        scene.recorder.entry(&namespaces());
        scene.turn_at(&turn(&[ms(1).0, ms(2).0]), ms(3));
        scene.shelf.fail(Some(trouble));
        scene.shelf.refuse(true);
        scene.recorder.turn(&turn(&[ms(2000).0]));
        scene.recorder.tick(ms(2001));
        scene.recorder.tick(ms(3000));
        // No new file yet.
        assert_eq!(scene.shelf.files().len(), 1);
        scene.shelf.fail(None);
        scene.shelf.refuse(false);
        scene.recorder.tick(ms(9000));
        scene.turn_at(&turn(&[ms(9001).0]), ms(9001));
        let said = scene.said();
        assert!(said[0].contains("3 records are lost with it"), "{said:?}");
        let (outcome, shelf, _) = scene.finish(ms(9999));
        assert!(!outcome.is_whole);
        assert_eq!((outcome.records, outcome.lost), (1, 3));

        let files = shelf.files();
        let entries = read(&files[1..]);
        assert!(
            matches!(entries[..2], [Entry::Head(_), Entry::Namespaces(_)]),
            "{entries:?}"
        );
        let (records, losses) = tell(&entries);
        assert_eq!((records, losses.len(), losses[0].lost), (1, 1, 3));
        assert!(
            losses[0].since <= ms(1) && losses[0].until >= ms(2000),
            "{losses:?}"
        );
    }
}

#[test]
fn the_files_never_take_more_than_they_may_and_say_what_is_missing() {
    let most = 256 << 10;
    let mut scene = Scene::new(&RecordPlan {
        max_size: Some(most),
        ..plan()
    });
    let mut given = 0;
    for second in 1..30 {
        scene.turn_at(&many(1500, ms(second * 1000).0), ms(second * 1000));
        given += 1500;
    }
    assert_eq!(scene.recorder.next_deadline(), None);
    let said = scene.said();
    assert!(
        said.len() == 1 && said[0].contains("--max-size"),
        "{said:?}"
    );
    let (outcome, shelf, _) = scene.finish(ms(31_000));
    assert!(!outcome.is_whole && outcome.bytes <= most, "{outcome:?}");
    let entries = read(&shelf.files());
    let (records, losses) = tell(&entries);
    assert!(records > 1000 && losses.len() == 1, "{records} {losses:?}");
    assert_eq!(records + losses[0].lost, given);
    assert_eq!((outcome.records, outcome.lost), (records, losses[0].lost));
    assert_eq!(entries.last(), Some(&Entry::End(ms(31_000))));
    // It is sealed: a byte more would be damage, a seal is none.
    assert_eq!(shelf.files()[0].len() as u64, outcome.bytes);
}

/// A loss of the kernel's, as a turn tells it.
fn with_loss(turn: Turn, lost: u64, at: MonoNs) -> Turn {
    Turn {
        losses: vec![Loss {
            beside: 0,
            cause: LossCause::RingFull { cpu: 0 },
            lost,
            since: at,
            until: at,
        }],
        ..turn
    }
}

#[test]
fn a_loss_that_is_lost_counts_on() {
    let mut scene = Scene::new(&plan());
    scene.turn_at(&with_loss(turn(&[ms(2).0]), 40, ms(1)), ms(3));
    // A gap, and what it lost.
    scene.shelf.fail(Some(full));
    let mut given = 1;
    for second in 2..12 {
        scene.turn_at(&many(10_000, ms(second * 1000).0), ms(second * 1000));
        given += 10_000;
    }
    scene.shelf.fail(None);
    scene.recorder.tick(ms(13_000));
    let lost = scene.recorder.progress().lost;
    assert!(lost > 0);
    // Then the file goes, with what it told.
    scene.shelf.fail(Some(|| Trouble::Removed));
    scene.shelf.refuse(true);
    scene.turn_at(&turn(&[ms(14_000).0]), ms(14_000));
    scene.shelf.fail(None);
    scene.shelf.refuse(false);
    scene.recorder.tick(ms(20_000));
    let (outcome, shelf, _) = scene.finish(ms(21_000));
    let (records, losses) = tell(&read(&shelf.files()[1..]));
    assert_eq!((records, losses.len()), (0, 1));
    assert_eq!(losses[0].lost, given + 1 + 40);
    assert_eq!((outcome.records, outcome.lost), (0, losses[0].lost));
    assert!(losses[0].since <= ms(1), "{losses:?}");
}

#[test]
fn a_trace_that_outgrows_the_files_with_its_last_turn_still_has_an_end() {
    let counters = |count: u32| {
        let names = (0..count).map(|n| {
            (
                format!("Tcp.{n}"),
                u64::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15),
            )
        });
        Entry::Closing(Closing {
            at: ms(2),
            counters: vec![Reading {
                netns: 1,
                before: ms(1),
                after: ms(2),
                counters: names.collect(),
            }],
            not_followed: 0,
        })
    };
    // Those of one namespace have room in what was kept free; those of a thousand do not.
    for (count, has_room) in [(300, true), (30_000, false)] {
        let most = 128 << 10;
        let mut scene = Scene::new(&RecordPlan {
            max_size: Some(most),
            ..plan()
        });
        scene.recorder.turn(&many(1500, ms(1).0));
        scene.recorder.tick(ms(1));
        scene.recorder.tick(ms(1000));
        scene
            .recorder
            .turn(&with_loss(many(9000, ms(1001).0), 7, ms(1001)));
        let closing = counters(count);
        scene.recorder.entry(&closing);
        let (outcome, shelf, _) = scene.finish(ms(1002));
        assert!(!outcome.is_whole && outcome.bytes <= most, "{outcome:?}");
        let entries = read(&shelf.files());
        let (records, losses) = tell(&entries);
        assert_eq!((records, losses.len()), (1500, 1));
        assert_eq!((losses[0].lost, outcome.lost), (9007, 9007));
        assert_eq!(entries.contains(&closing), has_room);
        assert_eq!(entries.last(), Some(&Entry::End(ms(1002))));
    }
}

#[test]
fn a_trace_that_breaks_off_leaves_what_it_took_in() {
    let mut scene = Scene::new(&plan());
    scene.recorder.turn(&turn(&[ms(1).0]));
    scene.recorder.tick(ms(1));
    drop(scene.recorder);
    assert_eq!(tell(&read(&scene.shelf.files())).0, 1);
}
