#!/bin/sh
# Ends everything of one fleet and removes what it leaves. Safe to run again, and on a fleet that crashed.
#   sweep.sh RUN_DIR SLOT          now
#   sweep.sh RUN_DIR SLOT watch    when standard input ends: whoever holds its other end is gone
# It is a script because it must also work when the process that started the fleet is dead.
# What belongs to a fleet is found by its marks, not by remembered ids: every process has TRADEWIND_FLEET=RUN_DIR
# in its environment (the shims inherit it), every container is in the cgroup tradewind-SLOT.
run=$1
slot=$2
[ -n "$run" ] && [ -n "$slot" ] || exit 2
if [ "$3" = watch ]; then
    cat >/dev/null
fi

# One at a time: of two for the same fleet, the later must not touch a slot that is somebody else's by then.
exec 9>>"$(dirname "$run")/sweep.lock" && flock 9 || exit 1
[ -e "$run" ] || exit 0

members() {
    grep -lzxsF "TRADEWIND_FLEET=$run" /proc/[0-9]*/environ | cut -d/ -f3
    if [ -e "$run/nodes" ]; then
        find /sys/fs/cgroup -path "*/tradewind-$slot/*" -name cgroup.procs -exec cat {} + 2>/dev/null
    fi
}

# Rounds, as a parent may start another child while its children are being killed.
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    alive=$(members | sort -u)
    [ -n "$alive" ] || break
    # shellcheck disable=SC2086 # a list of ids
    kill -KILL $alive 2>/dev/null
    sleep 0.1
done
[ -z "$alive" ] || { echo "still running: $alive" >&2; exit 1; }

# Watchdogs stop servers and remove files whose owners were just killed. What they watch is theirs: it has no mark.
for _ in $(seq 150); do
    tidying=$(grep -lzxsF "TRADEWIND_TIDIES=$run" /proc/[0-9]*/environ)
    [ -n "$tidying" ] || break
    sleep 0.1
done
[ -z "$tidying" ] || { echo "still cleaning up: $tidying" >&2; exit 1; }

if [ -e "$run/nodes" ]; then
    # Mounts, network namespaces and veths lived in the nodes' mount namespaces and are gone with their processes.
    # A cgroup can be removed once its last process is reaped: a moment after it was killed.
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        cgroups=$(find /sys/fs/cgroup -depth -type d \( -path "*/tradewind-$slot" -o -path "*/tradewind-$slot/*" \))
        [ -n "$cgroups" ] || break
        # shellcheck disable=SC2086 # a list of paths without spaces
        rmdir $cgroups 2>/dev/null || sleep 0.1
    done
    [ -z "$cgroups" ] || { echo "cgroups are left: $cgroups" >&2; exit 1; }
    if ip link show "tw$slot" >/dev/null 2>&1; then
        ip link delete "tw$slot" || exit 1
    fi
    # The network plugin switches forwarding on; the last fleet to go puts it back.
    forwarding=$(dirname "$run")/ip_forward
    if [ -e "$forwarding" ] && ! ip -br link show type bridge | grep -q '^tw[0-9]'; then
        cat "$forwarding" >/proc/sys/net/ipv4/ip_forward
        rm -f "$forwarding"
    fi
fi
# Seen once: a file appeared after the last process was killed. A last system call may still be under way.
for _ in $(seq 50); do
    left=$(rm -rf "$run" 2>&1) && exit 0
    sleep 0.1
done
echo "$left" >&2
exit 1
