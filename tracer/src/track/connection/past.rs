//! The states that a connection has left.
//!
//! **Owns:** how they are kept in little memory, and close to the connection that has them.

use crate::model::{MonoNs, TcpState};
use crate::track::output::{Segment, Span};

/// States that a connection leaves which closes in order, its timewait socket's among them.
const MOST: usize = 5;

/// States in the order in which they were left.
#[derive(Debug)]
pub(super) enum Past {
    /// As nearly always: each began at the moment at which the one before it ended, so moments say everything.
    Unbroken {
        /// How many there are.
        count: u8,
        states: [TcpState; MOST],
        starts: [MonoNs; MOST],
        /// When the last one ended.
        end: MonoNs,
    },
    /// Any others.
    Listed(Vec<Segment>),
}

impl Past {
    /// Makes one without states.
    pub(super) fn new() -> Self {
        Self::Unbroken {
            count: 0,
            states: [TcpState::Close; MOST],
            starts: [MonoNs(0); MOST],
            end: MonoNs(0),
        }
    }

    /// Returns whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Unbroken { count, .. } => *count == 0,
            Self::Listed(segments) => segments.is_empty(),
        }
    }

    /// Returns whether a state is among them.
    pub(super) fn has(&self, wanted: TcpState) -> bool {
        match self {
            Self::Unbroken { count, states, .. } => states[..usize::from(*count)].contains(&wanted),
            Self::Listed(segments) => segments.iter().any(|segment| segment.state == wanted),
        }
    }

    /// Returns how long the last one lasted.
    pub(super) fn last_span(&self) -> Option<Span> {
        match self {
            Self::Unbroken {
                count, starts, end, ..
            } => {
                let last = usize::from(*count).checked_sub(1)?;
                Some(Span::Known(end.0 - starts[last].0))
            }
            Self::Listed(segments) => segments.last().map(|segment| segment.span),
        }
    }

    /// Adds one.
    pub(super) fn push(&mut self, segment: Segment) {
        if let Self::Unbroken {
            count,
            states,
            starts,
            end,
        } = self
        {
            let index = usize::from(*count);
            let is_next = |start: &MonoNs| index == 0 || start == end;
            if index < MOST
                && let Some(start) = segment.start.filter(is_next)
                && let Span::Known(ns) = segment.span
                && let Some(left) = start.0.checked_add(ns)
            {
                states[index] = segment.state;
                starts[index] = start;
                *end = MonoNs(left);
                *count += 1;
                return;
            }
        }
        let mut segments = self.take();
        segments.push(segment);
        *self = Self::Listed(segments);
    }

    /// Takes them out, one by one.
    pub(super) fn take(&mut self) -> Vec<Segment> {
        match std::mem::replace(self, Self::new()) {
            Self::Listed(segments) => segments,
            Self::Unbroken {
                count,
                states,
                starts,
                end,
            } => {
                let count = usize::from(count);
                let mut segments = Vec::with_capacity(count);
                for index in 0..count {
                    let start = starts[index];
                    let left = match index + 1 == count {
                        true => end,
                        false => starts[index + 1],
                    };
                    segments.push(Segment {
                        state: states[index],
                        start: Some(start),
                        span: Span::Known(left.0 - start.0),
                    });
                }
                segments
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::track::output::Unknown;

    fn segment() -> impl Strategy<Value = Segment> {
        let span = prop_oneof![
            8 => (0..3_u64).prop_map(Span::Known),
            1 => (0..3_u64).prop_map(|ns| Span::Within { ns, error_ns: 1 }),
            1 => Just(Span::Unknown(Unknown::Loss)),
        ];
        (0..11_usize, proptest::option::weighted(0.9, 0..3_u64), span).prop_map(
            |(state, start, span)| Segment {
                state: TcpState::ALL[state],
                start: start.map(MonoNs),
                span,
            },
        )
    }

    /// Segments, of which many begin as the one before ends.
    fn segments() -> impl Strategy<Value = Vec<Segment>> {
        let each = (segment(), proptest::bool::weighted(0.8));
        proptest::collection::vec(each, 0..9).prop_map(|all| {
            let mut at = 5;
            let joined = all.into_iter().map(|(mut segment, is_next)| {
                if is_next {
                    segment.start = Some(MonoNs(at));
                }
                if let (Some(start), Span::Known(ns)) = (segment.start, segment.span) {
                    at = start.0 + ns;
                }
                segment
            });
            joined.collect()
        })
    }

    proptest! {
        #[test]
        fn what_is_kept_comes_out_as_it_was(segments in segments()) {
            let mut past = Past::new();
            for (index, segment) in segments.iter().enumerate() {
                prop_assert_eq!(past.is_empty(), index == 0);
                past.push(*segment);
                prop_assert_eq!(past.last_span(), Some(segment.span));
            }
            for state in TcpState::ALL {
                let has = segments.iter().any(|segment| segment.state == state);
                prop_assert_eq!(past.has(state), has);
            }
            prop_assert_eq!(past.take(), segments);
        }
    }

    #[test]
    fn a_life_in_order_takes_no_memory_of_its_own() {
        let mut past = Past::new();
        for start in 0..MOST as u64 {
            past.push(Segment {
                state: TcpState::Established,
                start: Some(MonoNs(start)),
                span: Span::Known(1),
            });
        }
        assert!(matches!(past, Past::Unbroken { .. }));
    }
}
