//! Text in a person's words: what explains stays, what may name something does not.
//!
//! It cannot be told where in an error a name stands. So it is the other way round: numbers and the words of
//! the agent's and the kernel's own messages stay, and every other word is taken for a name. A name that is
//! such a word, "shared" say, stays too; it tells little.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};

use super::Redact;
use super::names::Kind;
use super::vocabulary::WORDS;

/// The words that stay.
pub(super) struct Vocabulary(HashSet<&'static str>);

impl Vocabulary {
    pub(super) fn new() -> Self {
        Self(WORDS.split_whitespace().collect())
    }

    /// Returns whether a word says nothing of this host: numbers and known words, with whatever may stand between.
    fn knows(&self, word: &str) -> bool {
        word.split(|letter: char| !letter.is_alphanumeric())
            .all(|part| {
                let letters = part.trim_matches(|letter: char| letter.is_ascii_digit());
                letters.is_empty()
                    || self.0.contains(letters.to_ascii_lowercase().as_str())
                    || self.0.contains(part.to_ascii_lowercase().as_str())
            })
    }
}

/// Returns whether a letter belongs to a word, as names have them.
fn in_word(letter: char) -> bool {
    letter.is_alphanumeric() || "-_.@+~:%\\".contains(letter) || !letter.is_ascii()
}

impl Redact {
    /// A text in a person's words.
    pub(super) fn text(&mut self, text: &str) -> String {
        self.pieces(text, in_word)
    }

    /// A kernel's release, of which only the distributor's own words stay: `6.1.0-18-name-5d41aa-amd64`.
    pub(super) fn release(&mut self, text: &str) -> String {
        self.pieces(text, char::is_alphanumeric)
    }

    /// Redacts each longest run of letters that belong to words; what is between them stays.
    fn pieces(&mut self, text: &str, belongs: impl Fn(char) -> bool) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while !rest.is_empty() {
            let begin = rest.find(&belongs).unwrap_or(rest.len());
            let (between, behind) = rest.split_at(begin);
            let end = behind
                .find(|letter| !belongs(letter))
                .unwrap_or(behind.len());
            let (word, behind) = behind.split_at(end);
            // What is between words has no letters, and is not printed raw by anyone.
            out.push_str(between);
            out.push_str(&self.word(word));
            rest = behind;
        }
        out
    }

    /// One word, of which marks at its end belong to the sentence.
    fn word(&mut self, word: &str) -> String {
        let bare = word.trim_end_matches(['.', ':']);
        let marks = &word[bare.len()..];
        if bare.is_empty() {
            return marks.to_owned();
        }
        // `::` is an address, and so is `fe80::`.
        if let Ok(addr) = word.parse::<IpAddr>() {
            return self.address(addr).to_string();
        }
        if let Ok(addr) = bare.parse::<IpAddr>() {
            return format!("{}{marks}", self.address(addr));
        }
        if let Ok(SocketAddr::V4(addr)) = bare.parse() {
            let redacted = self.address((*addr.ip()).into());
            return format!("{redacted}:{}{marks}", addr.port());
        }
        match self.vocabulary.knows(bare) {
            true => word.to_owned(),
            false => format!("{}{marks}", self.names.of(Kind::Name, bare)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redact() -> Redact {
        Redact::new([7; 32])
    }

    #[test]
    fn what_explains_stays() {
        for text in [
            "the socket cookie",
            "the network namespace",
            "which process holds a socket",
            "the error that ended a connection",
            "changes that the kernel kept back while another BPF program ran",
            "timewait and request sockets by a hook (this kernel has no field timer_list.entry.pprev)",
            "half-open connections (the kernel does not tell where reqsk_timer_handler lies)",
            "why a timewait or request socket ended (/proc/kallsyms shows no addresses to this user; run as \
             root, or set kernel.kptr_restrict to 1)",
            "how old existing timewait sockets are is not known: this kernel does not keep it (Linux 6.14)",
            "cannot look into 4026532200 (/proc/4242/ns/net): cannot enter network namespace 4026532200 at \
             /proc/4242/ns/net: Operation not permitted (os error 1); run as root, or with CAP_SYS_ADMIN",
            "cannot look into network namespace 4026532200: nothing leads there; its existing connections and \
             its counters are not known",
            "existing IPv4 connections of network namespace 7 may be incomplete: they changed during each of 3 \
             dumps",
            "existing connections cannot be listed: this kernel cannot list TCP sockets (No such file or directory \
             (os error 2)): it lacks the modules inet_diag and tcp_diag; try `modprobe tcp_diag`; changes are \
             traced all the same",
            "who holds 3 of 40 existing sockets (12 processes cannot be looked into: /proc/1/fd: Permission denied (os \
             error 13); run as root, or with CAP_SYS_PTRACE)",
            "which processes hold existing connections was looked for in 92 processes",
            "which processes hold existing connections (/proc numbers processes otherwise than the kernel does, as in \
             a container; run on the host, or with `--pid=host`)",
            "the typed hook (cannot read the kernel's types from /sys/kernel/btf/vmlinux: No such file or directory \
             (os error 2); boot a kernel built with CONFIG_DEBUG_INFO_BTF, or use `--hook classic`)",
            "--port 80,443 --state CLOSE_WAIT,TIME_WAIT",
        ] {
            assert_eq!(redact().text(text), text);
        }
    }

    #[test]
    fn what_may_name_something_does_not() {
        let mut redact = redact();
        let text = redact.text(
            "cannot open network namespace 7 at /run/netns/blau: 93.184.216.34:443, [2a00:1450::5]:80, für \
             web-1.example.com.",
        );
        let addr = |text: &str| text.parse::<IpAddr>().expect("an address");
        let v4 = redact.address(addr("93.184.216.34"));
        let v6 = redact.address(addr("2a00:1450::5"));
        let blau = redact.names.of(Kind::Name, "blau");
        let host = redact.names.of(Kind::Name, "web-1.example.com");
        let other = redact.names.of(Kind::Name, "für");
        assert_eq!(
            text,
            format!(
                "cannot open network namespace 7 at /run/netns/{blau}: {v4}:443, [{v6}]:80, {other} {host}."
            )
        );
        assert!(!text.contains("blau") && !text.contains("1450"));
    }

    #[test]
    fn a_kernel_of_a_distributor_is_told_and_the_house_that_built_it_is_not() {
        for release in [
            "6.12.117",
            "6.1.0-21-cloud-amd64",
            "6.8.0-1021-aws",
            "5.14.0-427.13.1.el9_4.x86_64",
            "6.6.87.2-microsoft-standard-WSL2",
            "6.12.117+deb13-cloud-amd64",
            "6.15.0-rc3",
        ] {
            assert_eq!(redact().release(release), release);
        }
        let built = redact().release("6.12.117-acme+prod");
        assert!(built.starts_with("6.12.117-name-"), "{built}");
        assert!(
            !built.contains("acme") && !built.contains("prod"),
            "{built}"
        );
    }
}
