//! What a trace finds wrong, and whether that fails the run.

use super::failure::Failure;
use super::say;
use crate::cli::findings::FindingPlan;
use crate::evidence::Namespace;
use crate::model::{FindingKind, MonoNs};
use crate::sink::Session;
use crate::stats::Summary;
use crate::stats::findings::{Finding, Findings};
use crate::track::Output;

/// Judges a trace, if anybody wants to know.
pub(super) struct Found {
    /// Until the trace has ended.
    findings: Option<Findings>,
    fail_on: Vec<FindingKind>,
    named: Vec<FindingKind>,
    has_learnt: bool,
    is_failed: bool,
}

impl Found {
    /// Begins; `is_told` says whether findings are written.
    pub(super) fn new(plan: &FindingPlan, is_told: bool) -> Self {
        let is_wanted = is_told || !plan.fail_on.is_empty();
        Self {
            findings: is_wanted.then(|| Findings::new(&plan.thresholds)),
            fail_on: plan.fail_on.clone(),
            named: plan.named.clone(),
            has_learnt: false,
            is_failed: false,
        }
    }

    /// Refuses to judge what this trace does not tell of: that nothing was found would pass for an answer.
    pub(super) fn refuse(&self, session: &Session) -> Result<(), Failure> {
        let lacks = |kind: FindingKind| {
            let is_classic = session.hook == "tracepoint";
            let are_followed = session.half_open != "off";
            match kind {
                FindingKind::CloseWait
                | FindingKind::LastAck
                | FindingKind::FinWait1
                | FindingKind::FinWait2 => None,
                FindingKind::HalfOpenFlood if !are_followed => {
                    Some("half-open connections are not followed (`--time-wait fentry` or `timer`)")
                }
                _ if is_classic => {
                    Some("it takes what the classic hook does not tell (`--hook btf`)")
                }
                _ => None,
            }
        };
        let mut lacking = self
            .named
            .iter()
            .filter_map(|&kind| Some((kind, lacks(kind)?)));
        match lacking.next() {
            None => Ok(()),
            Some((kind, why)) => Err(Failure::NotAllowed(format!(
                "cannot fail on {kind}: {why}; leave it out"
            ))),
        }
    }

    /// Learns what network namespaces allowed as the trace began. What they allow later is not part of each
    /// trace's course, so it is not looked at.
    pub(super) fn learn(&mut self, namespaces: &[Namespace]) {
        let already = std::mem::replace(&mut self.has_learnt, true);
        let (Some(findings), false) = (&mut self.findings, already) else {
            return;
        };
        for namespace in namespaces {
            if let Some(settings) = &namespace.settings {
                findings.learn(namespace.inode, settings);
            }
        }
        findings.learnt();
    }

    pub(super) fn add(&mut self, output: &Output) {
        if let Some(findings) = &mut self.findings {
            findings.add(output);
        }
    }

    /// The trace has ended: returns what was found, and says which of it fails the run.
    pub(super) fn finish(
        &mut self,
        summary: &Summary,
        end: MonoNs,
        is_quiet: bool,
    ) -> Vec<Finding> {
        let Some(findings) = self.findings.take() else {
            return Vec::new();
        };
        let kernel = summary.kernel.as_deref().unwrap_or_default();
        let found = findings.finish(end, summary.evicted, kernel);
        let fails = found
            .iter()
            .filter(|finding| self.fail_on.contains(&finding.kind));
        let fails: Vec<String> = fails
            .map(|finding| format!("{} ({})", finding.kind, finding.count))
            .collect();
        self.is_failed = !fails.is_empty();
        if self.is_failed && !is_quiet {
            say(&format!(
                "found, and not to be (--fail-on): {}",
                fails.join(", ")
            ));
        }
        found
    }

    /// Returns whether something was found that fails the run.
    pub(super) fn is_failed(&self) -> bool {
        self.is_failed
    }
}
