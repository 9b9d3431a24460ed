//! Every option that filters is known to what redacts them, and can be taken up again.

use clap::{ArgAction, Args as _, Command};
use tracer::cli::args::FilterArgs;
use tracer::cli::filter_words;
use tracer::evidence::Redact;

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

fn redact() -> Redact {
    Redact::new([7; 32])
}

#[test]
fn every_option_stays_and_no_value_that_may_be_a_name() {
    let command = FilterArgs::augment_args(Command::new("filters"));
    let mut options = 0;
    for arg in command.get_arguments() {
        let long = arg.get_long().map(|long| format!("--{long}"));
        let short = arg.get_short().map(|short| format!("-{short}"));
        for option in [long, short].into_iter().flatten() {
            options += 1;
            let takes_value = matches!(arg.get_action(), ArgAction::Set | ArgAction::Append);
            if !takes_value {
                assert_eq!(redact().filters(std::slice::from_ref(&option)), [option]);
                continue;
            }
            let pseudonym = |value: &str| {
                let redacted = redact().filters(&[option.clone(), value.to_owned()]);
                assert_eq!(redacted[0], option, "{option} is not known");
                assert_eq!(redacted.len(), 2);
                redacted[1].clone()
            };
            let name = pseudonym("quagga");
            assert!(!name.contains("quagga"), "{option} {name}");
            let value_names = arg.get_value_names().unwrap_or_default();
            let kind = match value_names.first().map(clap::builder::Str::as_str) {
                Some("CIDR") => {
                    let range = pseudonym("93.184.216.0/21");
                    assert!(filter_words::parse(&[option, range]).is_ok());
                    continue;
                }
                Some("NAME") => "process-",
                Some("NETNS") => "netns-",
                Some("PATH|ID") => "cgroup-",
                // Numbers and names of states, which stay.
                Some("N" | "PID" | "UID" | "STATE") => continue,
                other => panic!("{option} takes {other:?}: how is that redacted?"),
            };
            assert!(name.starts_with(kind), "{option} {name}");
        }
    }
    assert!(options >= 16, "only {options} options");
}

#[test]
fn redacted_filters_are_taken_up_again() {
    for text in [
        "--port 80,443 --lport 1 --rport 2 --addr 93.184.216.0/24,2a00:1450::/32 --laddr 10.1.2.3 \
         --raddr ::1 -4",
        "-6 --pid 1,2 --comm nginx,fifteen-letters --uid 0 --cgroup /shop.slice/a --netns shop,5 \
         --state CLOSE_WAIT,TIME_WAIT -l",
        "--cgroup 4711 --all",
    ] {
        let redacted = redact().filters(&words(text));
        let parsed = filter_words::parse(&redacted);
        assert!(parsed.is_ok(), "{redacted:?}: {parsed:?}");
    }
}
