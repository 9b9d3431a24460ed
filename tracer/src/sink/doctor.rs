//! What a host allows, written for people and for programs.
//!
//! **Owns:** the schema `tracer-doctor/1`.
//! **Never:** the looking, or the verdicts.
//!
//! # JSON
//!
//! One object, on one line:
//!
//! | field | holds |
//! | --- | --- |
//! | `type` | `"doctor"` |
//! | `schema` | `"tracer-doctor/1"`; the fields here stay, more may be added |
//! | `tracer` | version of the agent |
//! | `traceable` | whether a trace would start |
//! | `hook` | `"tp_btf"` or `"tracepoint"`, which `--hook auto` would take; `null` if not traceable |
//! | `reasons` | why it is not traceable: texts, empty if it is |
//! | `checks` | one object for each check, in reading order |
//! | `checks[].name` | the same on every host |
//! | `checks[].verdict` | `"ok"`, `"limited"`, `"missing"`, or `"unknown"`: it could not be told |
//! | `checks[].found` | what was found, as text |
//! | `checks[].means` | what that means for a trace, as text |
//! | `checks[].advice` | what to do about it, as text; `null` where nothing needs doing |
//!
//! ```json
#![doc = include_str!("doctor_example.json")]
//! ```

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use super::json_line::json_line;
use crate::model::host::{Check, Conclusion, HostReport, Verdict};
use crate::model::printable;

/// Name and version of the schema.
pub const SCHEMA: &str = "tracer-doctor/1";

/// Column in which what was found begins.
const TEXT: usize = 27;
/// Widest text in columns.
const WIDEST: usize = 100;

/// Writes the report for people, in lines of at most `width` columns, 100 at most.
pub fn text(report: &HostReport, width: usize, color: bool) -> String {
    let width = width.clamp(TEXT + 20, WIDEST);
    let mut page = String::new();
    for check in &report.checks {
        write_check(&mut page, check, width, color);
    }
    page.push('\n');
    page.push_str(&conclusion(report, width, color));
    page
}

/// Writes the report as one line of JSON. `tracer` is the version of the agent.
pub fn json(report: &HostReport, tracer: &str) -> Vec<u8> {
    let (hook, reasons): (_, &[String]) = match &report.conclusion {
        Conclusion::Traceable { hook } => (Some(*hook), &[]),
        Conclusion::NotTraceable { reasons } => (None, reasons),
    };
    let value = ReportValue {
        r#type: "doctor",
        schema: SCHEMA,
        tracer,
        traceable: report.is_traceable(),
        hook,
        reasons,
        checks: report.checks.iter().map(CheckValue::from).collect(),
    };
    json_line(&value)
}

fn write_check(page: &mut String, check: &Check, width: usize, color: bool) {
    let word = paint(
        style(check.verdict),
        &format!("{:<9}", word(check.verdict)),
        color,
    );
    let name = paint(Style::new().bold(), &format!("{:<18}", check.name), color);
    let mut margin = format!("{word}{name}");
    let mut write = |text: &str, first: &str, paint: &dyn Fn(&str) -> String| {
        let indent = " ".repeat(first.chars().count());
        for (index, line) in wrap(text, width - TEXT - indent.len()).iter().enumerate() {
            let before = if index == 0 { first } else { &indent };
            let _ = writeln!(page, "{margin}{before}{}", paint(line));
            margin = " ".repeat(TEXT);
        }
    };
    write(&check.found, "", &str::to_owned);
    write(&check.means, "", &|line| {
        paint(Style::new().dimmed(), line, color)
    });
    if let Some(advice) = &check.advice {
        write(advice, "→ ", &str::to_owned);
    }
}

fn conclusion(report: &HostReport, width: usize, color: bool) -> String {
    match &report.conclusion {
        Conclusion::Traceable { hook } => {
            let line = format!("this host can be traced via {hook}");
            paint(style(Verdict::Ok).bold(), &line, color) + "\n"
        }
        Conclusion::NotTraceable { reasons } => {
            let text = format!("this host cannot be traced: {}", reasons.join("; "));
            let style = style(Verdict::Missing).bold();
            let lines = wrap(&text, width);
            lines
                .iter()
                .map(|line| paint(style, line, color) + "\n")
                .collect()
        }
    }
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Ok => "ok",
        Verdict::Limited => "limited",
        Verdict::Missing => "missing",
        Verdict::Unknown => "unknown",
    }
}

