//! Processes: their names, files and arguments.

use super::Redact;
use super::names::Kind;
use crate::model::{Args, Process};

impl Redact {
    /// A process. Of its arguments all are names, options too: it is another program's to say what they mean.
    // Named field by field, so that one that is new is not forgotten.
    pub(super) fn process(&mut self, process: Process) -> Process {
        let Process {
            // Numbers.
            pid,
            ppid,
            started,
            uid,
            // What may name something.
            comm,
            exe,
            args,
            cgroup,
        } = process;
        Process {
            comm: self.names.comm(comm),
            exe: exe.map(|path| self.path(&path)),
            args: args.map(|Args { words, cut }| Args {
                words: words
                    .iter()
                    .map(|word| self.names.of(Kind::Name, word))
                    .collect(),
                cut,
            }),
            cgroup: cgroup.map(|path| self.cgroup(&path)),
            pid,
            ppid,
            started,
            uid,
        }
    }

    /// The path of a file, component by component, with what the kernel says behind it.
    fn path(&mut self, path: &str) -> String {
        const DELETED: &str = " (deleted)";
        let (path, said) = match path.strip_suffix(DELETED) {
            Some(path) => (path, DELETED),
            None => (path, ""),
        };
        let components: Vec<String> = path
            .split('/')
            .map(|component| self.names.of(Kind::Name, component))
            .collect();
        format!("{}{said}", components.join("/"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::event::Comm;

    #[test]
    fn a_program_has_one_pseudonym_wherever_it_is_named() {
        let mut redact = Redact::new([7; 32]);
        let comm = Comm::new(b"nginx").expect("a short name");
        let redacted = redact.process(Process {
            exe: Some("/usr/sbin/nginx (deleted)".to_owned()),
            args: Some(Args {
                words: ["nginx", "-g", "", "daemon off;"]
                    .map(str::to_owned)
                    .to_vec(),
                cut: true,
            }),
            cgroup: Some("/system.slice/nginx.service".to_owned()),
            ..Process::named(7, comm)
        });
        let digits = redacted.comm.to_string();
        let digits = digits.strip_prefix("process-").expect("its kind");
        let exe = redacted.exe.expect("known");
        assert!(exe.ends_with(&format!("/name-{digits} (deleted)")), "{exe}");
        assert!(!exe.contains("usr") && !exe.contains("sbin"), "{exe}");
        assert_eq!(
            redacted.cgroup,
            Some(format!("/system.slice/cgroup-{digits}.service"))
        );
        let args = redacted.args.expect("known");
        assert_eq!((args.words.len(), args.cut), (4, true));
        assert_eq!(args.words[0], format!("name-{digits}"));
        assert!(args.words[1].starts_with("name-"), "{:?}", args.words);
        assert_eq!(args.words[2], "");
    }
}
