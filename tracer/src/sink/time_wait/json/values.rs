//! The line `time_wait`, field by field.
//!
//! **Never:** how a value is found out.

use std::net::IpAddr;

use serde::Serialize;
use serde::ser::SerializeMap;

use crate::model::{TcpSettings, TwReuse};
use crate::sink::clock::Rfc3339;
use crate::sink::words::timewait_end;
use crate::stats::timewait::{
    Class as ClassFigures, HeldFigures, LocalPort, Namespace, Outlook, PortUse, Process, Remote,
    Report, Spread, Tally, Top,
};

#[derive(Serialize)]
pub(super) struct Line<'a> {
    pub(super) r#type: &'static str,
    pub(super) wall: Rfc3339,
    pub(super) mono_ns: u64,
    pub(super) duration_ns: u64,
    pub(super) last: bool,
    pub(super) method: &'a str,
    pub(super) hz: Option<u32>,
    pub(super) usual_from_ns: u64,
    pub(super) usual_to_ns: u64,
    pub(super) lost: u64,
    pub(super) evicted: u64,
    pub(super) time_wait: Held<'a>,
    pub(super) fin_wait2: Held<'a>,
    pub(super) rearmed: u64,
    pub(super) refused: u64,
    pub(super) no_port: u64,
    pub(super) processes: List<ProcessKey>,
    pub(super) local_ports: List<LocalPortKey>,
    pub(super) remotes: List<RemoteKey>,
    pub(super) cgroups: List<CgroupKey>,
    pub(super) namespaces: List<NetnsKey>,
    pub(super) ports: Vec<Port>,
    pub(super) port_ends: u64,
    pub(super) ports_unlisted: u64,
    pub(super) settings: Vec<Settings>,
}

#[derive(Serialize)]
pub(super) struct Held<'a> {
    pub(super) now: u64,
    pub(super) most: u64,
    pub(super) found: u64,
    pub(super) entered: u64,
    pub(super) left: u64,
    pub(super) entered_per_s_10s: Option<f64>,
    pub(super) left_per_s_10s: Option<f64>,
    pub(super) entered_per_s: Option<f64>,
    pub(super) left_per_s: Option<f64>,
    pub(super) durations: Durations,
    pub(super) ends: Ends<'a>,
    pub(super) went_on: u64,
    pub(super) unseen: u64,
}

impl<'a> Held<'a> {
    pub(super) fn of(report: &Report, figures: &'a HeldFigures) -> Self {
        let in_all = |number: u64| {
            let seconds = report.duration_ns as f64 / 1e9;
            // Of a part of a second there is no rate.
            (seconds >= 1.0).then(|| number as f64 / seconds)
        };
        Self {
            now: figures.now,
            most: figures.most,
            found: figures.found,
            entered: figures.entered,
            left: figures.left,
            entered_per_s_10s: figures.entered_per_s,
            left_per_s_10s: figures.left_per_s,
            entered_per_s: in_all(figures.entered),
            left_per_s: in_all(figures.left),
            durations: Durations::of(&figures.spread),
            ends: Ends(figures),
            went_on: figures.went_on,
            unseen: figures.unseen,
        }
    }
}

#[derive(Serialize)]
pub(super) struct Durations {
    pub(super) count: u64,
    pub(super) unknown: u64,
    pub(super) p50_ns: Option<u64>,
    pub(super) p90_ns: Option<u64>,
    pub(super) p99_ns: Option<u64>,
    pub(super) max_ns: Option<u64>,
    /// Of the least exact.
    pub(super) error_ns: Option<u64>,
    pub(super) histogram: Vec<Class>,
}

#[derive(Serialize)]
pub(super) struct Class {
    pub(super) from_ns: u64,
    pub(super) below_ns: Option<u64>,
    pub(super) count: u64,
}

impl Durations {
    pub(super) fn of(spread: &Spread) -> Self {
        let class = |class: &ClassFigures| Class {
            from_ns: class.from_ns,
            below_ns: class.below_ns,
            count: class.count,
        };
        Self {
            count: spread.count,
            unknown: spread.unknown,
            p50_ns: spread.p50_ns,
            p90_ns: spread.p90_ns,
            p99_ns: spread.p99_ns,
            max_ns: spread.max_ns,
            error_ns: spread.error_ns,
            histogram: spread.classes.iter().map(class).collect(),
        }
    }
}

/// Reasons, those that were met.
pub(super) struct Ends<'a>(&'a HeldFigures);

impl Serialize for Ends<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.ends.len()))?;
        for (&end, number) in &self.0.ends {
            map.serialize_entry(timewait_end(end), number)?;
        }
        map.end()
    }
}

#[derive(Serialize)]
pub(super) struct List<K> {
    pub(super) rows: Vec<Row<K>>,
    pub(super) rest: Rest,
}

#[derive(Serialize)]
pub(super) struct Row<K> {
    #[serde(flatten)]
    pub(super) key: K,
    #[serde(flatten)]
    pub(super) tally: TallyValue,
}

#[derive(Serialize)]
pub(super) struct Rest {
    pub(super) keys: u64,
    pub(super) keys_exact: bool,
    #[serde(flatten)]
    pub(super) tally: TallyValue,
}

#[derive(Serialize)]
pub(super) struct TallyValue {
    pub(super) now: u64,
    pub(super) found: u64,
    pub(super) entered: u64,
    pub(super) left: u64,
}

impl From<Tally> for TallyValue {
    fn from(tally: Tally) -> Self {
        Self {
            now: tally.now,
            found: tally.found,
            entered: tally.entered,
            left: tally.ended,
        }
    }
}

