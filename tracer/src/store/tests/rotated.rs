//! Recordings that go on in further files.

use std::time::Duration;

use super::shelf::full;
use super::*;
use crate::cli::record::Rotate;

fn rotating(rotate: Rotate, keep: Option<u32>) -> Scene {
    let mut scene = Scene::new(&RecordPlan {
        rotate: Some(rotate),
        keep,
        ..plan()
    });
    scene.recorder.entry(&namespaces());
    scene
        .recorder
        .entry(&Entry::Cgroups(vec![(3, "/a".to_owned())]));
    scene
        .recorder
        .entry(&Entry::Cgroups(vec![(4, "/b".to_owned())]));
    scene.recorder.entry(&Entry::Clock(clock(ms(5))));
    scene
}

#[test]
fn each_file_tells_by_itself_what_traced_and_goes_on_where_the_last_one_ended() {
    let mut scene = rotating(Rotate::Bytes(64 << 10), None);
    for second in 1..20 {
        scene.turn_at(&many(1500, ms(second * 1000).0), ms(second * 1000));
    }
    let (outcome, shelf, said) = scene.finish(ms(20_000));
    assert!(outcome.is_whole && said.is_empty(), "{outcome:?} {said:?}");
    let files = shelf.files();
    assert!(files.len() > 3, "{}", files.len());
    for file in &files[1..] {
        let entries = read(std::slice::from_ref(file));
        let both = Entry::Cgroups(vec![(3, "/a".to_owned()), (4, "/b".to_owned())]);
        assert_eq!(entries[0], Entry::Head(Box::new(head())));
        assert_eq!(
            entries[1..4],
            [namespaces(), both, Entry::Clock(clock(ms(5)))]
        );
    }
    // Read one behind the other, nothing is missing.
    assert_eq!(tell(&read(&files)), (19 * 1500, Vec::new()));
}

#[test]
fn a_file_may_be_too_old() {
    let mut scene = rotating(Rotate::Every(Duration::from_secs(60)), None);
    for minute in 0..3 {
        for second in [1, 30] {
            let at = ms((minute * 60 + second) * 1000);
            scene.turn_at(&turn(&[at.0]), at);
        }
    }
    // Nothing happens for hours; no empty files come of it.
    for minute in 3..300 {
        scene
            .recorder
            .entry(&Entry::Clock(clock(ms(minute * 60_000))));
        scene.recorder.tick(ms(minute * 60_000));
        scene.recorder.tick(ms(minute * 60_000 + 1000));
    }
    let (outcome, shelf, _) = scene.finish(ms(300 * 60_000));
    assert!(outcome.is_whole);
    assert_eq!(shelf.files().len(), 4);
    assert_eq!(tell(&read(&shelf.files())).0, 6);
}

#[test]
fn the_oldest_files_go() {
    let mut scene = rotating(Rotate::Bytes(64 << 10), Some(2));
    for second in 1..20 {
        scene.turn_at(&many(1500, ms(second * 1000).0), ms(second * 1000));
    }
    let (outcome, shelf, _) = scene.finish(ms(20_000));
    assert!(outcome.is_whole, "what was not to be kept is not missing");
    let files = shelf.files();
    assert_eq!(files.len(), 2);
    assert_eq!(outcome.records, 19 * 1500);
    assert!(tell(&read(&files)).0 < 19 * 1500);
}

#[test]
fn without_a_new_file_the_old_one_serves() {
    let mut scene = rotating(Rotate::Bytes(64 << 10), None);
    scene.shelf.refuse(true);
    for second in 1..10 {
        scene.turn_at(&many(1500, ms(second * 1000).0), ms(second * 1000));
    }
    assert_eq!(scene.shelf.files().len(), 1);
    let said = scene.said();
    assert!(
        said.len() == 1 && said[0].contains("recording goes on in a.tev"),
        "{said:?}"
    );
    scene.shelf.refuse(false);
    scene.turn_at(&many(1500, ms(10_000).0), ms(10_000));
    assert_eq!(scene.shelf.files().len(), 2);
    let (outcome, shelf, _) = scene.finish(ms(20_000));
    assert!(outcome.is_whole);
    assert_eq!(tell(&read(&shelf.files())), (10 * 1500, Vec::new()));
}

#[test]
fn a_disk_that_fills_up_in_a_new_file_loses_nothing_of_the_old_one() {
    let mut scene = rotating(Rotate::Bytes(64 << 10), None);
    let mut given = 0;
    for second in 1..40 {
        // Every third second nothing can be written.
        scene.shelf.fail((second % 3 == 0).then_some(full));
        scene.turn_at(&many(1500, ms(second * 2000).0), ms(second * 2000));
        given += 1500;
    }
    scene.shelf.fail(None);
    let (outcome, shelf, _) = scene.finish(ms(100_000));
    assert!(outcome.is_whole, "{outcome:?}");
    assert_eq!(tell(&read(&shelf.files())), (given, Vec::new()));
}

#[test]
fn a_file_that_cannot_be_sealed_is_gone_on_with() {
    let mut scene = rotating(Rotate::Bytes(64 << 10), None);
    scene.shelf.fail_when_prepared(true);
    for second in 1..10 {
        scene.turn_at(&many(1500, ms(second * 1000).0), ms(second * 1000));
        assert!(!scene.shelf.is_prepared(), "an empty file was left");
    }
    assert_eq!(scene.shelf.files().len(), 1);
    scene.shelf.fail_when_prepared(false);
    scene.shelf.fail(None);
    scene.recorder.tick(ms(12_000));
    scene.turn_at(&many(1500, ms(13_000).0), ms(13_000));
    let (outcome, shelf, _) = scene.finish(ms(20_000));
    assert!(outcome.is_whole);
    assert!(shelf.files().len() > 1);
    assert_eq!(tell(&read(&shelf.files())), (10 * 1500, Vec::new()));
}
