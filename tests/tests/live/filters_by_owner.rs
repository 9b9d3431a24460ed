//! Filters by whose socket it is: process, name, user, cgroup. What is decided late must not cut off
//! what came before.

use tests::cgroup::Cgroup;
use tests::host::Pair;
use tests::require::skip;
use tests::tracer::Hook;

use super::filters::{Ledger, judge, strings};
use super::two_processes::TwoProcesses;

btf_only!(processes_and_names, users, cgroups);

/// Traces one connection that the client closes first, once for each filter.
fn judge_one(pair: &Pair, two: &mut TwoProcesses<'_>, cases: &[(&[&str], &'static str)]) {
    let only = Hook::Btf.only(pair);
    let cases: Vec<_> = cases
        .iter()
        .map(|(args, expected)| {
            (
                only.iter().cloned().chain(strings(args)).collect(),
                *expected,
            )
        })
        .collect();
    judge(Hook::Btf, &cases, || {
        let mut ledger = Ledger::default();
        ledger.add(two.close_client_first());
        ledger
    });
}

/// A server's end has an owner only when that closes it.
fn processes_and_names() {
    let pair = Pair::new();
    let mut two = TwoProcesses::start(&pair);
    two.client.tell("name tst-client");
    two.server.tell("name tst-server");
    two.listen();
    let (client, server) = (two.client.pid().to_string(), two.server.pid().to_string());
    judge_one(
        &pair,
        &mut two,
        &[
            (&["--pid", &client], "c1"),
            (&["--pid", &server], "s1"),
            (&["--pid", "1"], ""),
            (&["--comm", "tst-client"], "c1"),
            (&["--comm", "tst-server"], "s1"),
            (&["--comm", "tst"], ""),
        ],
    );
}

/// The listener is root's; who accepts becomes another user before it does, and the socket with
/// it.
fn users() {
    let pair = Pair::new();
    let mut two = TwoProcesses::start(&pair);
    two.listen();
    two.client.tell("user 65501");
    two.server.tell("user 65502");
    judge_one(
        &pair,
        &mut two,
        &[
            (&["--uid", "65501"], "c1"),
            (&["--uid", "65502"], "s1"),
            (&["--uid", "65503"], ""),
        ],
    );
}

/// A cgroup shows what is in the ones below it too.
fn cgroups() {
    let Some(outer) = Cgroup::new() else {
        skip("no cgroup of version 2 can be made: none is mounted, or not to be written");
        return;
    };
    let inner = outer.inner();
    let pair = Pair::new();
    let mut two = TwoProcesses::start(&pair);
    outer.enter(two.client.pid());
    inner.enter(two.server.pid());
    two.listen();
    let paths = [&outer, &inner].map(|cgroup| cgroup.path().display().to_string());
    let ids = [&outer, &inner].map(|cgroup| cgroup.id().to_string());
    judge_one(
        &pair,
        &mut two,
        &[
            (&["--cgroup", &paths[0]], "c1 s1"),
            (&["--cgroup", &paths[1]], "s1"),
            (&["--cgroup", &ids[0]], "c1 s1"),
            (&["--cgroup", &ids[1]], "s1"),
        ],
    );
}
