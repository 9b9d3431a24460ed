//! `cargo xtask vm`: the live tests on stock Debian kernels, each in a virtual machine of its own, all at once.
//!
//! **Owns:** which kernels, and that all of them run whatever becomes of the others.
//! **Never:** touches the kernel of this machine, and needs root only to install packages.
//!
//! The machine boots from memory alone: kernel, test programs and what they need, nothing else. They
//! are the very files that run on this machine.

mod accelerator;
mod archive;
mod console;
mod emulator;
mod kernel;
mod machine;
mod modules;
mod unpacking;
mod userland;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;

use crate::place::Place;
use crate::test::outcome::Outcome;
use crate::test::report::Report;
use crate::test::suites::{self, Suite};
use crate::{build, packages};
use emulator::Emulator;
use kernel::Series;
use machine::Machine;
use userland::Userland;

/// The kernels of Debian 12: the one that it came with, and the newest one that it offers.
const SERIES: [Series; 2] = [
    Series { major: 6, minor: 1 },
    Series {
        major: 6,
        minor: 12,
    },
];

/// What the verb takes.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Kernel series, such as 6.1; without any, 6.1 and 6.12
    kernels: Vec<Series>,
    /// What every test program gets; names select tests
    #[arg(last = true)]
    filter: Vec<String>,
}

/// Runs the tests on the kernels asked for, and prints one verdict a kernel.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    packages::install(&[packages::TESTS, packages::MACHINES])?;
    let place = Place::find()?;
    let emulator = Emulator::get(&directory(&place))?;
    let mut report = Report::new();
    let mut suites = Vec::new();
    let built = report.step("agent", || build::agent().map(|_| ()))
        && report.step("test programs", || {
            suites = suites::build(&place)?;
            Ok(())
        });
    if built {
        let series = match args.kernels.as_slice() {
            [] => &SERIES,
            chosen => chosen,
        };
        on_each(
            series,
            &emulator,
            &place,
            &suites,
            &args.filter,
            &mut report,
        );
    }
    Ok(report.summary())
}

/// The same as steps of all tests, once everything is built.
pub(crate) fn steps(place: &Place, suites: &[Suite], report: &mut Report) {
    let mut emulator = None;
    report.step("virtual machines", || {
        packages::install(&[packages::MACHINES])?;
        emulator = Some(Emulator::get(&directory(place))?);
        Ok(())
    });
    if let Some(emulator) = emulator {
        on_each(&SERIES, &emulator, place, suites, &[], report);
    }
}

fn on_each(
    series: &[Series],
    emulator: &Emulator,
    place: &Place,
    suites: &[Suite],
    filter: &[String],
    report: &mut Report,
) {
    let mut userland = None;
    let gathered = report.step("what runs inside", || {
        userland = Some(Userland::gather(place, suites, filter)?);
        Ok(())
    });
    let Some(userland) = userland.filter(|_| gathered) else {
        return;
    };
    let machines: Vec<_> = series
        .iter()
        .map(|&series| {
            let machine = prepare(series, emulator, place, &userland);
            let run = || machine.map_or_else(Outcome::not_started, Machine::run);
            (format!("linux {series}"), run)
        })
        .collect();
    // An emulated machine takes one CPU, and most of an hour for two of them would be waited away.
    report.tests_at_once(machines);
}

fn prepare(
    series: Series,
    emulator: &Emulator,
    place: &Place,
    userland: &Userland,
) -> Result<Machine> {
    let directory = directory(place);
    let kernel = kernel::get(series, &directory)?;
    machine::prepare(series, emulator, &kernel, userland, &directory)
}

/// Where kernels, QEMU where it is not installed, and consoles are kept.
fn directory(place: &Place) -> PathBuf {
    place.target.join("vm")
}
