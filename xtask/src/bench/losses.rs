//! What a contender says that it lost, and that it told.

use super::contender::Output;

/// Changes that it says it told; `None` where it does not count them.
pub(super) fn changes(output: Output, out: &str) -> Option<u64> {
    match output {
        Output::Text => out.lines().rev().find_map(changes_in_text),
        Output::Json => out
            .lines()
            .rev()
            .find_map(|line| in_summary(line, "changes")),
        Output::Csv | Output::Evidence | Output::Events => None,
    }
}

/// Sums up what it says in its two outputs that it lost.
pub(super) fn lost(output: Output, out: &str, err: &str) -> u64 {
    let shown = match output {
        Output::Evidence => sum(err, lost_in_recording),
        Output::Events => sum(out, lost_events),
        Output::Text => sum(out, lost_in_text),
        Output::Json => sum(out, |line| in_summary(line, "lost")),
        Output::Csv => sum(out, lost_in_csv),
    };
    shown + sum(err, lost_events)
}

/// Sums up what the lines of a text tell.
fn sum(text: &str, told: impl Fn(&str) -> Option<u64>) -> u64 {
    text.lines().filter_map(told).sum()
}

/// `lost 12 events on CPU #0`, as libbpf's tools and bpftrace put it.
fn lost_events(line: &str) -> Option<u64> {
    let line = line.to_ascii_lowercase();
    let (_, rest) = line.split_once("lost ")?;
    let (number, rest) = rest.split_once(' ')?;
    rest.starts_with("event").then(|| number.parse().ok())?
}

/// `120,000 changes · 40,000 connections · 12 lost · 1.5 s`.
fn lost_in_text(line: &str) -> Option<u64> {
    changes_in_text(line)?;
    let lost = line
        .split(" · ")
        .find_map(|part| part.strip_suffix(" lost"))?;
    number(lost)
}

fn changes_in_text(line: &str) -> Option<u64> {
    let (first, rest) = line.split_once(" · ")?;
    let (changes, _) = first.split_once(" change")?;
    rest.contains(" connection").then(|| number(changes))?
}

/// `1,234`.
fn number(text: &str) -> Option<u64> {
    text.replace(',', "").parse().ok()
}

/// `recorded FILE: 120,000 records, 12 lost, 3 not recorded, 700000 bytes`.
fn lost_in_recording(line: &str) -> Option<u64> {
    let parts = line.strip_prefix("recorded ")?.split(", ");
    let told = parts.filter_map(|part| {
        let number = part
            .strip_suffix(" lost")
            .or(part.strip_suffix(" not recorded"))?;
        self::number(number)
    });
    Some(told.sum())
}

/// A field of the summary.
fn in_summary(line: &str, field: &str) -> Option<u64> {
    if !line.starts_with("{\"type\":\"summary\"") {
        return None;
    }
    let summary: serde_json::Value = serde_json::from_str(line).ok()?;
    summary[field].as_u64()
}

/// The last column of the rows of the type `loss`.
fn lost_in_csv(line: &str) -> Option<u64> {
    line.strip_prefix("loss,")?.rsplit(',').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_tell_a_loss_is_read() {
        assert_eq!(lost_events("lost 12 events on CPU #0!"), Some(12));
        assert_eq!(lost_events("Lost 7 events"), Some(7));
        assert_eq!(lost_events("1 curl lost track of 9 events"), None);
        let text = "120,003 changes · 40,001 connections · 1,012 lost · 1.5 s";
        assert_eq!(lost_in_text(text), Some(1012));
        assert_eq!(
            lost_in_text("1 change · 1 connection · 0 lost · 1.5 s"),
            Some(0)
        );
        assert_eq!(lost_in_text("!! 12 changes lost between 1 and 2"), None);
        let summary = r#"{"type":"summary","changes":3,"lost":2}"#;
        assert_eq!(in_summary(summary, "lost"), Some(2));
        let recorded =
            "recorded a/b: 120,003 records, 1,012 lost, 3 not recorded, 7 bytes, 6.1 a record";
        assert_eq!(lost_in_recording(recorded), Some(1015));
        assert_eq!(in_summary(r#"{"type":"loss","lost":2}"#, "lost"), None);
        assert_eq!(lost_in_csv("loss,2026-01-01T00:00:00Z,5,,,12"), Some(12));
        assert_eq!(lost_in_csv("change,2026-01-01T00:00:00Z,5,,,"), None);
    }

    #[test]
    fn what_was_told_is_read_where_it_is_counted() {
        let text =
            "9 changes were seen\n120,003 changes · 40,001 connections · 0 lost · 1.5 s\nmore";
        assert_eq!(changes(Output::Text, text), Some(120_003));
        let json = "{\"type\":\"change\"}\n{\"type\":\"summary\",\"changes\":3,\"lost\":2}\n";
        assert_eq!(changes(Output::Json, json), Some(3));
        assert_eq!(changes(Output::Csv, "change,1,2"), None);
    }
}
