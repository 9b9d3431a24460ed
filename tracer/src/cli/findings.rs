//! Options of whatever tells findings: from when on, and which of them fail a run.

use clap::Args as ClapArgs;

use super::parse::parse_duration;
use crate::model::{FindingKind, Threshold, Thresholds, printable};

/// From when on findings are told, and which of them fail a run.
#[derive(Clone, Debug, Default, ClapArgs)]
#[command(next_help_heading = "Findings")]
pub struct FindingArgs {
    /// Tell a finding from here on (close-wait=5min, reset-storm=20/1s), or never (fin-wait2=off).
    #[arg(long = "threshold", value_name = "NAME=VALUE", value_delimiter = ',', value_parser = parse_threshold, long_help = thresholds_help())]
    pub thresholds: Vec<(FindingKind, Option<Threshold>)>,
    /// Exit with 1 if one of these findings is there, or any of them: `--fail-on close-wait`, `--fail-on
    /// any`.
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = parse_fail_on)]
    pub fail_on: Vec<FailOn>,
}

/// What fails a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailOn {
    /// Whatever is found.
    Any,
    /// One finding.
    Kind(FindingKind),
}

/// How findings are told, and which of them fail a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FindingPlan {
    /// From when on each is told.
    pub thresholds: Thresholds,
    /// Those that fail a run.
    pub fail_on: Vec<FindingKind>,
    /// Those among them that were named one by one.
    pub named: Vec<FindingKind>,
}

impl FindingPlan {
    /// Makes the plan.
    ///
    /// # Errors
    ///
    /// A finding is to fail a run that is never told.
    pub fn new(args: &FindingArgs) -> Result<Self, String> {
        let mut thresholds = Thresholds::default();
        for &(kind, threshold) in &args.thresholds {
            thresholds.set(kind, threshold);
        }
        let named = |fail_on: &FailOn| match fail_on {
            FailOn::Kind(kind) => Some(*kind),
            FailOn::Any => None,
        };
        let named: Vec<FindingKind> = args.fail_on.iter().filter_map(named).collect();
        if let Some(off) = named.iter().find(|&&kind| thresholds.get(kind).is_none()) {
            return Err(format!(
                "cannot fail on {off}: `--threshold {off}=off` lets nothing be found of it; leave one of \
                 them out"
            ));
        }
        let fail_on = match args.fail_on.contains(&FailOn::Any) {
            true => FindingKind::ALL.to_vec(),
            false => named.clone(),
        };
        Ok(Self {
            thresholds,
            fail_on,
            named,
        })
    }
}

/// Reads what fails a run.
fn parse_fail_on(text: &str) -> Result<FailOn, String> {
    match text {
        "any" => Ok(FailOn::Any),
        name => kind(name)
            .map(FailOn::Kind)
            .map_err(|error| format!("{error}, or any of them: any")),
    }
}

/// Reads `NAME=VALUE`; the sort of value is the one that the finding has without it.
fn parse_threshold(text: &str) -> Result<(FindingKind, Option<Threshold>), String> {
    let Some((name, value)) = text.split_once('=') else {
        return Err(format!(
            "it is no NAME=VALUE, such as {}",
            example(kind(text)?)
        ));
    };
    let kind = kind(name)?;
    if value == "off" {
        return Ok((kind, None));
    }
    let said = |cause: &str| format!("{cause}; give {}, or {kind}=off", example(kind));
    let threshold = match kind.default_threshold() {
        Threshold::Lasts { .. } => Threshold::Lasts {
            ns: time(value).map_err(|cause| said(&cause))?,
        },
        Threshold::Count(_) => Threshold::Count(count(value).map_err(said)?),
        Threshold::Within { ns, .. } => {
            let (number, ns) = match value.split_once('/') {
                None => (value, ns),
                Some((number, within)) => (number, time(within).map_err(|cause| said(&cause))?),
            };
            Threshold::Within {
                count: count(number).map_err(said)?,
                ns,
            }
        }
        Threshold::Share { .. } => {
            let percent = value.strip_suffix('%').unwrap_or(value).parse();
            match percent {
                Ok(percent @ 1..=100) => Threshold::Share { percent },
                _ => return Err(said("it is no share of 1% to 100%")),
            }
        }
    };
    Ok((kind, Some(threshold)))
}

fn example(kind: FindingKind) -> String {
    format!("{kind}={}", kind.default_threshold())
}

fn kind(name: &str) -> Result<FindingKind, String> {
    FindingKind::from_name(name).ok_or_else(|| {
        let names = FindingKind::ALL.map(FindingKind::name).join(", ");
        format!("`{}` is none of {names}", printable(name))
    })
}