pub(super) fn list<K, V>(top: &Top<K>, key: impl Fn(&K) -> V) -> List<V> {
    let row = |(of, tally): &(K, Tally)| Row {
        key: key(of),
        tally: (*tally).into(),
    };
    List {
        rows: top.rows.iter().map(row).collect(),
        rest: Rest {
            keys: top.rest_keys,
            keys_exact: !top.rest_is_more,
            tally: top.rest.into(),
        },
    }
}

#[derive(Serialize)]
pub(super) struct ProcessKey {
    pub(super) pid: Option<u32>,
    pub(super) comm: Option<String>,
}

pub(super) fn process(&Process(owner): &Process) -> ProcessKey {
    let (pid, comm) = owner.unzip();
    ProcessKey {
        pid,
        comm: comm.map(|comm| String::from_utf8_lossy(comm.bytes()).into_owned()),
    }
}

#[derive(Serialize)]
pub(super) struct LocalPortKey {
    pub(super) kind: &'static str,
    pub(super) port: Option<u16>,
}

pub(super) fn local_port(port: &LocalPort) -> LocalPortKey {
    let (kind, port) = match *port {
        LocalPort::Listening(port) => ("listening", Some(port)),
        LocalPort::Chosen => ("chosen", None),
        LocalPort::Unknown => ("unknown", None),
    };
    LocalPortKey { kind, port }
}

#[derive(Serialize)]
pub(super) struct RemoteKey {
    pub(super) addr: Option<IpAddr>,
    pub(super) port: Option<u16>,
}

pub(super) fn remote(remote: &Remote) -> RemoteKey {
    RemoteKey {
        addr: remote.addr,
        port: remote.port,
    }
}

#[derive(Serialize)]
pub(super) struct CgroupKey {
    pub(super) cgroup: Option<u64>,
    pub(super) path: Option<String>,
}

#[derive(Serialize)]
pub(super) struct NetnsKey {
    pub(super) netns: Option<u32>,
}

#[derive(Serialize)]
pub(super) struct Port {
    pub(super) netns: Option<u32>,
    pub(super) local_addr: IpAddr,
    pub(super) remote: End,
    pub(super) in_use: u64,
    pub(super) time_wait: u64,
    pub(super) otherwise: u64,
    pub(super) unknown_origin: u64,
    pub(super) given: u64,
    pub(super) usable: Option<u64>,
    pub(super) taken_per_s_10s: Option<f64>,
    pub(super) freed_per_s_10s: Option<f64>,
    pub(super) no_port: u64,
    pub(super) outlook: Option<&'static str>,
    pub(super) levels_off_at: Option<u64>,
    pub(super) runs_out_in_ns: Option<u64>,
}

#[derive(Serialize)]
pub(super) struct End {
    pub(super) addr: IpAddr,
    pub(super) port: u16,
}

pub(super) fn port(port: &PortUse) -> Port {
    let (outlook, levels_off_at, runs_out_in_ns) = match port.outlook {
        Outlook::Unknown => (None, None, None),
        Outlook::TakenOver => (Some("taken_over"), None, None),
        Outlook::LevelsOff { ports } => (Some("levels_off"), Some(ports), None),
        Outlook::RunsOut { in_ns } => (Some("runs_out"), None, Some(in_ns)),
        Outlook::Exhausted => (Some("exhausted"), None, None),
    };
    Port {
        netns: port.towards.netns,
        local_addr: port.towards.local,
        remote: End {
            addr: port.towards.remote.ip(),
            port: port.towards.remote.port(),
        },
        in_use: port.in_use(),
        time_wait: port.time_wait,
        otherwise: port.otherwise,
        unknown_origin: port.perhaps,
        given: port.given,
        usable: port.usable,
        taken_per_s_10s: port.taken_per_s,
        freed_per_s_10s: port.freed_per_s,
        no_port: port.no_port,
        outlook,
        levels_off_at,
        runs_out_in_ns,
    }
}

#[derive(Serialize)]
pub(super) struct Settings {
    pub(super) netns: Option<u32>,
    /// The kernel's own count of timewait sockets, those in FIN_WAIT2 included.
    pub(super) timewait_sockets: Option<u64>,
    pub(super) max_tw_buckets: Option<u64>,
    pub(super) usable_ports: Option<u32>,
    pub(super) first_port: Option<u16>,
    pub(super) last_port: Option<u16>,
    pub(super) tw_reuse: Option<u8>,
    pub(super) tw_reuse_delay_ns: Option<u64>,
    pub(super) fin_timeout_ns: Option<u64>,
}

pub(super) fn settings(namespace: &Namespace) -> Settings {
    let unknown = TcpSettings::default();
    let settings = namespace.settings.as_ref().unwrap_or(&unknown);
    let range = settings.local_ports.as_ref();
    Settings {
        netns: namespace.netns,
        timewait_sockets: settings.timewait_sockets,
        max_tw_buckets: settings.max_tw_buckets,
        usable_ports: settings.usable_ports(),
        first_port: range.map(|range| *range.start()),
        last_port: range.map(|range| *range.end()),
        tw_reuse: settings.tw_reuse.map(|reuse| match reuse {
            TwReuse::Never => 0,
            TwReuse::Always => 1,
            TwReuse::Loopback => 2,
        }),
        tw_reuse_delay_ns: settings.tw_reuse_delay_ns,
        fin_timeout_ns: settings.fin_timeout_ns,
    }
}
