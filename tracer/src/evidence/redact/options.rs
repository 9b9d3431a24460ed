//! Words of a command line: options stay, and of their values what names nothing.

use super::Redact;
use super::names::Kind;
use crate::model::Prefix;

/// What an option takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Takes {
    Nothing,
    /// Numbers and words that the agent knows.
    Plain,
    Addresses,
    Processes,
    Cgroup,
    Namespaces,
    /// A file of whoever typed it.
    File,
}

/// The options that filter.
const OPTIONS: [(&str, Takes); 21] = [
    ("--port", Takes::Plain),
    ("--lport", Takes::Plain),
    ("--rport", Takes::Plain),
    ("--addr", Takes::Addresses),
    ("--laddr", Takes::Addresses),
    ("--raddr", Takes::Addresses),
    ("-4", Takes::Nothing),
    ("-6", Takes::Nothing),
    ("--pid", Takes::Plain),
    ("--follow", Takes::Nothing),
    ("--comm", Takes::Processes),
    ("--uid", Takes::Plain),
    ("--cgroup", Takes::Cgroup),
    ("--netns", Takes::Namespaces),
    ("--state", Takes::Plain),
    ("-l", Takes::Nothing),
    ("--listening", Takes::Nothing),
    ("-a", Takes::Nothing),
    ("--all", Takes::Nothing),
    ("--record", Takes::File),
    ("--time-wait", Takes::Plain),
];

/// Parts of cgroup names that every host with systemd has.
const CGROUP_PARTS: [&str; 8] = [
    "system",
    "user",
    "machine",
    "init",
    "app",
    "session",
    "background",
    "",
];

/// Kinds of units, which stay.
const UNITS: [&str; 6] = [
    ".slice", ".scope", ".service", ".socket", ".mount", ".timer",
];

impl Redact {
    /// Returns the words of filters, such as `--comm`, `curl`, as they are to be said beside redacted entries,
    /// and are to be taken up again to choose among them.
    pub fn filters(&mut self, words: &[String]) -> Vec<String> {
        self.command(words)
    }

    /// A whole command line. What stands behind `--` is another program's, and all of it may name something.
    pub(super) fn command(&mut self, words: &[String]) -> Vec<String> {
        let own = words.iter().position(|word| word == "--");
        let (own, others) = words.split_at(own.unwrap_or(words.len()));
        let mut redacted = self.options(own);
        redacted.extend(others.iter().map(|word| match word.as_str() {
            "--" => word.clone(),
            word => self.names.of(Kind::Name, word),
        }));
        redacted
    }

    fn options(&mut self, words: &[String]) -> Vec<String> {
        let mut redacted = Vec::with_capacity(words.len());
        let mut takes = Takes::Nothing;
        for word in words {
            if takes != Takes::Nothing {
                redacted.push(self.value(takes, word));
                takes = Takes::Nothing;
                continue;
            }
            let (option, value) = match word.split_once('=') {
                Some((option, value)) => (option, Some(value)),
                None => (word.as_str(), None),
            };
            let known = OPTIONS.iter().find(|(name, _)| *name == option);
            match (known, value) {
                (Some((_, after)), None) => {
                    takes = *after;
                    redacted.push(word.clone());
                }
                (Some((_, takes)), Some(value)) => {
                    redacted.push(format!("{option}={}", self.value(*takes, value)));
                }
                // Options and values that name nothing are words that the agent knows.
                (None, _) => redacted.push(self.text(word)),
            }
        }
        redacted
    }

    fn value(&mut self, takes: Takes, value: &str) -> String {
        match takes {
            Takes::Nothing | Takes::Plain | Takes::File => self.text(value),
            Takes::Addresses => self.each(value, Self::prefix),
            Takes::Processes => {
                self.each(value, |redact, name| redact.names.of(Kind::Process, name))
            }
            Takes::Cgroup => self.cgroup(value),
            Takes::Namespaces => self.each(value, Self::namespace),
        }
    }

    fn each(&mut self, values: &str, mut one: impl FnMut(&mut Self, &str) -> String) -> String {
        let redacted: Vec<String> = values.split(',').map(|value| one(self, value)).collect();
        redacted.join(",")
    }

    /// A range of addresses: the range in which the pseudonyms of its addresses lie.
    fn prefix(&mut self, text: &str) -> String {
        let (addr, len) = match text.split_once('/') {
            Some((addr, len)) => (addr, len.parse().ok()),
            None => (text, None),
        };
        let addr = addr.trim_start_matches('[').trim_end_matches(']').parse();
        let prefix = addr
            .ok()
            .and_then(|addr| Prefix::around(self.address(addr), len));
        match prefix {
            Some(prefix) => prefix.to_string(),
            None => self.names.of(Kind::Name, text),
        }
    }