fn count(text: &str) -> Result<u64, &'static str> {
    match text.parse() {
        Ok(0) | Err(_) => Err("it is no number from 1 on"),
        Ok(count) => Ok(count),
    }
}

fn time(text: &str) -> Result<u64, String> {
    let time = parse_duration(text)?;
    u64::try_from(time.as_nanos()).map_err(|_| "it is too long".to_owned())
}

fn thresholds_help() -> String {
    let mut help =
        "Tell a finding from here on, or never (fin-wait2=off). What is told unless told \
                    otherwise:\n"
            .to_owned();
    for kind in FindingKind::ALL {
        let means = match kind {
            FindingKind::CloseWait => "in CLOSE_WAIT for so long: the program here does not close",
            FindingKind::ConnectTimeout => {
                "a connect timed out, or given up or waiting after so long"
            }
            FindingKind::ConnectRefused => "so many connects refused",
            FindingKind::LastAck => "in LAST_ACK for so long: nobody acknowledges",
            FindingKind::FinWait1 => "in FIN_WAIT1 for so long: nobody acknowledges",
            FindingKind::FinWait2 => "in FIN_WAIT2 for so long, or till it expired",
            FindingKind::PortExhaustion => "so many of the local ports towards one end in use",
            FindingKind::ConnectionPerRequest => {
                "so many connections of a process that one could replace"
            }
            FindingKind::ResetStorm => "so many connections reset within a time",
            FindingKind::HalfOpenFlood => "so many handshakes that failed within a time",
            FindingKind::AcceptQueueOverflow => "so many times no room in an accept queue",
        };
        help += &format!("\n{:<30} {means}", example(kind));
    }
    help
}

#[cfg(test)]
mod tests {
    use super::*;

    fn threshold(text: &str) -> Threshold {
        let (_, threshold) =
            parse_threshold(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        threshold.unwrap_or_else(|| panic!("{text}: off"))
    }

    #[test]
    fn each_sort_of_threshold_is_read() {
        const SECOND: u64 = 1_000_000_000;
        let within = |count, ns| Threshold::Within { count, ns };
        let lasts = |ns| Threshold::Lasts { ns };
        assert_eq!(threshold("close-wait=5min"), lasts(300 * SECOND));
        assert_eq!(threshold("connect-refused=7"), Threshold::Count(7));
        assert_eq!(threshold("reset-storm=20/1s"), within(20, SECOND));
        assert_eq!(threshold("half-open-flood=20"), within(20, 10 * SECOND));
        let share = |percent| Threshold::Share { percent };
        assert_eq!(threshold("port-exhaustion=95%"), share(95));
        assert_eq!(threshold("port-exhaustion=95"), share(95));
        assert_eq!(
            parse_threshold("last-ack=off"),
            Ok((FindingKind::LastAck, None))
        );
        for kind in FindingKind::ALL {
            assert_eq!(
                threshold(&example(kind)),
                kind.default_threshold(),
                "{kind}"
            );
        }
    }

    #[test]
    fn what_is_wrong_is_told_what_to_type() {
        for (text, next) in [
            ("close-wait", "close-wait=60s"),
            ("close-wait=", "close-wait=60s"),
            ("close-wait=20/1s", "close-wait=60s"),
            ("close-wait=0s", "close-wait=off"),
            ("reset-storm=0", "reset-storm=100/10s"),
            ("reset-storm=5/", "reset-storm=100/10s"),
            ("port-exhaustion=101%", "port-exhaustion=80%"),
            ("connect-refused=-1", "connect-refused=1"),
            ("storm=1", "reset-storm"),
            ("storm", "reset-storm"),
        ] {
            let said = parse_threshold(text).expect_err(text);
            assert!(said.contains(next), "{text}: {said}");
        }
    }

    #[test]
    fn a_name_that_is_none_is_refused_with_those_that_are() {
        let said = parse_fail_on("a\u{1b}[31m").expect_err("it is none");
        for kind in FindingKind::ALL {
            assert!(said.contains(kind.name()), "{kind}: {said}");
        }
        assert!(said.contains("any") && !said.contains('\u{1b}'), "{said}");
    }

    #[test]
    fn a_run_does_not_fail_of_what_is_never_told() {
        let args = |fail_on| FindingArgs {
            thresholds: vec![(FindingKind::LastAck, None)],
            fail_on: vec![fail_on],
        };
        let said = FindingPlan::new(&args(FailOn::Kind(FindingKind::LastAck)));
        assert!(said.expect_err("a contradiction").contains("last-ack=off"));
        let any = FindingPlan::new(&args(FailOn::Any)).expect("all the others");
        assert_eq!(any.fail_on.len(), FindingKind::ALL.len());
        assert_eq!(any.named, []);
    }
}
