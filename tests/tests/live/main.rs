//! The live suite: the agent traces connections that the test makes, step by step, in network
//! namespaces of its own, and every line that it prints is judged from both ends.
//!
//! One binary, so that the same file runs on other kernels inside an initramfs. What each test needs
//! of the host is in `tests::require`.

/// Makes one test for each hook of a scenario that takes the hook.
macro_rules! both_hooks {
    ($($scenario:ident),+ $(,)?) => {
        mod btf {
            $(
                #[test]
                fn $scenario() {
                    tests::require_live!(tests::tracer::Hook::Btf);
                    tests::attempt::until_conclusive(|| super::$scenario(tests::tracer::Hook::Btf));
                }
            )+
        }
        mod classic {
            $(
                #[test]
                fn $scenario() {
                    tests::require_live!(tests::tracer::Hook::Classic);
                    tests::attempt::until_conclusive_classic(|| {
                        super::$scenario(tests::tracer::Hook::Classic);
                    });
                }
            )+
        }
    };
}

/// Makes one test of a scenario that needs what only the BTF hook knows.
macro_rules! btf_only {
    ($($scenario:ident),+ $(,)?) => {
        mod btf_only {
            $(
                #[test]
                fn $scenario() {
                    tests::require_live!(tests::tracer::Hook::Btf);
                    tests::attempt::until_conclusive(super::$scenario);
                }
            )+
        }
    };
}

mod backlog;
mod before;
mod clocks;
mod close;
mod command;
mod conversations;
mod ending;
mod family;
mod figures;
mod filters;
mod filters_by_owner;
mod findings;
mod follow;
mod identity;
mod listener;
mod loss;
mod minisock;
mod naming;
mod older_owner;
mod open;
mod owner;
mod owners;
mod privilege;
mod raw;
mod reasons;
mod recording;
mod refusal;
mod reset;
mod servers;
mod two_processes;

/// Name of [`second_process`], by which it is started.
const SECOND_PROCESS: &str = "second_process";

/// Is the second process where it is started as one; else sees that one can be.
#[test]
fn second_process() {
    use tests::host::Pair;
    use tests::peer::{Peer, serve};
    use tests::tracer::Hook;

    if serve() {
        return;
    }
    tests::require_live!(Hook::Btf);
    let pair = Pair::new();
    let listener = pair.server.listen(7000, 1);
    let mut peer = Peer::start(SECOND_PROCESS, &pair.client);
    let local = peer.connect(listener.local());
    assert_eq!(listener.accept().remote(), local);
    assert_ne!(peer.pid(), std::process::id());
}
