//! TIME_WAIT by what the sockets have in common.

use std::borrow::Cow;

use super::table::{Column, Row, table};
use super::{Screen, View};
use crate::model::{TcpState, printable};
use crate::sink::text::number::grouped;
use crate::sink::text::process;
use crate::stats::timewait::{LocalPort, Process, Remote, Tally, Top};

/// Narrowest column of names.
const NAME: usize = 20;

const COLUMNS: [Column; 3] = [
    Column {
        heading: Cow::Borrowed("NOW"),
        width: 10,
        worth: 3,
    },
    Column {
        heading: Cow::Borrowed("ENTERED"),
        width: 10,
        worth: 2,
    },
    Column {
        heading: Cow::Borrowed("LEFT"),
        width: 10,
        worth: 1,
    },
];

pub(super) fn processes(screen: &Screen, view: &View, rows: usize) -> Vec<String> {
    let name = |&Process(owner): &Process| match owner {
        Some(_) => process(owner, None),
        None => "not known whose".to_owned(),
    };
    list(screen, "PROCESS", &view.report.processes, rows, name)
}

pub(super) fn local_ports(screen: &Screen, view: &View, rows: usize) -> Vec<String> {
    let name = |port: &LocalPort| match port {
        LocalPort::Listening(port) => format!(":{port}"),
        LocalPort::Chosen => "ports of our own connects".to_owned(),
        LocalPort::Unknown => "not known who connected".to_owned(),
    };
    list(screen, "LOCAL PORT", &view.report.local_ports, rows, name)
}

pub(super) fn remotes(screen: &Screen, view: &View, rows: usize) -> Vec<String> {
    let name = |remote: &Remote| match (remote.addr, remote.port) {
        (Some(addr), Some(port)) => std::net::SocketAddr::new(addr, port).to_string(),
        (Some(addr), None) => addr.to_string(),
        (None, _) => "?".to_owned(),
    };
    list(screen, "REMOTE END", &view.report.remotes, rows, name)
}

pub(super) fn cgroups(screen: &Screen, view: &View, rows: usize) -> Vec<String> {
    // A host that does not tell cgroups apart has nothing to list.
    if view
        .report
        .cgroups
        .rows
        .iter()
        .all(|(cgroup, _)| cgroup.is_none())
    {
        return Vec::new();
    }
    let name = |cgroup: &Option<u64>| match cgroup {
        Some(id) => match view.cgroups.get(id) {
            Some(path) => printable(path),
            None => format!("cgroup {id}"),
        },
        None => "not known".to_owned(),
    };
    list(screen, "CGROUP", &view.report.cgroups, rows, name)
}

fn list<K>(
    screen: &Screen,
    what: &str,
    top: &Top<K>,
    rows: usize,
    name: impl Fn(&K) -> String,
) -> Vec<String> {
    if top.rows.is_empty() {
        return Vec::new();
    }
    let row = |name: String, tally: &Tally| Row {
        name,
        numbers: vec![
            grouped(tally.now),
            grouped(tally.entered),
            grouped(tally.ended),
        ],
        warn: false,
    };
    let (shown, beyond) = top.rows.split_at(rows.min(top.rows.len()));
    let mut lines: Vec<Row> = shown
        .iter()
        .map(|(key, tally)| row(name(key), tally))
        .collect();
    let rest = beyond
        .iter()
        .fold(top.rest, |sum, (_, tally)| sum.with(*tally));
    let others = top.rest_keys + beyond.len() as u64;
    if rest != Tally::default() {
        let others = match (others, top.rest_is_more) {
            (0, _) => "others, not told apart".to_owned(),
            (others, false) => format!("{} more", grouped(others)),
            (others, true) => format!("more than {} more", grouped(others)),
        };
        lines.push(row(others, &rest));
    }
    let state = TcpState::TimeWait.named(screen.names);
    table(
        screen,
        &format!("{state} BY {what}"),
        NAME,
        &COLUMNS,
        &lines,
    )
}
