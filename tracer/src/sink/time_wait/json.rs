//! The line `time_wait` of the schema `tracer/1`.
//!
//! It follows the line `session`, once for each interval that was asked for and once at the end.
//! Unknown is `null`. `…_ns` are nanoseconds, `…_per_s` events in a second; those with `_10s` over
//! the last ten whole seconds, the others since the beginning.
//!
//! | field | holds |
//! | --- | --- |
//! | `wall`, `mono_ns`, `duration_ns` | when; how long every change has been seen |
//! | `last` | whether the trace has ended |
//! | `method` | as `time_wait` of the session |
//! | `hz`, `usual_from_ns`, `usual_to_ns` | ticks of this kernel in a second; what its timer makes of the 60 s of TIME_WAIT, of any kernel where `hz` is `null` |
//! | `lost`, `evicted` | changes known to be lost; connections not followed to their end |
//! | `time_wait`, `fin_wait2` | timewait sockets in that state, as below |
//! | `rearmed`, `refused`, `no_port` | how often TIME_WAIT began anew, of connections that ended; connections that got no timewait socket (`tcp_max_tw_buckets`); connects that found no local port |
//! | `processes`, `local_ports`, `remotes`, `cgroups`, `namespaces` | TIME_WAIT by these: `{rows, rest}`, each with `now`, `found`, `entered`, `left` |
//! | `ports` | local ports in use towards each remote end, the most first |
//! | `port_ends`, `ports_unlisted` | how many such ends there are; connections in none of them |
//! | `settings` | what each network namespace allows |
//!
//! Of a state: `now`, `most`, `found`, `entered`, `left`, rates, `durations` with a `histogram`, and
//! `ends` by the words of a change's `end`; `went_on` from FIN_WAIT2 to TIME_WAIT; `unseen`, those
//! that were not seen to leave.
//!
//! `rest` is all that is not in `rows`: `keys` more, or more than that where `keys_exact` is false.
//! A local port is `{"kind": "listening", "port": 80}`, `chosen` by a connect, or `unknown`. Of a remote
//! end that connected to this host the port is left out.
//!
//! Of `ports`: `in_use` is `time_wait` and `otherwise` together; `unknown_origin` of them are held by
//! connections of which it is not known who opened them; `given` are those outside the range, beside
//! them. `outlook` is `levels_off`
//! (with `levels_off_at`), `runs_out` (with `runs_out_in_ns`), `exhausted`, `taken_over`
//! (`tcp_tw_reuse`), or `null`.
//!
//! ```json
#![doc = include_str!("../golden/time_wait.json")]
//! ```

mod values;

#[cfg(test)]
mod tests;

use super::View;
use crate::model::WallClock;
use crate::sink::clock::rfc3339;
use crate::sink::json_line::json_line;
use values::{CgroupKey, Held, Line, NetnsKey, list, local_port, port, process, remote, settings};

/// Encodes the figures as one line.
pub fn line(view: &View, wall: &WallClock) -> Vec<u8> {
    let report = view.report;
    json_line(&Line {
        r#type: "time_wait",
        wall: rfc3339(wall, report.at),
        mono_ns: report.at.0,
        duration_ns: report.duration_ns,
        last: view.is_last,
        method: view.method,
        hz: report.hz,
        usual_from_ns: report.timer_ns.0,
        usual_to_ns: report.timer_ns.1,
        lost: report.lost,
        evicted: view.evicted,
        time_wait: Held::of(report, &report.time_wait),
        fin_wait2: Held::of(report, &report.fin_wait2),
        rearmed: report.rearmed,
        refused: report.refused,
        no_port: report.no_port,
        processes: list(&report.processes, process),
        local_ports: list(&report.local_ports, local_port),
        remotes: list(&report.remotes, remote),
        cgroups: list(&report.cgroups, |&cgroup| CgroupKey {
            cgroup,
            path: cgroup.and_then(|id| view.cgroups.get(&id).cloned()),
        }),
        namespaces: list(&report.namespaces, |&netns| NetnsKey { netns }),
        ports: report.ports.iter().map(port).collect(),
        port_ends: report.port_ends,
        ports_unlisted: report.ports_unlisted,
        settings: report.settings.iter().map(settings).collect(),
    })
}
