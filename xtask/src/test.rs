//! `cargo xtask test`: everything that can be checked here, and a last line that says how it went.
//!
//! **Owns:** the order of the steps, and what a filter leaves out.
//! **Never:** stops at the first failure, unless nothing after it can run.

pub(crate) mod outcome;
pub(crate) mod report;
pub(crate) mod suites;

use std::process::ExitCode;

use anyhow::Result;

use crate::place::Place;
use crate::{build, cmd, packages, tidy, vm};
use report::Report;

/// Runs all steps; with a filter, only the tests that it selects, on this machine alone.
pub(crate) fn all(filter: &[String], machines: bool) -> Result<ExitCode> {
    packages::install(&[packages::TESTS])?;
    let place = Place::find()?;
    let mut report = Report::new();
    if !report.step("agent", || build::agent().map(|_| ())) {
        return Ok(report.summary());
    }
    if filter.is_empty() {
        check_sources(&mut report, &place);
    }
    let mut suites = Vec::new();
    report.step("test programs", || {
        suites = suites::build(&place)?;
        Ok(())
    });
    for suite in &suites {
        report.tests(&suite.name(), || suite.run(&place, filter));
    }
    if !suites.is_empty() {
        report.tests("doc tests", || suites::documentation(&place, filter));
    }
    if machines && filter.is_empty() && !suites.is_empty() {
        vm::steps(&place, &suites, &mut report);
    }
    Ok(report.summary())
}

/// What can be said of the sources without running them.
fn check_sources(report: &mut Report, place: &Place) {
    report.step("tidy", || tidy::check(&place.workspace));
    report.step("fmt", || {
        cmd::run(place.cargo().args(["fmt", "--all", "--check"]))
    });
    report.step("clippy", || {
        let mut clippy = place.cargo();
        clippy.args(["clippy", "--workspace", "--all-targets"]);
        cmd::run(clippy.args(["--", "-D", "warnings"]))
    });
    report.step("rustdoc", || {
        let mut doc = place.cargo();
        doc.env("RUSTDOCFLAGS", "-D warnings").arg("doc");
        cmd::run(doc.args(["--workspace", "--no-deps", "--document-private-items"]))
    });
}
