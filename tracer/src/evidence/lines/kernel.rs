//! Lines of what the kernel was asked for: counters, namespaces, sockets that existed, and their parts.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::evidence::entry::Namespace;
use crate::model::{
    Endpoint, Existing, KernelCounters, MonoNs, Naming, Reading, TcpSettings, TcpState, Tuple,
    TwReuse,
};

/// Counters of a namespace, read between two moments.
#[derive(Serialize, Deserialize)]
pub(in crate::evidence) struct ReadingLine {
    netns: u32,
    before: u64,
    after: u64,
    /// Lines of the kernel's that were not understood.
    #[serde(default, skip_serializing_if = "is_zero")]
    skipped: usize,
    values: BTreeMap<String, u64>,
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl From<&Reading> for ReadingLine {
    fn from(reading: &Reading) -> Self {
        let counters = reading.counters.iter();
        Self {
            netns: reading.netns,
            before: reading.before.0,
            after: reading.after.0,
            skipped: reading.counters.skipped(),
            values: counters
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        }
    }
}

impl From<ReadingLine> for Reading {
    fn from(line: ReadingLine) -> Self {
        let counters: KernelCounters = line.values.into_iter().collect();
        Self {
            netns: line.netns,
            before: MonoNs(line.before),
            after: MonoNs(line.after),
            counters: counters.with_skipped(line.skipped),
        }
    }
}

/// A namespace.
#[derive(Serialize, Deserialize)]
pub(in crate::evidence) struct NamespaceLine {
    inode: u32,
    name: Option<String>,
    settings: Option<SettingsLine>,
}

/// Settings, as [`TcpSettings`] has them; a range is a pair of its ends, and `tw_reuse` the kernel's number.
#[derive(Serialize, Deserialize)]
struct SettingsLine {
    local_ports: Option<(u16, u16)>,
    reserved_ports: Option<Vec<(u16, u16)>>,
    tw_reuse: Option<u8>,
    tw_reuse_delay_ns: Option<u64>,
    fin_timeout_ns: Option<u64>,
    max_tw_buckets: Option<u64>,
    timewait_sockets: Option<u64>,
}

impl From<&Namespace> for NamespaceLine {
    fn from(namespace: &Namespace) -> Self {
        Self {
            inode: namespace.inode,
            name: namespace.name.clone(),
            settings: namespace.settings.as_ref().map(SettingsLine::from),
        }
    }
}

impl NamespaceLine {
    pub(super) fn into_namespace(self) -> Result<Namespace, String> {
        Ok(Namespace {
            inode: self.inode,
            name: self.name,
            settings: self.settings.map(SettingsLine::into_settings).transpose()?,
        })
    }
}

impl From<&TcpSettings> for SettingsLine {
    fn from(settings: &TcpSettings) -> Self {
        let pair = |range: &RangeInclusive<u16>| (*range.start(), *range.end());
        let reserved = settings.reserved_ports.as_ref();
        Self {
            local_ports: settings.local_ports.as_ref().map(pair),
            reserved_ports: reserved.map(|ranges| ranges.iter().map(pair).collect()),
            tw_reuse: settings.tw_reuse.map(|reuse| match reuse {
                TwReuse::Never => 0,
                TwReuse::Always => 1,
                TwReuse::Loopback => 2,
            }),
            tw_reuse_delay_ns: settings.tw_reuse_delay_ns,
            fin_timeout_ns: settings.fin_timeout_ns,
            max_tw_buckets: settings.max_tw_buckets,
            timewait_sockets: settings.timewait_sockets,
        }
    }
}

impl SettingsLine {
    fn into_settings(self) -> Result<TcpSettings, String> {
        let range = |(start, end): (u16, u16)| start..=end;
        let tw_reuse = self.tw_reuse.map(|reuse| match reuse {
            0 => Ok(TwReuse::Never),
            1 => Ok(TwReuse::Always),
            2 => Ok(TwReuse::Loopback),
            other => Err(format!("`tw_reuse` is {other}, which no kernel has")),
        });
        let reserved = self.reserved_ports;
        Ok(TcpSettings {
            local_ports: self.local_ports.map(range),
            reserved_ports: reserved.map(|pairs| pairs.into_iter().map(range).collect()),
            tw_reuse: tw_reuse.transpose()?,
            tw_reuse_delay_ns: self.tw_reuse_delay_ns,
            fin_timeout_ns: self.fin_timeout_ns,
            max_tw_buckets: self.max_tw_buckets,
            timewait_sockets: self.timewait_sockets,
        })
    }
}

/// A socket that existed.
#[derive(Serialize, Deserialize)]
pub(in crate::evidence) struct ExistingLine {
    at: u64,
    cookie: u64,
    state: StateWord,
    full_socket: bool,
    local: EndLine,
    remote: EndLine,
    netns: u32,
    uid: Option<u32>,
    holder: Option<u32>,
    left_ns: Option<u64>,
    age_ns: Option<u64>,
}

impl From<&Existing> for ExistingLine {
    fn from(existing: &Existing) -> Self {
        Self {
            at: existing.at.0,
            cookie: existing.cookie,
            state: existing.state.into(),
            full_socket: existing.full_socket,
            local: existing.tuple.local.into(),
            remote: existing.tuple.remote.into(),
            netns: existing.netns,
            uid: existing.uid,
            holder: existing.holder,
            left_ns: existing.left_ns,
            age_ns: existing.age_ns,
        }
    }
}

impl ExistingLine {
    pub(super) fn into_existing(self) -> Result<Existing, String> {
        Ok(Existing {
            at: MonoNs(self.at),
            cookie: self.cookie,
            state: self.state.into_state()?,
            full_socket: self.full_socket,
            tuple: Tuple {
                local: self.local.into(),
                remote: self.remote.into(),
            },
            netns: self.netns,
            uid: self.uid,
            holder: self.holder,
            left_ns: self.left_ns,
            age_ns: self.age_ns,
        })
    }
}

/// One end of a connection.
#[derive(Serialize, Deserialize)]
pub(super) struct EndLine {
    addr: Option<IpAddr>,
    port: Option<u16>,
}

impl From<Endpoint> for EndLine {
    fn from(Endpoint { addr, port }: Endpoint) -> Self {
        Self { addr, port }
    }
}

impl From<EndLine> for Endpoint {
    fn from(EndLine { addr, port }: EndLine) -> Self {
        Self { addr, port }
    }
}

/// A state: netstat's name of it, or the kernel's number where it has none.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum StateWord {
    Name(String),
    Number(u16),
}

// By hand: as derived, it would first take in whatever stands there, however much.
impl<'de> Deserialize<'de> for StateWord {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Word;
        impl Visitor<'_> for Word {
            type Value = StateWord;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a state's name or number")
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<StateWord, E> {
                let number = u16::try_from(number);
                number.map(StateWord::Number).map_err(E::custom)
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<StateWord, E> {
                Ok(StateWord::Name(name.to_owned()))
            }
        }
        from.deserialize_any(Word)
    }
}

impl From<TcpState> for StateWord {
    fn from(state: TcpState) -> Self {
        match state {
            TcpState::Unknown(number) => Self::Number(number),
            state => Self::Name(state.named(Naming::Netstat).to_string()),
        }
    }
}

impl StateWord {
    pub(super) fn into_state(self) -> Result<TcpState, String> {
        match self {
            Self::Number(number) => Ok(TcpState::Unknown(number)),
            Self::Name(name) => {
                TcpState::parse(&name).ok_or_else(|| format!("no state has the name {name:?}"))
            }
        }
    }
}