    /// A network namespace, by whatever it is called.
    pub(super) fn namespace(&mut self, text: &str) -> String {
        let is_process = text
            .strip_prefix("/proc/")
            .and_then(|rest| rest.strip_suffix("/ns/net"))
            .is_some_and(|pid| pid == "thread-self" || is_number(pid));
        if is_number(text) || is_process {
            return text.to_owned();
        }
        for place in ["/run/netns/", "/var/run/netns/"] {
            if let Some(name) = text.strip_prefix(place) {
                return format!("{place}{}", self.names.of(Kind::Netns, name));
            }
        }
        match text.starts_with('/') {
            true => self.text(text),
            false => self.names.of(Kind::Netns, text),
        }
    }

    /// The path of a cgroup, component by component; or its id.
    pub(super) fn cgroup(&mut self, path: &str) -> String {
        let (root, path) = match path.strip_prefix("/sys/fs/cgroup") {
            Some(rest) => ("/sys/fs/cgroup", rest),
            None => ("", path),
        };
        let components: Vec<String> = path
            .split('/')
            .map(|component| self.cgroup_component(component))
            .collect();
        format!("{root}{}", components.join("/"))
    }

    fn cgroup_component(&mut self, component: &str) -> String {
        let unit = UNITS.iter().find(|unit| component.ends_with(*unit));
        let unit = unit.copied().unwrap_or("");
        let stem = &component[..component.len() - unit.len()];
        let says_nothing = |part: &str| CGROUP_PARTS.contains(&part) || is_number(part);
        match matches!(stem, "." | "..") || stem.split(['-', '@']).all(says_nothing) {
            true => component.to_owned(),
            false => format!("{}{unit}", self.names.of(Kind::Cgroup, stem)),
        }
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redacted(line: &str) -> String {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        Redact::new([7; 32]).command(&words).join(" ")
    }

    fn name(kind: Kind, name: &str) -> String {
        Redact::new([7; 32]).names.of(kind, name)
    }

    #[test]
    fn options_stay_and_what_names_nothing() {
        for line in [
            "tracer live --port 80,443 --lport 1 --rport=2 -4 --pid 1,2 --uid 0 --state CLOSE_WAIT -l",
            "tracer time-wait -6 --listening -a --all --netns 4026532177,/proc/1/ns/net --json -v --duration 10s",
            "tracer --addr 10.0.0.0/8,::1,0.0.0.0/0,127.0.0.0/8 --cgroup /sys/fs/cgroup/system.slice",
            "tracer --cgroup user.slice/user-1000.slice/user@1000.service",
            "tracer --ring-size 8M --max-connections 1000 --hook btf --only changes,timelines --names=ss",
        ] {
            assert_eq!(redacted(line), line);
        }
    }

    #[test]
    fn names_do_not_stay() {
        let line = redacted(
            "/opt/acme/tracer --comm nginx,curl --cgroup=/system.slice/nginx.service --netns shop,/run/netns/shop \
             --record /home/eve/a.tev --unheard-of=secret -- curl --port 80 live",
        );
        let comm = |text| name(Kind::Process, text);
        let word = |text| name(Kind::Name, text);
        let netns = name(Kind::Netns, "shop");
        let expected = format!(
            "/{}/{}/tracer --comm {},{} --cgroup=/system.slice/{}.service --netns {netns},/run/netns/{netns} \
             --record /home/{}/{} {}={} -- {} {} {} {}",
            word("opt"),
            word("acme"),
            comm("nginx"),
            comm("curl"),
            name(Kind::Cgroup, "nginx"),
            word("eve"),
            word("a.tev"),
            word("--unheard-of"),
            word("secret"),
            word("curl"),
            word("--port"),
            word("80"),
            word("live"),
        );
        assert_eq!(line, expected);
    }

    #[test]
    fn a_range_becomes_the_range_of_its_pseudonyms() {
        let mut redact = Redact::new([7; 32]);
        for text in ["93.184.216.0/21", "2a00:1450::/29", "10.1.2.3", "[2a00::5]"] {
            let words = ["--addr".to_owned(), text.to_owned()];
            let range = redact.filters(&words)[1].clone();
            let (begin, len) = range.split_once('/').unwrap_or((&range, "128"));
            let begin = begin.parse().expect("an address");
            let len: u8 = len.parse().expect("a length");
            let width = if text.contains(':') { 128 } else { 32 };
            let prefix = Prefix::new(begin, len.min(width)).expect("no bits behind it");
            let first = text.split('/').next().expect("an address");
            let first = first.trim_matches(['[', ']']).parse().expect("an address");
            assert!(prefix.contains(redact.address(first)), "{range}");
        }
    }
}
