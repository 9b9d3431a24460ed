//! The comparison itself: what agrees, what differs, and what cannot be held against anything.

use std::collections::BTreeMap;

use super::counts::{Counter, Counts};
use super::{Comparison, Reconciler, note};

/// Counters of which nothing that is traced tells by how much they should move: they are told where
/// they did.
const ALONE: [&str; 7] = [
    "TcpExt.ListenOverflows",
    "TcpExt.ListenDrops",
    "TcpExt.TCPReqQFullDrop",
    "TcpExt.TCPReqQFullDoCookies",
    "TcpExt.SyncookiesSent",
    "TcpExt.SyncookiesRecv",
    "TcpExt.SyncookiesFailed",
];

impl Reconciler {
    /// Compares, or says that it cannot: `None` where nothing was read at the end.
    ///
    /// A namespace that had gone by the end takes its counters with it, so its changes are left
    /// out; one that came meanwhile began at zero. Where the hook does not tell namespaces apart,
    /// all are compared as one, and a difference says nothing.
    pub fn compare(&self) -> Vec<Comparison> {
        let has_end =
            |netns: &Option<u32>| netns.is_none_or(|netns| self.ends.contains_key(&netns));
        let sum = |by_netns: &BTreeMap<Option<u32>, Counts>| {
            let mut total = Counts::default();
            for (_, counts) in by_netns.iter().filter(|(netns, _)| has_end(netns)) {
                total.add(*counts);
            }
            total
        };
        let counted = sum(&self.counted);
        let uncertain = sum(&self.uncertain);
        let undecided = |counter| counted.get(counter) + uncertain.get(counter);
        let of = |name, counter| Comparison {
            counter: name,
            kernel: None,
            traced: Some(counted.get(counter)),
            agree: None,
            uncertain: uncertain.get(counter).unsigned_abs(),
            note: None,
        };

        let mut attempts = of("Tcp.AttemptFails", Counter::AttemptFails);
        attempts.uncertain += undecided(Counter::AttemptsUndecided).unsigned_abs();
        let mut more = Some(note::HALF_OPEN);
        if self.tells.request_ends {
            // With `tcp_abort_on_overflow`, a full queue ends a request socket like a reset does.
            let overflows = self.moved("TcpExt.ListenOverflows").unwrap_or(0);
            let resets = undecided(Counter::EmbryonicRsts);
            attempts.uncertain += overflows.min(resets).unsigned_abs();
            more = None;
        }
        let mut all = vec![
            self.judge(of("Tcp.ActiveOpens", Counter::ActiveOpens), None),
            self.judge(of("Tcp.PassiveOpens", Counter::PassiveOpens), None),
            self.judge(attempts, more),
            self.judge(of("Tcp.EstabResets", Counter::EstabResets), None),
            self.judge_current(
                of("Tcp.CurrEstab", Counter::CurrEstab),
                of("Tcp.CurrEstab", Counter::CurrEstabOrCloseWait),
            ),
        ];
        let begins = self.tells.timewait_hz.is_some();
        let overflows = undecided(Counter::OverflowsUndecided) == 0;
        let told = [
            ("TcpExt.TW", Counter::Tw, begins),
            ("TcpExt.TWKilled", Counter::TwKilled, begins),
            (
                "TcpExt.TWRecycled",
                Counter::TwRecycled,
                self.tells.timewait_ends,
            ),
            (
                "TcpExt.TCPTimeWaitOverflow",
                Counter::TcpTimeWaitOverflow,
                overflows,
            ),
            (
                "TcpExt.EmbryonicRsts",
                Counter::EmbryonicRsts,
                self.tells.request_ends,
            ),
        ];
        for (name, counter, is_told) in told {
            match is_told {
                true => all.push(self.judge(of(name, counter), None)),
                false => all.extend(self.alone(name)),
            }
        }
        all.extend(ALONE.into_iter().filter_map(|name| self.alone(name)));
        for one in &mut all {
            one.counter = one
                .counter
                .split_once('.')
                .map_or(one.counter, |(_, name)| name);
        }
        all
    }

    /// Tells of a counter that nothing can be held against, if it moved.
    fn alone(&self, name: &'static str) -> Option<Comparison> {
        let moved = self.moved(name).filter(|&moved| moved != 0)?;
        Some(Comparison {
            counter: name,
            kernel: Some(moved),
            traced: None,
            agree: None,
            uncertain: 0,
            note: None,
        })
    }

    /// Holds a figure against the kernel's. `more` says what a kernel that counted more may have
    /// counted that no trace can show.
    fn judge(&self, mut one: Comparison, more: Option<&'static str>) -> Comparison {
        one.kernel = self.moved(one.counter);
        let (Some(kernel), Some(traced)) = (one.kernel, one.traced) else {
            one.note = (!self.ends.is_empty()).then_some(note::REUSED);
            return one;
        };
        if kernel.abs_diff(traced) <= one.uncertain {
            one.agree = Some(true);
        } else if self.counted.contains_key(&None) {
            one.note = Some(note::NAMESPACES);
        } else if kernel > traced && more.is_some() {
            one.note = more;
        } else {
            one.agree = Some(false);
        }
        one
    }

    /// Holds the number of connections there are against the kernel's, by the meaning that this
    /// kernel gives it; where that is not known, by both.
    fn judge_current(&self, alone: Comparison, with_close_wait: Comparison) -> Comparison {
        match self.counts_close_wait {
            Some(true) => return self.judge(with_close_wait, None),
            Some(false) => return self.judge(alone, None),
            None => {}
        }
        let same = alone.traced == with_close_wait.traced;
        let mut judged = self.judge(alone, None);
        let other = self.judge(with_close_wait, None);
        if same || judged.agree == other.agree {
            return other;
        }
        if judged.agree != Some(true) {
            judged = other;
        }
        judged.agree = None;
        judged.note = Some(note::CLOSE_WAIT);
        judged
    }

    /// By how much a counter moved, all namespaces together.
    ///
    /// `None` where it cannot be read, and where one ran backwards: then the namespace is another
    /// one, which was given the number of one that has gone.
    fn moved(&self, counter: &str) -> Option<i64> {
        let is_current = counter == "Tcp.CurrEstab";
        let mut total = 0;
        for (netns, end) in &self.ends {
            let end = i64::try_from(end.counters.get(counter)?).ok()?;
            let start = match self.starts.get(netns) {
                Some(start) => i64::try_from(start.counters.get(counter)?).ok()?,
                None => 0,
            };
            if end < start && !is_current {
                return None;
            }
            total += end - start;
        }
        (!self.ends.is_empty()).then_some(total)
    }
}
