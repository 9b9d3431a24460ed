//! The hooks on timewait and request sockets, which the tracepoint never shows.
//!
//! **Owns:** which programs belong to which method, and what is attached where one of them fails.

use aya::Btf as KernelBtf;
use aya::programs::{BtfTracePoint, FEntry, FExit, Program, ProgramError};

use super::error::{LiveError, MethodError};
use super::programs::Programs;
use crate::source::minisocks::{DANCE, Found, KILL};

/// How timewait and request sockets are followed by hooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// The functions that they pass through.
    Fentry,
    /// The timer tracepoints.
    Timer,
}

impl Method {
    /// Returns the name that the field uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fentry => "fentry",
            Self::Timer => "timer",
        }
    }

    /// Returns the method of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Fentry, Self::Timer]
            .into_iter()
            .find(|method| method.name() == name)
    }
}

/// Which method is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MethodChoice {
    /// Fentry where the kernel allows it, else the timers, else none.
    #[default]
    Auto,
    /// This one or nothing.
    Only(Method),
    /// None.
    Off,
}

/// What is attached.
#[derive(Debug, Default)]
pub(super) struct Hidden {
    pub(super) timewait: Option<Method>,
    pub(super) requests: Option<Method>,
    /// Whether the timers' method sees that a timer is set anew within its slot of the timer wheel.
    pub(super) sees_silent_rearms: bool,
    pub(super) missing: Vec<String>,
}

/// A program of the object and the function or tracepoint that it is for.
pub(super) type Hooked = (&'static str, &'static str);

const TIMEWAIT: [Hooked; 2] = [
    ("timewait_scheduled", "__inet_twsk_schedule"),
    ("timewait_expires", "tw_timer_handler"),
];
const TIMEWAIT_BEGINS: Hooked = ("timewait_begins", DANCE);
const TIMEWAIT_KILLED: Hooked = ("timewait_killed", KILL);
const TIMEWAIT_REMOVED: Hooked = ("timewait_removed", "inet_twsk_deschedule_put");
const REQUEST_COMPLETED: Hooked = ("request_completed", "inet_csk_complete_hashdance");
/// Told as they return.
const REQUESTS: [Hooked; 2] = [
    ("request_begins", "inet_csk_reqsk_queue_hash_add"),
    ("request_dropped", "__inet_csk_reqsk_queue_drop"),
];
const TIMERS: [Hooked; 3] = [
    ("timer_started", "timer_start"),
    ("timer_expired", "timer_expire_entry"),
    ("timer_cancelled", "timer_cancel"),
];

/// Which tracepoint names the timewait socket that took a segment in.
const PACKETS: Hooked = ("packet_freed", "kfree_skb");

/// Attaches what is wanted, by what was `found` of this kernel, if anything was looked for. To be called before the tracepoint's own hook is attached: a change to
/// CLOSE is then never seen without the timewait socket that came before it.
///
/// # Errors
///
/// The one method that was asked for cannot be had.
pub(super) fn attach(
    object: &mut Programs<'_>,
    types: &KernelBtf,
    choice: MethodChoice,
    found: Option<Result<&Found, &'static str>>,
) -> Result<Hidden, LiveError> {
    let Some(found) = found else {
        return Ok(Hidden::default());
    };
    let found = match (choice, found) {
        (_, Ok(found)) => found,
        (MethodChoice::Only(method), Err(field)) => {
            return Err(LiveError::Method(MethodError::lacks(method, field)));
        }
        (MethodChoice::Auto | MethodChoice::Off, Err(field)) => {
            return Ok(Hidden {
                missing: vec![format!(
                    "timewait and request sockets by a hook (this kernel has no field {field})"
                )],
                ..Hidden::default()
            });
        }
    };
    match choice {
        MethodChoice::Off => Ok(Hidden::default()),
        MethodChoice::Only(Method::Fentry) => {
            fentry(object, types, found).map_err(LiveError::Method)
        }
        MethodChoice::Only(Method::Timer) => timer(object, types, found).map_err(LiveError::Method),
        MethodChoice::Auto => Ok(either(object, types, found)),
    }
}

fn either(object: &mut Programs<'_>, types: &KernelBtf, found: &Found) -> Hidden {
    let refused = match fentry(object, types, found) {
        Ok(hidden) => return hidden,
        Err(error) => error,
    };
    match timer(object, types, found) {
        Ok(hidden) => hidden,
        Err(error) => Hidden {
            missing: vec![format!(
                "timewait and request sockets by a hook ({refused}; {error})"
            )],
            ..Hidden::default()
        },
    }
}