fn style(verdict: Verdict) -> Style {
    match verdict {
        Verdict::Ok => AnsiColor::Green.on_default(),
        Verdict::Limited => AnsiColor::Yellow.on_default(),
        Verdict::Missing => AnsiColor::Red.on_default(),
        Verdict::Unknown => AnsiColor::Cyan.on_default(),
    }
}

fn paint(style: Style, text: &str, color: bool) -> String {
    if color {
        format!("{style}{text}{style:#}")
    } else {
        text.to_owned()
    }
}

/// Breaks a text into lines of at most `width` columns, with control characters escaped: a path may
/// hold any.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let safe = printable(word);
        if let Some(line) = lines.last_mut()
            && line.chars().count() + 1 + safe.chars().count() <= width
        {
            line.push(' ');
            line.push_str(&safe);
            continue;
        }
        lines.push(safe);
    }
    lines
}

#[derive(Serialize)]
struct ReportValue<'a> {
    r#type: &'static str,
    schema: &'static str,
    tracer: &'a str,
    traceable: bool,
    hook: Option<&'static str>,
    reasons: &'a [String],
    checks: Vec<CheckValue<'a>>,
}

#[derive(Serialize)]
struct CheckValue<'a> {
    name: &'static str,
    verdict: &'static str,
    found: &'a str,
    means: &'a str,
    advice: Option<&'a str>,
}

impl<'a> From<&'a Check> for CheckValue<'a> {
    fn from(check: &'a Check) -> Self {
        Self {
            name: check.name,
            verdict: word(check.verdict),
            found: &check.found,
            means: &check.means,
            advice: check.advice.as_deref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> HostReport {
        let check = |name, verdict, found: &str, advice: Option<&str>| Check {
            name,
            verdict,
            found: found.to_owned(),
            means: "A sentence about what it means for a trace on this very host, rather long."
                .to_owned(),
            advice: advice.map(str::to_owned),
        };
        HostReport {
            checks: vec![
                check("kernel", Verdict::Ok, "Linux 6.12.117", None),
                check(
                    "tracefs",
                    Verdict::Missing,
                    "not mounted",
                    Some("mount -t tracefs tracefs /sys/kernel/tracing"),
                ),
            ],
            conclusion: Conclusion::Traceable { hook: "tp_btf" },
        }
    }

    #[test]
    fn the_text_stands_in_columns() {
        assert_eq!(
            text(&report(), 80, false),
            "\
ok       kernel            Linux 6.12.117
                           A sentence about what it means for a trace on this
                           very host, rather long.
missing  tracefs           not mounted
                           A sentence about what it means for a trace on this
                           very host, rather long.
                           → mount -t tracefs tracefs /sys/kernel/tracing

this host can be traced via tp_btf
"
        );
    }

    #[test]
    fn colour_is_only_where_it_was_asked_for_and_never_from_outside() {
        let mut report = report();
        report.checks[0].found = "a\x1b[2Jb\nc".to_owned();
        assert!(text(&report, 80, true).contains("\x1b[31mmissing"));
        let plain = text(&report, 80, false);
        assert!(!plain.contains('\x1b'), "{plain}");
        assert!(plain.contains("a\\u{1b}[2Jb\\u{a}c"), "{plain}");
    }

    #[test]
    fn a_host_that_cannot_be_traced_says_why() {
        let mut report = report();
        report.conclusion = Conclusion::NotTraceable {
            reasons: vec![
                "kernel: Linux 5.4 is older than 5.12".to_owned(),
                "b".to_owned(),
            ],
        };
        let page = text(&report, 80, false);
        let last = "\nthis host cannot be traced: kernel: Linux 5.4 is older than 5.12; b\n";
        assert!(page.ends_with(last), "{page}");
        let value: serde_json::Value =
            serde_json::from_slice(&json(&report, "0.1.0")).expect("JSON");
        assert_eq!(value["traceable"], false);
        assert_eq!(value["hook"], serde_json::Value::Null);
        assert_eq!(value["reasons"][1], "b");
    }

    #[test]
    fn the_json_is_the_documented_example() {
        let line = String::from_utf8(json(&report(), "0.1.0")).expect("UTF-8");
        assert_eq!(line, include_str!("doctor_example.json"));
    }
}
