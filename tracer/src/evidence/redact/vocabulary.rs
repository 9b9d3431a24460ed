//! The words that stay in a text: those of messages, of the command line, and of the kernel's names for things.
//!
//! A word that is missing here is taken for a name, so that nothing gets out; a message then reads worse.

/// In lower case and in order; digits around a word do not count.
pub(super) const WORDS: &str = "
    a aarch abort about above absent absolute accept access ack acked active addr address addresses
    adjust admin after again age ages all allocate allow allowed allows already also always amd64 an
    ancestors and anonymous another answer answered answers any appear appears arch architecture are
    argument arguments arm array as ask asked async at attach attached attaching attribute auto
    available away aws azure b back bad batch be because been before beginnings begins behind being
    below beside between bigger bin bind bits block blocked boot both bound bpf bpo broken brought btf
    buckets buffer buffers bug build built busy but by byte bytes c call called calls came can cancel
    cancelled cannot cap capabilities capability cgroup cgroups cgrp change changed changes changing
    char check child children cidr classic clean cleanup clock close closed closes closing cloud code
    codes color comm command common compared compiler complete completed confidentiality config configuration
    confine confined connect connected connection connections contain container contains cookie cookies
    copy core corrupted cost costs could count counted counter counters cpu cpus create created csk csv
    cut d daddr dance data datagram deadlock death deb debug debugfs decide decode default defer deleted
    denied deschedule descriptor descriptors dev device diag diagram did difference different directory
    disabled disk do doctor does doing done doubt dport drop dump dumps duration during e each earlier
    early edge either el else empty enable enabled end ended ending ends enough enter entered entries
    entry environment error errors estab established etc even event events ever every everywhere exact
    exactly exceeded except exec executable exhausted exist existing exists exit expected expire expires
    expiry failed fails failure family fault fc fd fentry few fexit field fields file files filesystem
    filter filters fin find first flag flags follow followed followings for forbidden forbids foreign
    format found free freed from frozen full function functions g gave gc gcp generic get give given
    gives gke gone grant groups had half handle handler hardened has hash hashdance have header help her
    here hidden hierarchy hold holds home hook hooked hooks host how however i ibm icsk id identity if
    ignored illegal in incomplete inet info inode input inside insmod instead integrity interface
    interfaces internal interpreted interrupted interval into inum invalid io ioctl ip ipv is it
    iterator its itself jiffies jit json k kallsyms keep keeps kept kernel kernels kernfs kfree kib kill
    kind kn known kptr kvm lack lacking lacks laddr landlock language large last later layout leads
    least leave leaves left length less let lets level lib lies like limit limits line lines linger link
    linked linux list listed listen listener listening lists live load loaded loading local lock
    lockdown locked log long longer look looked looks loop loss lost lowlatency lport lsns lts m machine
    made malformed many map maps matches max maximum may mean means meant measure measured memlock
    memory message messages method methods mib microsoft min minutes missing mode modprobe module
    modules moment more most mount mounted mountinfo mounts moved ms much must n name names namespace
    namespaces near needed needs neither net netlink netns netstat network never new newer next nf no
    nobody node nonblocking none nor not nothing now ns nsenter nsfs num number numbers o object objects
    of off offset offsets old older omitted on once one only open opened operation options or oracle
    order os other others otherwise out output outside over own owner owners p packet packets pae page
    pages panicked parent parse part passive past path paths pending perf perfmon permission permissions
    permitted pid pids pipe place places port ports possible pprev private privilege privileges probe
    problem proc process processed processes processors program programs protocol ptrace purge put pve q
    queue quiet quota r raddr raise ran range raspi raw rc rcv reach reached read readable reader
    reading reads really realtime reasons receive record recorded records recursion recv recvmsg redact
    refcount refuse refused refuses reg register reject rejected release remote removed reports req
    reqsk request requests required resource resources restrict result retrans return returned reuse rfc
    rhel ring rings riscv rmem room root rotate rpi rport rsk rskq rt rule rules run running runs rw s
    s390x saddr said same say says sbin schedule scheduled screen sec seccomp second seconds secrecy see
    seen self send sent session set sets several shared short should show shown shows shutdown side
    signal signals since size sizes sk skb skc slot small snd snmp so sock socket sockets some space
    sport ss stamp standard stands start started starts stat state states statistics stats stay stop
    stopped struct structure structures subject substate success such sudo summary supplementary
    supported suspended symbol symbols syn sys syscall syscalls sysctl sysfs system systemd t table take
    taken takes target task tasks tcp tell tells temporarily tested text than that the their them
    themselves then there these they this those though thread threads three through tick ticks time
    timed timeline timelines timer timers times timestamp timewait tiny tls tmp to together told too top
    tp tproxy trace traceable traced tracefs tracepoint tracepoints tracer traces tracing traffic
    travels tree tried tries try turn tw two twsk type typed types u ubuntu uid ulimit uname unavailable
    unconfined unconn under unit unix unknown unless unlink unprivileged unreadable unseen unsupported
    until up upon usage use used user uses using usr v value var verbose verifier verify version via
    virt visible vmlinux w wait waiting waits want wanted was watch way well were what wheel when where
    whether which while who whole whose why will with within without word words worker works would write
    written wrong wrote wsl x xtask y yet you z zen zero
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_is_there_once_and_in_order() {
        let words: Vec<&str> = WORDS.split_whitespace().collect();
        for pair in words.windows(2) {
            assert!(pair[0] < pair[1], "{pair:?}");
        }
    }
}