fn fentry(
    object: &mut Programs<'_>,
    types: &KernelBtf,
    found: &Found,
) -> Result<Hidden, MethodError> {
    let mut hidden = Hidden {
        timewait: Some(Method::Fentry),
        ..Hidden::default()
    };
    let mut hooks = TIMEWAIT.to_vec();
    if found.config.dance_schedules != 0 {
        hooks.push(TIMEWAIT_BEGINS);
    }
    hooks.push(match found.config.kill_tells_ends {
        0 => TIMEWAIT_REMOVED,
        _ => TIMEWAIT_KILLED,
    });
    let attached = hooks
        .iter()
        .try_for_each(|&hook| enter(object, types, hook));
    if let Err(error) = attached {
        hooks.iter().for_each(|&(name, _)| unload(object, name));
        return Err(error);
    }
    let requests = enter(object, types, REQUEST_COMPLETED).and_then(|()| {
        REQUESTS
            .iter()
            .try_for_each(|&hook| leave(object, types, hook))
    });
    match requests {
        Ok(()) => hidden.requests = Some(Method::Fentry),
        Err(error) => {
            let names = REQUESTS.iter().chain([&REQUEST_COMPLETED]);
            names.for_each(|&(name, _)| unload(object, name));
            hidden
                .missing
                .push(format!("half-open connections ({error})"));
        }
    }
    note_addresses(found, &mut hidden);
    Ok(hidden)
}

fn timer(
    object: &mut Programs<'_>,
    types: &KernelBtf,
    found: &Found,
) -> Result<Hidden, MethodError> {
    if found.config.timewait_handler == 0 {
        let why = match &found.without_addresses {
            Some(error) => error.to_string(),
            None => "the kernel does not tell where tw_timer_handler lies".to_owned(),
        };
        return Err(MethodError::new(Method::Timer, why, false));
    }
    let mut hidden = Hidden {
        timewait: Some(Method::Timer),
        requests: (found.config.request_handler != 0).then_some(Method::Timer),
        ..Hidden::default()
    };
    let attached = TIMERS.iter().try_for_each(|&hook| {
        track(object, types, hook).map_err(|error| MethodError::of(Method::Timer, hook.1, &error))
    });
    if let Err(error) = attached {
        TIMERS.iter().for_each(|&(name, _)| unload(object, name));
        return Err(error);
    }
    hidden.sees_silent_rearms = packets(object, types).is_ok();
    if hidden.requests.is_none() {
        let what =
            "half-open connections (the kernel does not tell where reqsk_timer_handler lies)";
        hidden.missing.push(what.to_owned());
    }
    note_addresses(found, &mut hidden);
    Ok(hidden)
}

/// Attaches to the freeing of packets. Kernels before Linux 6.11 do not name the socket there and
/// refuse the program.
fn packets(object: &mut Programs<'_>, types: &KernelBtf) -> Result<(), ProgramError> {
    let attached = track(object, types, PACKETS);
    if attached.is_err() {
        unload(object, PACKETS.0);
    }
    attached
}

fn note_addresses(found: &Found, hidden: &mut Hidden) {
    if let Some(error) = &found.without_addresses {
        hidden
            .missing
            .push(format!("why a timewait or request socket ended ({error})"));
    }
}

fn enter(
    object: &mut Programs<'_>,
    types: &KernelBtf,
    (name, function): Hooked,
) -> Result<(), MethodError> {
    let program: &mut FEntry = program(object, Method::Fentry, name)?;
    program
        .load(function, types)
        .and_then(|()| program.attach())
        .map(drop)
        .map_err(|error| MethodError::of(Method::Fentry, function, &error))
}

fn leave(
    object: &mut Programs<'_>,
    types: &KernelBtf,
    (name, function): Hooked,
) -> Result<(), MethodError> {
    let program: &mut FExit = program(object, Method::Fentry, name)?;
    program
        .load(function, types)
        .and_then(|()| program.attach())
        .map(drop)
        .map_err(|error| MethodError::of(Method::Fentry, function, &error))
}

pub(super) fn track(
    object: &mut Programs<'_>,
    types: &KernelBtf,
    (name, tracepoint): Hooked,
) -> Result<(), ProgramError> {
    let program = object.program_mut(name).ok_or(ProgramError::NotLoaded)?;
    let program: &mut BtfTracePoint = program.try_into()?;
    program.load(tracepoint, types)?;
    program.attach().map(drop)
}

fn program<'a, P>(
    object: &'a mut Programs<'_>,
    method: Method,
    name: &'static str,
) -> Result<&'a mut P, MethodError>
where
    &'a mut P: TryFrom<&'a mut Program, Error = ProgramError>,
{
    object
        .program_mut(name)
        .ok_or(ProgramError::NotLoaded)
        .and_then(TryInto::try_into)
        .map_err(|error| MethodError::of(method, name, &error))
}

/// Detaches and unloads a program; one that is not loaded stays so.
pub(super) fn unload(object: &mut Programs<'_>, name: &str) {
    if let Some(program) = object.program_mut(name) {
        let _ = match program {
            Program::FEntry(program) => program.unload(),
            Program::FExit(program) => program.unload(),
            Program::BtfTracePoint(program) => program.unload(),
            _ => Ok(()),
        };
    }
}
