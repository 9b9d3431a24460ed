//! What several lines of the schema `tracer/1` have: states, segments, names, ends, owners.
//!
//! **Never:** how a value is found out.

use serde::{Serialize, Serializer};

use crate::model::event::Comm;
use crate::model::{Endpoint, Naming, TcpState};
use crate::sink::address::Address;
use crate::sink::words::{error, known, why_unknown};
use crate::track::{Segment, Span};

/// The states of a timeline, in their order.
pub(super) struct Segments<'a>(pub(super) &'a [Segment], pub(super) Naming);

impl Segments<'_> {
    pub(super) fn values(&self) -> impl Iterator<Item = SegmentValue> {
        let Self(segments, names) = *self;
        segments.iter().map(move |segment| SegmentValue {
            state: StateName(segment.state, names),
            start_mono_ns: segment.start.map(|start| start.0),
            ns: known(segment.span),
            error_ns: error(segment.span),
            known: known(segment.span).is_some(),
            unknown: why_unknown(segment.span),
            open_for_ns: match segment.span {
                Span::Open(ns) => Some(ns),
                _ => None,
            },
        })
    }
}

impl Serialize for Segments<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.values())
    }
}

#[derive(Serialize)]
pub(super) struct SegmentValue {
    pub(super) state: StateName,
    pub(super) start_mono_ns: Option<u64>,
    pub(super) ns: Option<u64>,
    /// By how much `ns` may be wrong, either way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error_ns: Option<u64>,
    pub(super) known: bool,
    /// Why it is not known: as `in_from_unknown`, or `open`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) unknown: Option<&'static str>,
    /// How long it lasted until the trace ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) open_for_ns: Option<u64>,
}

/// A state, as `--names` has it.
pub(super) struct StateName(pub(super) TcpState, pub(super) Naming);

impl Serialize for StateName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(state, names) = self;
        match state.known_name(*names) {
            Some(name) => serializer.serialize_str(name),
            None => serializer.collect_str(&state.named(*names)),
        }
    }
}

/// A task's name; bytes that are no UTF-8 become U+FFFD.
pub(in crate::sink) struct Name(pub(in crate::sink) Comm);

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&String::from_utf8_lossy(self.0.bytes()))
    }
}

#[derive(Serialize)]
pub(in crate::sink) struct EndpointValue {
    pub(in crate::sink) addr: Option<Address>,
    pub(in crate::sink) port: Option<u16>,
}

impl From<Endpoint> for EndpointValue {
    fn from(endpoint: Endpoint) -> Self {
        Self {
            addr: endpoint.addr.map(Address),
            port: endpoint.port,
        }
    }
}

#[derive(Serialize)]
pub(in crate::sink) struct OwnerValue {
    pub(super) pid: Option<u32>,
    pub(super) comm: Option<Name>,
    pub(super) uid: Option<u32>,
    pub(super) cgroup: Option<u64>,
}
