#!/bin/busybox sh
# The first process of a test machine: mounts what the tests need, loads modules, runs every suite,
# and says in one line how it went.

b=/bin/busybox
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
# Nobody else is on this machine.
export TRACER_BIN=/tracer TRACER_REQUIRE_LIVE=1 TRACER_OWN_MACHINE=1

prepare() {
    $b mount -t proc proc /proc &&
        $b mount -t sysfs sysfs /sys &&
        $b mount -t devtmpfs devtmpfs /dev &&
        $b mount -t tmpfs tmpfs /tmp &&
        $b mount -t tmpfs tmpfs /run &&
        $b mount -t tracefs tracefs /sys/kernel/tracing &&
        $b mount -t bpf bpf /sys/fs/bpf &&
        $b mount -t cgroup2 cgroup2 /sys/fs/cgroup &&
        ulimit -n 65536 &&
        # An emulated CPU works off packets slowly; what finds no room in its backlog is dropped.
        echo 100000 >/proc/sys/net/core/netdev_max_backlog &&
        for module in /modules/*; do
            $b insmod "$module" || return
        done
}

run() {
    failed=0
    for suite in /suites/*; do
        echo "suite ${suite##*/}"
        { $b xargs -0 "$suite" </arguments; echo $? >/tmp/status; } | $b tee /tmp/output
        [ "$($b cat /tmp/status)" = 0 ] || again "$suite" || failed=1
    done
    return $failed
}

# Runs what failed once more, by itself. An emulated machine can be too late for a test of which many
# run at a time; one that is wrong fails again. Both runs are told.
again() {
    $b grep -q TCG /proc/cpuinfo || return
    failures=$($b sed -n '/^failures:$/,/^test result/s/^    \([a-z_0-9:]*\)$/\1/p' /tmp/output)
    [ -n "$failures" ] || return
    echo "again, by itself:" $failures
    "$1" --exact $failures --test-threads=1
}

echo "linux $($b uname -r)"
if prepare && run; then
    verdict=success
else
    verdict=failure
fi
echo
echo "tracer-vm: $verdict"
$b poweroff -f
