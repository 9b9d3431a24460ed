//! `--names`: the same states by the names of another tool.

use tests::host::Pair;
use tests::tracer::{Hook, Tracer};
use tests::traffic::Connection;

btf_only!(each_tool_has_its_own_names);

fn each_tool_has_its_own_names() {
    let pair = Pair::new();
    let listener = pair.server.listen(8000, 4);
    let cases = [
        (
            "netstat",
            "CLOSE SYN_SENT ESTABLISHED FIN_WAIT1 FIN_WAIT2 CLOSE",
        ),
        ("ss", "UNCONN SYN-SENT ESTAB FIN-WAIT-1 FIN-WAIT-2 UNCONN"),
        (
            "rfc",
            "CLOSED SYN-SENT ESTABLISHED FIN-WAIT-1 FIN-WAIT-2 CLOSED",
        ),
    ];
    let tracers = cases
        .map(|(names, _)| Tracer::watch(Hook::Btf, &pair, &["--names", names, "--rport", "8000"]));
    Connection::open(&pair, &listener).close_client_first(&pair);
    for (mut tracer, (names, states)) in tracers.into_iter().zip(cases) {
        tracer.wait_ended(1);
        let trace = tracer.stop();
        trace.demand_whole();
        let first = trace.changes().next().and_then(|one| one.from.as_deref());
        let entered = trace.changes().map(|one| one.to.as_str());
        let said: Vec<&str> = first.into_iter().chain(entered).collect();
        assert_eq!(said.join(" "), states, "{names}\n{trace}");
        let timeline = trace.timelines().next().expect("a timeline");
        let segments: Vec<&str> = timeline
            .segments
            .iter()
            .map(|one| one.state.as_str())
            .collect();
        assert_eq!(segments, said[1..said.len() - 1], "{names}\n{trace}");
        for state in trace.summary().states.keys() {
            assert!(segments.contains(&state.as_str()), "{state}\n{trace}");
        }
    }
}
