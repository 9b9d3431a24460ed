//! The verbs that print a page: `states` and `doctor`.

use std::io::{self, Write};

use super::failure::Failure;
use super::writer::{terminal_width, use_color};
use crate::cli::args::{DoctorArgs, StatesArgs};
use crate::cli::exit::Exit;
use crate::sink::doctor;
use crate::source::preflight::Host;
use crate::states::{self, Style};

pub(super) fn states(args: &StatesArgs) -> Result<Exit, Failure> {
    let style = Style {
        names: args.names.into(),
        color: use_color(args.color),
        width: terminal_width().unwrap_or(80),
    };
    let page = match (&args.name, args.diagram, args.svg) {
        (_, true, true) => states::svg(&style),
        (_, true, false) => states::diagram(&style),
        (None, false, _) => states::overview(&style),
        (Some(name), false, _) => {
            let state = states::find(name).map_err(|error| Failure::Usage(error.to_string()))?;
            states::page(state, &style)
        }
    };
    print(page.as_bytes())?;
    Ok(Exit::Done)
}

pub(super) fn doctor(args: &DoctorArgs) -> Result<Exit, Failure> {
    let mut report = Host::this().report();
    report.checks.push(crate::privilege::offered());
    if args.json {
        print(&doctor::json(&report, env!("CARGO_PKG_VERSION")))?;
    } else {
        let width = terminal_width().unwrap_or(80);
        print(doctor::text(&report, width, use_color(args.color)).as_bytes())?;
    }
    Ok(match report.is_traceable() {
        true => Exit::Done,
        false => Exit::NotAllowed,
    })
}

fn print(page: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(page)
        .and_then(|()| out.flush())
        .map_err(Failure::Write)
}
