//! The layout at every size, and what the lines say.

use super::*;
use crate::sink::golden::compare;
use crate::sink::time_wait::samples::{busy, cgroups, quiet, view};
use crate::stats::timewait::Report;

const PLAIN: Screen = Screen {
    names: Naming::Netstat,
    color: false,
    width: None,
};

fn report(screen: Screen, figures: &Report) -> String {
    screen.report(&view(figures, &cgroups()), 10)
}

fn frame(screen: Screen, figures: &Report, height: usize) -> Vec<String> {
    screen.frame(&view(figures, &cgroups()), 10, height)
}

fn wide(width: usize) -> Screen {
    Screen {
        width: Some(width),
        ..PLAIN
    }
}

#[test]
fn a_pipe_gets_the_whole_report() {
    let written = report(PLAIN, &busy());
    let golden = include_str!("../../golden/time_wait.txt");
    compare("golden/time_wait.txt", &written, golden);
    assert!(!written.contains('\x1b'), "{written}");
}

#[test]
fn a_narrow_terminal_gets_it_too() {
    let written = report(wide(40), &busy());
    let golden = include_str!("../../golden/time_wait-40.txt");
    compare("golden/time_wait-40.txt", &written, golden);
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    for width in [40, 60, 80, 100, 120, 200] {
        for line in report(wide(width), &busy()).lines() {
            // An address is never cut; alone on its line it may be wider.
            let is_name = !line.contains("  ") && line.contains(':');
            assert!(columns(line) <= width || is_name, "{width}: {line}");
        }
    }
}

#[test]
fn colour_takes_no_room() {
    let plain = report(wide(80), &busy());
    let colored = Screen {
        color: true,
        ..wide(80)
    };
    let colored = report(colored, &busy());
    let mut stripped = String::new();
    let mut rest = colored.as_str();
    while let Some((before, after)) = rest.split_once("\x1b[") {
        stripped += before;
        rest = after.split_once('m').expect("a colour ends").1;
    }
    stripped += rest;
    assert_ne!(colored, plain);
    assert_eq!(stripped, plain);
}

#[test]
fn a_frame_is_never_higher_than_the_terminal() {
    for width in [40, 80, 120] {
        for height in 1..100 {
            let lines = frame(wide(width), &busy(), height);
            assert!(lines.len() <= height, "{width}×{height}: {}", lines.len());
            assert!(lines[0].starts_with("TIME_WAIT"), "{}", lines[0]);
        }
    }
}

#[test]
fn what_matters_most_stays_longest() {
    let shows = |height: usize, what: &str| {
        let lines = frame(wide(100), &busy(), height);
        lines.iter().any(|line| line.contains(what))
    };
    assert!(shows(100, "BY CGROUP") && shows(100, "timer wheel"));
    assert!(shows(24, "NONE LEFT") && shows(24, "BY PROCESS"));
    assert!(!shows(24, "BY CGROUP"));
    assert!(shows(16, "NONE LEFT") && !shows(16, "BY PROCESS"));
    // What fits beside it, though it is worth less.
    assert!(shows(12, "12,345 now") && shows(12, "95 %"));
    assert!(shows(5, "12,345 now"));
}

#[test]
fn nothing_yet_is_said_and_not_drawn() {
    let written = report(PLAIN, &quiet());
    assert!(
        written.contains("0 now · 0 at most · 0 entered"),
        "{written}"
    );
    assert!(written.contains("?/s in"), "{written}");
    assert!(written.contains("none has ended"), "{written}");
    for absent in ["BY PROCESS", "TOWARDS", "FIN_WAIT2", "█", "namespace"] {
        assert!(!written.contains(absent), "{absent}: {written}");
    }
}

#[test]
fn an_unknown_tick_rate_is_said_to_be_unknown() {
    let unknown = report(PLAIN, &quiet());
    assert!(unknown.contains("60.00 s to 65.12 s"), "{unknown}");
    assert!(unknown.contains("is not known"), "{unknown}");
    let known = report(PLAIN, &busy());
    assert!(known.contains("60.00 s to 62.05 s"), "{known}");
    assert!(known.contains("250 ticks a second"), "{known}");
}

#[test]
fn states_have_the_names_that_were_asked_for() {
    let ss = Screen {
        names: Naming::Ss,
        ..PLAIN
    };
    let written = report(ss, &busy());
    assert!(written.starts_with("TIME-WAIT  12,345 now"), "{written}");
    assert!(written.contains("TIME-WAIT BY PROCESS"), "{written}");
    assert!(!written.contains("TIME_WAIT"), "{written}");
}
