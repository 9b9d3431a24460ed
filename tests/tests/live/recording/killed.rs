//! Agents that are killed while they record.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::{env, thread};

use tests::clock::now;
use tests::recording::{Recording, show};

use super::{CHANGES, Scene, demand_good, losses};

btf_only!(a_killed_agent_leaves_all_but_its_last_second);

/// How many agents stand side by side.
const AT_ONCE: usize = 8;
/// A second, and what a busy machine may keep an agent waiting.
const LAST_NS: u64 = 1_500_000_000;

/// The agent is killed again and again, at any moment: nothing but its last second is missing.
///
/// `TRACER_KILLS` says how often.
fn a_killed_agent_leaves_all_but_its_last_second() {
    let kills = env::var("TRACER_KILLS").map_or(AT_ONCE, |kills| kills.parse().expect("a number"));
    let dir = tempfile::tempdir().expect("a directory");
    let mut judged = 0;
    for round in 0..usize::div_ceil(kills, AT_ONCE) {
        let mut scene = Scene::new();
        let paths: Vec<PathBuf> = (0..AT_ONCE)
            .map(|one| dir.path().join(format!("{round}-{one}.tev")))
            .collect();
        let recordings: Vec<Recording> = paths
            .iter()
            .map(|path| Recording::start(&scene.pair, path, &[]))
            .collect();
        let is_over = AtomicBool::new(false);
        // For each connection, when it was over; and for each agent, when it was killed.
        let (over, killed) = thread::scope(|scope| {
            let killers: Vec<_> = recordings
                .into_iter()
                .map(|recording| {
                    scope.spawn(move || {
                        // Any moment: at first nothing but the beginning is due yet.
                        thread::sleep(Duration::from_millis(chance() % 3000));
                        recording.kill();
                        now()
                    })
                })
                .collect();
            let traffic = scope.spawn(|| {
                let mut over = Vec::new();
                while !is_over.load(Ordering::Relaxed) {
                    scene.connect();
                    over.push(now());
                }
                over
            });
            let killed: Vec<u64> = killers
                .into_iter()
                .map(|killer| killer.join().expect("a kill"))
                .collect();
            is_over.store(true, Ordering::Relaxed);
            (traffic.join().expect("connections"), killed)
        });
        for (path, killed) in paths.iter().zip(killed) {
            let verdict = demand_good(path);
            assert_eq!(verdict.sealed, None, "{verdict:?}");
            let due = over
                .iter()
                .filter(|&&over| over + LAST_NS <= killed)
                .count() as u64;
            let (lines, code) = show(std::slice::from_ref(path));
            assert_eq!(code, Some(1), "the trace has no end");
            if losses(&lines, "recursion").0 > 0 {
                // The kernel itself kept changes from this one.
                continue;
            }
            assert!(
                verdict.records >= due * CHANGES,
                "{} records; {due} connections were over in time: {verdict:?}",
                verdict.records
            );
            judged += due;
        }
    }
    assert!(judged > 0, "nothing was due: nothing was tested");
}

/// A number that nobody chose: what keys the standard library's maps.
fn chance() -> u64 {
    use std::hash::{BuildHasher as _, RandomState};
    RandomState::new().hash_one(0)
}
