//! A finding for a program: one line.
//!
//! | field | holds |
//! | --- | --- |
//! | `name` | as options have it: `close-wait` |
//! | `count` | connections; of `port-exhaustion` ends that ports ran short towards, of `accept-queue-overflow` how often there was no room |
//! | `at_least` | whether there may be more: changes were lost, or there was no room to follow all |
//! | `since_mono_ns`, `until_mono_ns` | when; `null` where no moment is known |
//! | `threshold` | {`ns`}, {`count`}, {`count`, `within_ns`} or {`percent`} |
//! | `figures` | what else was counted, below |
//! | `ends` | of `port-exhaustion`: [{`netns`, `local`, `remote`, `in_use`, `time_wait`, `usable`, `no_port`}], at most five, the worst first |
//! | `services` | of `connection-per-request`: [{`pid`, `comm`, `remote`, `count`, `most`}], likewise |
//! | `connections` | examples, at most five: [{`conn`, `family`, `local`, `remote`, `owner`, `netns`, `ns`, `open`}]; `ns` is the time that was seen in the state that it is about |
//! | `means`, `look_at` | text |
//!
//! | finding | `figures` |
//! | --- | --- |
//! | `close-wait`, `last-ack`, `fin-wait1`, `fin-wait2` | `longest_ns`, `still` (in it), `expired` |
//! | `connect-timeout` | `timed_out`, `given_up`, `still` (waiting) |
//! | `port-exhaustion` | `no_port`: connects that found none |
//! | `reset-storm` | `most` within the time; `by_peer` and `by_us` in all |
//! | `half-open-flood` | `most` within the time; `timed_out`, `reset` and `still` (waiting) in all |
//! | `accept-queue-overflow` | `failed`: half-open connections; each counter of the kernel that moved, by its name |

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::Serialize;

use super::words::{look_at, means};
use crate::model::Threshold;
use crate::sink::address::Address;
use crate::sink::json::{EndpointValue, Json, Name, OwnerValue, owner};
use crate::sink::json_line::json_line;
use crate::sink::words::family;
use crate::stats::findings::{Detail, Example, Finding, PortsShort, Service};

#[derive(Serialize)]
struct FindingLine {
    r#type: &'static str,
    name: &'static str,
    count: u64,
    at_least: bool,
    since_mono_ns: Option<u64>,
    until_mono_ns: Option<u64>,
    threshold: ThresholdValue,
    figures: BTreeMap<&'static str, u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ends: Option<Vec<EndValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    services: Option<Vec<ServiceValue>>,
    connections: Vec<ConnectionValue>,
    means: String,
    look_at: String,
}

#[derive(Default, Serialize)]
struct ThresholdValue {
    #[serde(skip_serializing_if = "Option::is_none")]
    ns: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    within_ns: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    percent: Option<u8>,
}

#[derive(Serialize)]
struct ConnectionValue {
    conn: u64,
    family: &'static str,
    local: EndpointValue,
    remote: EndpointValue,
    owner: Option<OwnerValue>,
    netns: Option<u32>,
    ns: Option<u64>,
    open: bool,
}

#[derive(Serialize)]
struct EndValue {
    netns: Option<u32>,
    local: Address,
    remote: EndpointValue,
    in_use: u64,
    time_wait: u64,
    usable: Option<u64>,
    no_port: u64,
}

#[derive(Serialize)]
struct ServiceValue {
    pid: u32,
    comm: Name,
    remote: EndpointValue,
    count: u64,
    most: u64,
}

impl Json {
    /// A finding.
    pub fn finding(&self, finding: &Finding) -> Vec<u8> {
        let (ends, services) = match &finding.detail {
            Detail::Ports { ends, .. } => (Some(ends.iter().map(end).collect()), None),
            Detail::PerRequest { services } => (None, Some(services.iter().map(service).collect())),
            _ => (None, None),
        };
        json_line(&FindingLine {
            r#type: "finding",
            name: finding.kind.name(),
            count: finding.count,
            at_least: finding.is_least,
            since_mono_ns: finding.since.map(|at| at.0),
            until_mono_ns: finding.until.map(|at| at.0),
            threshold: threshold(finding.threshold),
            figures: figures(&finding.detail),
            ends,
            services,
            connections: finding.connections.iter().map(connection).collect(),
            means: means(finding.kind, self.names),
            look_at: look_at(finding.kind, self.names),
        })
    }
}

fn figures(detail: &Detail) -> BTreeMap<&'static str, u64> {
    let mut figures = BTreeMap::new();
    match *detail {
        Detail::Stayed {
            longest_ns,
            still,
            expired,
        } => figures.extend([
            ("longest_ns", longest_ns),
            ("still", still),
            ("expired", expired),
        ]),
        Detail::Unanswered {
            timed_out,
            given_up,
            still,
        } => figures.extend([
            ("timed_out", timed_out),
            ("given_up", given_up),
            ("still", still),
        ]),
        Detail::Ports { no_port, .. } => figures.extend([("no_port", no_port)]),
        Detail::Resets {
            most,
            by_peer,
            by_us,
        } => figures.extend([("most", most), ("by_peer", by_peer), ("by_us", by_us)]),
        Detail::HalfOpen {
            most,
            timed_out,
            reset,
            still,
        } => figures.extend([
            ("most", most),
            ("timed_out", timed_out),
            ("reset", reset),
            ("still", still),
        ]),
        Detail::Queue { failed, ref kernel } => {
            figures.insert("failed", failed);
            figures.extend(kernel.iter().copied());
        }
        Detail::Refused | Detail::PerRequest { .. } => {}
    }
    figures
}

fn threshold(threshold: Threshold) -> ThresholdValue {
    let nothing = ThresholdValue::default();
    match threshold {
        Threshold::Lasts { ns } => ThresholdValue {
            ns: Some(ns),
            ..nothing
        },
        Threshold::Count(count) => ThresholdValue {
            count: Some(count),
            ..nothing
        },
        Threshold::Within { count, ns } => ThresholdValue {
            count: Some(count),
            within_ns: Some(ns),
            ..nothing
        },
        Threshold::Share { percent } => ThresholdValue {
            percent: Some(percent),
            ..nothing
        },
    }
}

fn connection(example: &Example) -> ConnectionValue {
    ConnectionValue {
        conn: example.conn.0,
        family: family(example.family),
        local: example.tuple.local.into(),
        remote: example.tuple.remote.into(),
        owner: owner(&example.owner),
        netns: example.netns,
        ns: example.ns,
        open: example.is_open,
    }
}

fn end(short: &PortsShort) -> EndValue {
    EndValue {
        netns: short.towards.netns,
        local: Address(short.towards.local),
        remote: endpoint(short.towards.remote),
        in_use: short.most,
        time_wait: short.time_wait,
        usable: short.usable,
        no_port: short.no_port,
    }
}

fn service(service: &Service) -> ServiceValue {
    let (pid, comm) = service.process;
    ServiceValue {
        pid,
        comm: Name(comm),
        remote: endpoint(service.remote),
        count: service.count,
        most: service.most,
    }
}

fn endpoint(addr: SocketAddr) -> EndpointValue {
    EndpointValue {
        addr: Some(Address(addr.ip())),
        port: Some(addr.port()),
    }
}
