//! Which method is chosen, and what is said where one cannot be had.

use tests::method::Method;
use tests::require_live;
use tests::schema::Session;
use tests::tracer::{Hook, Tracer, command};

/// Starts a trace that may choose, and returns what it chose.
fn chosen(hook: Hook, more: &[&str]) -> Session {
    let args = [&["--time-wait", "auto"], more].concat();
    let trace = Tracer::start(hook, &args).stop();
    trace.session().clone()
}

#[test]
fn the_most_exact_one_that_the_kernel_allows() {
    require_live!(Hook::Btf);
    let session = chosen(Hook::Btf, &[]);
    let best = Method::ALL
        .into_iter()
        .find(|method| method.missing().is_none())
        .expect("asking is always allowed");
    assert_eq!(session.time_wait, best.name());
    assert_eq!(session.half_open, best.name());
    assert!(session.time_wait_bound.is_some(), "{session:?}");
}

/// The classic hook does not tell by which name a timewait socket is known; and raw is raw.
#[test]
fn none_where_nothing_can_be_joined() {
    require_live!(Hook::Btf);
    require_live!(Hook::Classic);
    let sessions = [chosen(Hook::Btf, &["--raw"]), chosen(Hook::Classic, &[])];
    for session in sessions {
        let said = (session.time_wait.as_str(), session.half_open.as_str());
        assert_eq!(said, ("off", "off"));
        assert_eq!(session.time_wait_bound, None);
    }
}

/// Where the kernel allows it, there is nothing to refuse.
#[test]
fn one_that_the_kernel_refuses() {
    require_live!(Hook::Btf);
    for method in Method::ALL {
        let args = ["live", "--time-wait", method.name(), "--duration", "1ms"];
        let output = command().args(args).output().expect("run the agent");
        let said = String::from_utf8_lossy(&output.stderr);
        let Some(reason) = method.missing() else {
            assert_eq!(output.status.code(), Some(0), "{said}");
            continue;
        };
        assert_eq!(output.status.code(), Some(3), "{reason}: {said}");
        assert!(said.contains(method.name()), "{said}");
        assert!(said.contains("--time-wait auto"), "what to do: {said}");
    }
}
