//! A finding for a person: what was seen, of what, what it means, and what to look at.

use super::words::{look_at, means, state};
use crate::model::{FindingKind, Naming, TcpState, Threshold};
use crate::sink::text::fold::block;
use crate::sink::text::{Text, counted, duration, grouped, process};
use crate::stats::findings::{Detail, Example, Finding, PortsShort, Service};

impl Text {
    /// A finding, a block of lines.
    pub fn finding(&self, finding: &Finding) -> String {
        let kind = finding.kind;
        let palette = self.palette();
        let mut parts = vec![self.seen(finding)];
        parts.extend(figures(finding));
        parts.extend(self.when(finding));
        let line = format!("{kind}: {}", parts.join(" · "));
        let mut out = block("▲ ", "  ", &line, self.width, |line| {
            line.replacen(kind.name(), &palette.warn(kind.name()), 1)
        });
        let mut tell = |lines: Vec<String>| {
            for line in lines {
                out += &block("  ", "    ", &line, self.width, str::to_owned);
            }
        };
        tell(self.objects(finding));
        if !matches!(finding.detail, Detail::PerRequest { .. }) {
            // There the services say all of it.
            tell(finding.connections.iter().map(connection).collect());
        }
        let dim = |line: &str| palette.dim(line);
        let means = means(kind, self.names);
        out += &block("  means: ", "         ", &means, self.width, str::to_owned);
        let look_at = look_at(kind, self.names);
        out + &block("  look at: ", "           ", &look_at, self.width, dim)
    }

    /// What was seen, in a sentence.
    fn seen(&self, finding: &Finding) -> String {
        let least = if finding.is_least { "at least " } else { "" };
        let number = grouped(finding.count);
        let are = |one: &'static str, many: &'static str| match finding.count {
            1 => one,
            _ => many,
        };
        let of = |noun: &str| format!("{least}{}", counted(finding.count, noun));
        let within = match finding.threshold {
            Threshold::Within { count, ns } => {
                format!("({} or more within {})", grouped(count), duration(ns))
            }
            Threshold::Share { percent } => format!("{percent} % or more"),
            Threshold::Lasts { ns } if finding.kind == FindingKind::FinWait2 => {
                format!("for {} or longer, or till it expired", duration(ns))
            }
            Threshold::Lasts { ns } => format!("for {} or longer", duration(ns)),
            Threshold::Count(_) => String::new(),
        };
        match &finding.detail {
            Detail::Stayed { .. } => {
                let name = state(finding.kind).map(|state| state.named(self.names).to_string());
                let name = name.unwrap_or_default();
                format!("{} stayed in {name} {within}", of("connection"))
            }
            Detail::Unanswered { .. } => {
                format!("{} {} not answered", of("connect"), are("was", "were"))
            }
            Detail::Refused => format!("{} {} refused", of("connect"), are("was", "were")),
            Detail::Ports { .. } => format!(
                "local ports ran short ({within} in use, or none left) towards {}",
                of("end")
            ),
            Detail::PerRequest { .. } => format!(
                "{} opened where one just closed could have been kept {within}",
                of("connection")
            ),
            Detail::Resets { .. } => {
                format!("{} {} reset {within}", of("connection"), are("was", "were"))
            }
            Detail::HalfOpen { .. } => {
                format!(
                    "{} failed or waited in vain {within}",
                    of("half-open connection")
                )
            }
            Detail::Queue { .. } => {
                let times = are("time", "times");
                format!("an accept queue had no room {least}{number} {times}")
            }
        }
    }

    /// From when until when.
    fn when(&self, finding: &Finding) -> Option<String> {
        let of_day = |at| self.clock.time_of_day(at);
        match (finding.since, finding.until) {
            (Some(since), Some(until)) if since == until => Some(of_day(since)),
            (Some(since), Some(until)) => Some(format!("{} – {}", of_day(since), of_day(until))),
            _ => None,
        }
    }

