//! The minute that all scenes share.
//!
//! **Owns:** the tracers, the witnesses, and the order of it all.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use tests::attempt::until_conclusive;
use tests::host::Host;
use tests::matcher::Story;
use tests::method::Method;
use tests::require_live;
use tests::trace::Trace;
use tests::tracer::{Hook, Tracer};
use tests::truth::Truth;
use tests::unseen::Unseen;
use tests::witness::Witness;

use super::stage::Stage;
use super::{NamedScene, crowd, early, expiry, half_open, older};

/// How often all of it is played where it cannot be judged.
const ATTEMPTS: usize = 5;

/// When nothing expires any more, or something is wrong: more than a minute and a slot of the timer
/// wheel, on a slow machine.
const LONGEST: Duration = Duration::from_secs(90);

/// What happened, and what was traced of it.
pub(super) struct Minute {
    truths: BTreeMap<&'static str, Result<Vec<Truth>, String>>,
    traces: BTreeMap<Method, Trace>,
    /// How late ticks were counted in it.
    ticks_late_ns: u64,
}

/// The scenes on their stage, and the crowd on one of its own.
type Both = [Result<Minute, String>; 2];

fn both() -> &'static Both {
    static BOTH: OnceLock<Both> = OnceLock::new();
    BOTH.get_or_init(|| {
        let scenes = [
            older::SCENES,
            expiry::SCENES,
            early::SCENES,
            half_open::SCENES,
        ];
        let scenes = scenes.concat();
        thread::scope(|scope| {
            let crowd = scope.spawn(|| until_undisturbed(crowd::SCENES, |_| ()));
            let scenes = until_undisturbed(&scenes, Stage::prepare);
            let crowd = crowd.join();
            [scenes, crowd.unwrap_or_else(|panic| Err(message(&*panic)))]
        })
    })
}

/// Judges a scene's part of a method's trace, where the kernel allows the method.
pub(super) fn with_trace(method: Method, scene: &str, judge: impl Fn(&[Truth], &mut Story<'_>)) {
    with(method, scene, |minute| {
        judge(minute.truths(scene), &mut Story::of(minute.trace(method)));
    });
}

/// Judges the minute in which a scene was played, where the kernel allows the method.
pub(super) fn with(method: Method, scene: &str, judge: impl Fn(&Minute)) {
    require_live!(Hook::Btf);
    if let Some(reason) = method.missing() {
        eprintln!("not run: {reason}");
        return;
    }
    let is_crowd = crowd::SCENES.iter().any(|(name, _)| *name == scene);
    let minute = both()[usize::from(is_crowd)].as_ref();
    let minute = minute.unwrap_or_else(|error| panic!("{error}"));
    until_conclusive(|| judge(minute));
}

impl Minute {
    /// Returns what happened in a scene.
    pub(super) fn truths(&self, scene: &str) -> &[Truth] {
        let truths = self.truths[scene].as_ref();
        truths.unwrap_or_else(|error| panic!("the scene failed: {error}"))
    }

    /// Returns what happened in all scenes.
    pub(super) fn all_truths(&self) -> impl Iterator<Item = &Truth> {
        self.truths.keys().flat_map(|scene| self.truths(scene))
    }

    /// Returns the methods that the kernel allows.
    pub(super) fn methods(&self) -> impl Iterator<Item = Method> {
        self.traces.keys().copied()
    }

    /// Returns how late ticks were counted in it: what is reckoned in ticks may be as wrong.
    pub(super) fn ticks_late_ns(&self) -> u64 {
        self.ticks_late_ns
    }

    /// Returns what a method traced.
    pub(super) fn trace(&self, method: Method) -> &Trace {
        &self.traces[&method]
    }
}

fn until_undisturbed(scenes: &[NamedScene], prepare: fn(&Stage)) -> Result<Minute, String> {
    for _ in 0..ATTEMPTS {
        let played = catch_unwind(|| play(scenes, prepare));
        if let Some(minute) = played.map_err(|panic| message(&*panic))? {
            return Ok(minute);
        }
    }
    Err(format!("no conclusion after {ATTEMPTS} attempts"))
}

/// Plays all of it; `None` where it cannot be judged, because something else happened than was meant
/// to, or the kernel left a tracer out.
fn play(scenes: &[NamedScene], prepare: fn(&Stage)) -> Option<Minute> {
    let stage = Stage::new();
    let unseen = Unseen::watch();
    prepare(&stage);
    let hosts = [&stage.pair.client, &stage.pair.server];
    let witnesses = hosts.map(Witness::of);
    let mut tracers: BTreeMap<Method, Tracer> = Method::ALL
        .into_iter()
        .filter(|method| method.missing().is_none())
        .map(|method| (method, start(method, &stage)))
        .collect();

    let mut truths = BTreeMap::new();
    for (name, scene) in scenes {
        let played = catch_unwind(AssertUnwindSafe(|| scene(&stage)));
        truths.insert(*name, played.map_err(|panic| message(&*panic)));
    }
    // What cannot be judged need not be waited for.
    let is_disturbed = stage.is_disturbed() || tracers.values_mut().any(Tracer::was_left_out);
    if !is_disturbed {
        hosts.into_iter().for_each(wait_all_gone);
    }
    let sightings = witnesses.map(Witness::dismiss);
    if is_disturbed {
        return None;
    }
    let longest_tick_ns = sightings.iter().map(|seen| seen.longest_tick_ns).max();
    let ticks_late_ns = longest_tick_ns.unwrap_or(0);
    for truth in truths.values_mut().flatten().flatten() {
        let of_client = truth.local.ip() == stage.pair.client.ipv4
            || truth.local.ip() == stage.pair.client.ipv6;
        truth.hear(&sightings[usize::from(!of_client)], ticks_late_ns);
    }

    for (method, tracer) in &mut tracers {
        let all = truths.values().flatten().flatten();
        let ended = all.filter(|truth| truth.has_ended() && truth.is_told_by(*method));
        tracer.wait_all_ended(ended.count());
    }
    let is_of_stage = |event: &String| stage.pair.is_told_in(event);
    let left_out =
        tracers.values_mut().any(Tracer::was_left_out) || unseen.events().iter().any(is_of_stage);
    let stopped = tracers
        .into_iter()
        .map(|(method, tracer)| (method, tracer.stop()));
    let minute = Minute {
        truths,
        traces: stopped.collect(),
        ticks_late_ns,
    };
    (!left_out).then_some(minute)
}

fn start(method: Method, stage: &Stage) -> Tracer {
    Tracer::watch(Hook::Btf, &stage.pair, &["--time-wait", method.name()])
}

/// Waits until a host has no timewait and no request socket any more.
fn wait_all_gone(host: &Host) {
    let deadline = Instant::now() + LONGEST;
    loop {
        let sockets = host.sockets();
        let mut hidden = sockets
            .iter()
            .filter(|socket| socket.timewait_left.is_some() || socket.state == "SYN_RECV");
        if hidden.next().is_none() {
            return;
        }
        assert!(Instant::now() < deadline, "some never end: {sockets:#?}");
        thread::sleep(Duration::from_millis(100));
    }
}

/// What a panic said.
fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()))
        .unwrap_or_else(|| "a panic without words".to_owned())
}
