//! The vocabulary: states, endpoints, times, events, and the one decoder that makes them.
//!
//! **Owns:** what every other room speaks of.
//! **Never:** a clock, I/O, or a schema of an output.

pub mod asking;
pub mod between;
pub mod counters;
pub mod decode;
pub mod early;
pub mod endpoint;
pub mod event;
pub mod finding;
pub mod host;
pub mod minisock;
pub mod prefix;
pub mod printable;
pub mod privileges;
pub mod process;
pub mod state;
pub mod tcp_settings;
pub mod time;
pub mod timer_wheel;
pub mod traffic;
pub mod workload;

pub use asking::{Answer, Found, Look, Question};
pub use between::{ProcessSeen, ResetReasons, Segment, SegmentNews, Use, Way};
pub use counters::{KernelCounters, Reading};
pub use decode::{Batch, DecodeError, Named, Taker, decode, is_beside, rewrite};
pub use early::{Cgroup, EarlyFilter};
pub use endpoint::{Endpoint, Family, Tuple};
pub use event::{CloseError, Event, Existing, Loss, LossCause, Socket, StateChange, Task};
pub use finding::{FindingKind, Threshold, Thresholds};
pub use minisock::{Request, RequestEnd, RequestNews, Ticks, Timewait, TimewaitEnd, TimewaitNews};
pub use prefix::Prefix;
pub use printable::printable;
pub use privileges::Privileges;
pub use process::{Args, Process};
pub use state::{Naming, TcpState};
pub use tcp_settings::{TcpSettings, TwReuse};
pub use time::{Clock, ClockStep, LATE_NS, MonoNs, WallClock};
pub use timer_wheel::Wheel;
pub use traffic::{Bytes, Figures, Segments, Standing, Timers, Traffic};
pub use workload::{Container, Workload};
