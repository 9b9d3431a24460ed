//! How near the local ports are to running out, and what each network namespace allows.

use std::borrow::Cow;
use std::net::SocketAddr;

use super::figures::rate;
use super::table::{Column, Row, table};
use super::{Screen, View};
use crate::model::TcpState::TimeWait;
use crate::model::{Naming, TcpSettings, TwReuse};
use crate::sink::text::duration;
use crate::sink::text::number::{counted, grouped};
use crate::stats::timewait::{Namespace, Outlook, PortUse};

/// Narrowest column of names: two addresses do not fit a narrow line anyway.
const NAME: usize = 2;

fn table_columns(names: Naming) -> [Column; 5] {
    let column = |heading: &'static str, width, worth| Column {
        heading: Cow::Borrowed(heading),
        width,
        worth,
    };
    [
        column("IN USE", 9, 4),
        column("OF", 8, 3),
        Column {
            heading: Cow::Owned(TimeWait.named(names).to_string()),
            width: 11,
            worth: 0,
        },
        column("TAKEN/s", 9, 1),
        column("IF NOTHING CHANGES", 20, 2),
    ]
}

/// The share of what there is from which on it should not be overlooked.
const NEAR: f64 = 0.9;

/// The ends towards which ports are in use.
pub(super) fn ports(screen: &Screen, view: &View, rows: usize) -> Vec<String> {
    let report = view.report;
    let shown = &report.ports[..rows.min(report.ports.len())];
    let palette = screen.palette();
    let mut lines = Vec::new();
    if !shown.is_empty() {
        let rows: Vec<Row> = shown.iter().map(|port| row(view, port)).collect();
        lines = table(
            screen,
            "LOCAL PORTS TOWARDS",
            NAME,
            &table_columns(screen.names),
            &rows,
        );
    }
    let perhaps: u64 = shown.iter().map(|port| port.perhaps).sum();
    let given: u64 = shown.iter().map(|port| port.given).sum();
    let beyond = report.port_ends - shown.len() as u64;
    let mut notes = Vec::new();
    let mut note = |number: u64, text: String| {
        if number > 0 {
            notes.push(text);
        }
    };
    note(beyond, counted(beyond, "more end"));
    note(
        perhaps,
        format!(
            "{} held by connections older than the trace, taken for ours",
            grouped(perhaps)
        ),
    );
    note(given, format!("{} more outside the range", grouped(given)));
    note(
        report.ports_unlisted,
        format!(
            "{} in none of these: too many ends",
            counted(report.ports_unlisted, "connection")
        ),
    );
    if !notes.is_empty() {
        lines.extend(screen.told("  ", &notes.join(" · "), |line| palette.dim(line)));
    }
    if report.no_port > 0 {
        let text = format!(
            "{} found no free local port",
            counted(report.no_port, "connect")
        );
        lines.extend(screen.told("!! ", &text, |line| palette.warn(line)));
    }
    lines
}

fn row(view: &View, port: &PortUse) -> Row {
    let in_use = port.in_use();
    let share = port.usable.filter(|&usable| usable > 0);
    let near = share.is_some_and(|usable| in_use as f64 >= NEAR * usable as f64);
    let then = match port.outlook {
        Outlook::Unknown => "-".to_owned(),
        Outlook::TakenOver => "reused".to_owned(),
        Outlook::LevelsOff { ports } => format!("at most {}", grouped(ports)),
        Outlook::RunsOut { in_ns } => format!("none in {}", duration(in_ns)),
        Outlook::Exhausted => "NONE LEFT".to_owned(),
    };
    let local = SocketAddr::new(port.towards.local, 0).ip();
    let mut name = format!("{local} → {}", port.towards.remote);
    let namespaces = view.report.settings.len();
    if let (true, Some(netns)) = (namespaces > 1, port.towards.netns) {
        name += &format!(" ({netns})");
    }
    Row {
        name,
        numbers: vec![
            grouped(in_use),
            port.usable.map_or("?".to_owned(), grouped),
            grouped(port.time_wait),
            port.taken_per_s.map_or("?".to_owned(), rate),
            then,
        ],
        warn: near && port.outlook != Outlook::TakenOver
            || matches!(port.outlook, Outlook::RunsOut { .. } | Outlook::Exhausted),
    }
}

/// What each namespace allows, and how much of it is used.
pub(super) fn namespaces(screen: &Screen, view: &View, rows: usize) -> Vec<String> {
    let settings = &view.report.settings;
    let shown = &settings[..rows.min(settings.len())];
    shown
        .iter()
        .flat_map(|namespace| about(screen, namespace))
        .collect()
}

fn about(screen: &Screen, namespace: &Namespace) -> Vec<String> {
    let name = match namespace.netns {
        Some(netns) => format!("network namespace {netns}: "),
        None => "network namespace: ".to_owned(),
    };
    let palette = screen.palette();
    let Some(settings) = &namespace.settings else {
        let text = format!("{name}its settings are not known");
        return screen.told("", &text, |line| palette.dim(line));
    };
    let full = usage(settings);
    let mut parts = vec![full.clone()];
    parts.extend(ports_of(settings));
    parts.extend(reuse(screen, settings));
    let timeout = settings.fin_timeout_ns.map(duration);
    parts.extend(timeout.map(|timeout| format!("tcp_fin_timeout {timeout}")));
    let text = format!("{name}{}", parts.join(" · "));
    let near = match (settings.timewait_sockets, settings.max_tw_buckets) {
        (Some(now), Some(most)) => now as f64 >= NEAR * most as f64,
        _ => false,
    };
    screen.told("", &text, |line| match near {
        true => line.replacen(&full, &palette.warn(&full), 1),
        false => line.to_owned(),
    })
}

/// How many timewait sockets there are of those allowed.
fn usage(settings: &TcpSettings) -> String {
    let now = settings.timewait_sockets.map_or("?".to_owned(), grouped);
    let share = match (settings.timewait_sockets, settings.max_tw_buckets) {
        (Some(now), Some(most @ 1..)) => format!(" ({:.0} %)", now as f64 / most as f64 * 100.0),
        _ => String::new(),
    };
    let most = settings.max_tw_buckets.map_or("?".to_owned(), grouped);
    format!("{now} timewait sockets of {most}{share}")
}

fn ports_of(settings: &TcpSettings) -> Option<String> {
    let range = settings.local_ports.as_ref()?;
    let usable = settings.usable_ports().map(u64::from);
    let usable = usable.map_or("?".to_owned(), grouped);
    Some(format!(
        "{usable} local ports of {}–{}",
        range.start(),
        range.end()
    ))
}

fn reuse(screen: &Screen, settings: &TcpSettings) -> Option<String> {
    let state = TimeWait.named(screen.names);
    // Before the setting came it was a second of the clock.
    let after = duration(settings.tw_reuse_delay_ns.unwrap_or(1_000_000_000));
    Some(match settings.tw_reuse? {
        TwReuse::Never => format!("tcp_tw_reuse 0: a port in {state} is never reused"),
        TwReuse::Always => format!("tcp_tw_reuse 1: a port in {state} is reused after {after}"),
        TwReuse::Loopback => {
            format!("tcp_tw_reuse 2: on loopback a port in {state} is reused after {after}")
        }
    })
}