    /// What else than connections it is about.
    fn objects(&self, finding: &Finding) -> Vec<String> {
        match &finding.detail {
            Detail::Ports { ends, .. } => {
                let ports = |one| ports(one, self.names);
                ends.iter().map(ports).collect()
            }
            Detail::PerRequest { services } => {
                let Threshold::Within { ns, .. } = finding.threshold else {
                    return Vec::new();
                };
                services.iter().map(|one| service(one, ns)).collect()
            }
            _ => Vec::new(),
        }
    }
}

/// Figures beside the number, those that are not zero.
fn figures(finding: &Finding) -> Vec<String> {
    let of = |number: u64, what: &str| (number, format!("{} {what}", grouped(number)));
    let figures = match &finding.detail {
        Detail::Stayed {
            longest_ns,
            still,
            expired,
        } => vec![
            of(*still, "still"),
            of(*expired, "expired"),
            (
                *longest_ns,
                format!("longest seen {}", duration(*longest_ns)),
            ),
        ],
        Detail::Unanswered {
            timed_out,
            given_up,
            still,
        } => vec![
            of(*timed_out, "timed out"),
            of(*given_up, "given up"),
            of(*still, "waiting still"),
        ],
        Detail::Ports { no_port, .. } => {
            let connects = counted(*no_port, "connect");
            vec![(*no_port, format!("{connects} found none"))]
        }
        Detail::Resets {
            most,
            by_peer,
            by_us,
        } => vec![
            (*most, at_most(*most, finding)),
            of(*by_peer, "in all by the peer"),
            of(*by_us, "in all by this host"),
        ],
        Detail::HalfOpen {
            most,
            timed_out,
            reset,
            still,
        } => vec![
            (*most, at_most(*most, finding)),
            of(*timed_out, "in all timed out"),
            of(*reset, "in all reset"),
            of(*still, "waiting still"),
        ],
        Detail::Queue { failed, kernel } => {
            let failed = of(*failed, "of them half-open connections that failed");
            let kernel = kernel
                .iter()
                .map(|(name, moved)| (*moved, format!("{name} {}", grouped(*moved))));
            [failed].into_iter().chain(kernel).collect()
        }
        Detail::Refused | Detail::PerRequest { .. } => Vec::new(),
    };
    let some = figures.into_iter().filter(|(number, _)| *number > 0);
    some.map(|(_, text)| text).collect()
}

fn at_most(most: u64, finding: &Finding) -> String {
    match finding.threshold {
        Threshold::Within { ns, .. } => {
            format!("at most {} within {}", grouped(most), duration(ns))
        }
        _ => grouped(most),
    }
}

fn connection(example: &Example) -> String {
    let mut parts = vec![format!(
        "{} → {}",
        example.tuple.local, example.tuple.remote
    )];
    if example.owner.process.is_some() {
        parts.push(process(example.owner.process, None));
    }
    parts.extend(example.ns.map(|ns| match example.is_open {
        true => format!("{} so far", duration(ns)),
        false => duration(ns),
    }));
    parts.join(" · ")
}

fn ports(short: &PortsShort, names: Naming) -> String {
    let towards = &short.towards;
    let mut parts = vec![format!("{} → {}", towards.local, towards.remote)];
    parts.push(match short.usable {
        Some(usable) => {
            let percent = short.most.saturating_mul(100) / usable.max(1);
            let (most, usable) = (grouped(short.most), grouped(usable));
            format!("{most} of {usable} in use ({percent} %)")
        }
        None => format!("{} in use", grouped(short.most)),
    });
    if short.time_wait > 0 {
        let name = TcpState::TimeWait.named(names);
        parts.push(format!("{} in {name}", grouped(short.time_wait)));
    }
    if short.no_port > 0 {
        parts.push(format!("{} found none", counted(short.no_port, "connect")));
    }
    parts.join(" · ")
}

fn service(service: &Service, within_ns: u64) -> String {
    format!(
        "{} → {} · {} · at most {} within {}",
        process(Some(service.process), None),
        service.remote,
        counted(service.count, "connection"),
        grouped(service.most),
        duration(within_ns),
    )
}
