//! The command line, without privileges: what it explains, what it refuses, and how it says so.

use std::process::Output;

use tests::require::skip;
use tests::tracer;

/// Runs the agent, or says why not.
fn run(args: &[&str]) -> Option<Output> {
    if let Err(reason) = tracer::binary() {
        skip(&reason);
        return None;
    }
    Some(
        tracer::command()
            .args(args)
            .output()
            .expect("run the agent"),
    )
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

/// What cannot be meant is refused before anything is traced: exit code 2, nothing on the output,
/// and a message that names the value.
#[test]
fn a_filter_that_cannot_be_meant_is_refused() {
    for (option, value) in [
        ("--port", "70000"),
        ("--lport", "http?"),
        ("--rport", "1,,2"),
        ("--addr", "10.0.0.0/33"),
        ("--laddr", "10.0.0.256"),
        ("--raddr", "fd00::/129"),
        ("--pid", "init"),
        ("--uid", "-1"),
        ("--state", "OPEN"),
        ("--names", "windows"),
        ("--hook", "kprobe"),
        ("--duration", "soon"),
        ("--ring-size", "100"),
        ("--ring-size", "big"),
        ("--only", "everything"),
        ("--color", "blue"),
        ("--max-connections", "many"),
        ("--fail-on", "cl0se-wait"),
        ("--threshold", "close-wait=often"),
        ("--no-such-option", "1"),
    ] {
        let joined = format!("{option}={value}");
        let Some(output) = run(&["live", &joined]) else {
            return;
        };
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{joined}: {said}");
        assert!(output.stdout.is_empty(), "{joined}: {output:?}");
        let named = said.contains(value) || said.contains(option);
        assert!(named, "{joined} is not named: {said}");
    }
}

/// Filters that nothing can match are refused too, since silence would pass for an answer. Each
/// message says what to type instead.
#[test]
fn a_filter_that_nothing_can_match_is_refused() {
    for (options, next) in [
        ("--time-wait off --state TIME_WAIT", "FIN_WAIT2"),
        ("--state ESTABLISHED,LISTEN", "-l"),
        ("-l --rport 80", "--lport"),
        ("-l --state CLOSE_WAIT", "-a"),
        ("-4 --addr fd00::/8", "-4"),
        ("-6 --addr ::ffff:10.0.0.1", "-6"),
        ("--comm systemd-timesyncd", "`systemd-timesyn`"),
        ("--cgroup=", "or / for all"),
        ("--addr [[[::1]]]", "IPv6 address"),
    ] {
        // Should it be taken, it must not go on for ever.
        let live = ["live", "--duration", "1ms"];
        let args: Vec<&str> = live.into_iter().chain(options.split(' ')).collect();
        let Some(output) = run(&args) else {
            return;
        };
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{options}: {said}");
        assert!(output.stdout.is_empty(), "{options}: {output:?}");
        assert!(said.contains(next), "{options}: {said}");
    }
}

/// So is what leaves `time-wait` nothing to tell of.
#[test]
fn time_wait_without_time_wait_is_refused() {
    for (options, next) in [
        ("--time-wait off", "--time-wait diag"),
        ("--hook classic", "--hook btf"),
        ("--listening", "--lport"),
        ("--interval 1ms", "100ms"),
    ] {
        let verb = ["time-wait", "--duration", "1ms"];
        let args: Vec<&str> = verb.into_iter().chain(options.split(' ')).collect();
        let Some(output) = run(&args) else {
            return;
        };
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{options}: {said}");
        assert!(output.stdout.is_empty(), "{options}: {output:?}");
        assert!(said.contains(next), "{options}: {said}");
    }
}

/// A finding that is none is refused with those that there are; so is one that is to fail a run and never told.
#[test]
fn a_finding_that_cannot_be_meant_is_refused() {
    for (options, next) in [
        ("--fail-on storm", "half-open-flood"),
        ("--fail-on close-wait,all", "any"),
        ("--threshold storm=1", "reset-storm"),
        ("--threshold reset-storm", "reset-storm=100/10s"),
        ("--threshold port-exhaustion=0", "port-exhaustion=80%"),
        (
            "--fail-on last-ack --threshold last-ack=off",
            "last-ack=off",
        ),
    ] {
        for verb in [&["live", "--duration", "1ms"][..], &["show", "none.tev"]] {
            let args: Vec<&str> = verb.iter().copied().chain(options.split(' ')).collect();
            let Some(output) = run(&args) else {
                return;
            };
            let said = text(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
            assert!(output.stdout.is_empty(), "{args:?}: {output:?}");
            assert!(said.contains(next), "{args:?}: {said}");
        }
    }
}

/// Options stand after the command that they belong to.
#[test]
fn options_before_the_command_are_told_where_to_go() {
    let Some(output) = run(&["--json", "live"]) else {
        return;
    };
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("`tracer live [OPTIONS]`"), "{said}");
}

/// What is typed may come from elsewhere, and is never printed raw.
#[test]
fn a_message_escapes_what_was_typed() {
    for option in ["--netns", "--cgroup", "--state", "--addr", "--names"] {
        let Some(output) = run(&["live", option, "a\u{1b}[31mb"]) else {
            return;
        };
        assert_ne!(output.status.code(), Some(0), "{option}: {output:?}");
        let said = text(&output.stderr);
        assert!(!said.contains('\u{1b}'), "{option}: {said:?}");
    }
}

/// Formats exclude each other.
#[test]
fn two_formats_at_once_are_refused() {
    let Some(output) = run(&["live", "--json", "--csv"]) else {
        return;
    };
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}

#[test]
fn help_names_every_verb_and_filter() {
    let Some(output) = run(&["--help"]) else {
        return;
    };
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let said = text(&output.stdout);
    for verb in ["live", "time-wait", "states", "doctor"] {
        assert!(said.contains(verb), "{verb}: {said}");
    }
    let output = run(&["live", "--help"]).expect("it ran just now");
    let said = text(&output.stdout);
    for option in [
        "--port",
        "--lport",
        "--rport",
        "--addr",
        "--laddr",
        "--raddr",
        "--pid",
        "--follow",
        "--comm",
        "--uid",
        "--cgroup",
        "--netns",
        "--state",
        "--json",
        "--csv",
        "--names",
        "--raw",
        "--only",
        "--duration",
        "--hook",
        "--ring-size",
        "--max-connections",
        "--listening",
        "--all",
    ] {
        assert!(said.contains(option), "{option}: {said}");
    }
}

/// Every state is explained, whichever of its names is used.
#[test]
fn states_are_found_by_any_name() {
    for names in [
        ["TIME_WAIT", "TIME-WAIT", "time-wait"],
        ["SYN_RECV", "SYN-RECV", "SYN-RECEIVED"],
        ["CLOSE", "UNCONN", "closed"],
        ["ESTABLISHED", "ESTAB", "TCP_ESTABLISHED"],
    ] {
        let pages: Vec<String> = names
            .iter()
            .filter_map(|name| {
                let output = run(&["states", name])?;
                assert_eq!(output.status.code(), Some(0), "{name}: {output:?}");
                Some(text(&output.stdout))
            })
            .collect();
        let Some(first) = pages.first() else {
            return;
        };
        assert!(first.contains(names[0]), "{}: {first}", names[0]);
        assert!(
            pages.iter().all(|page| page == first),
            "{names:?} are one state"
        );
    }
}

#[test]
fn a_state_that_is_none_is_refused() {
    let Some(output) = run(&["states", "HALF_OPEN"]) else {
        return;
    };
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("HALF_OPEN"), "{said}");
}

#[test]
fn doctor_says_one_json_value() {
    let Some(output) = run(&["doctor", "--json"]) else {
        return;
    };
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one JSON value");
    assert!(value.is_object(), "{value}");
}
