#!/bin/sh
# Process 1 of a guest: makes a host without systemd out of an initramfs, lets gomon watch real containers in it, and
# tells what everyone said, a line of JSON each on the second serial port. It judges nothing.

/bin/busybox --install -s /bin
export PATH=/bin
BUNDLES=/run/containerd/io.containerd.runtime.v2.task/k8s.io
ADDRESS=127.0.0.1:9477

parameter() { # NAME: its value on the kernel's command line
    sed -n "s/.*gomon\.$1=\([^ ]*\).*/\1/p" /proc/cmdline
}

mount_all() {
    mount -t proc proc /proc
    mount -t sysfs sysfs /sys
    mount -t devtmpfs devtmpfs /dev
    ln -s /proc/self/fd /dev/fd
    mount -t tmpfs tmpfs /run
    mount -t tmpfs tmpfs /tmp
    mount -t securityfs securityfs /sys/kernel/security
    mount -t tracefs tracefs /sys/kernel/tracing
    if [ "$(parameter cgroups)" = v1 ]; then
        mount -t tmpfs tmpfs /sys/fs/cgroup
        for controller in $(awk '$4 == 1 { print $1 }' /proc/cgroups); do
            mkdir "/sys/fs/cgroup/$controller"
            mount -t cgroup -o "$controller" cgroup "/sys/fs/cgroup/$controller"
        done
    else
        mount -t cgroup2 cgroup2 /sys/fs/cgroup
    fi
    ifconfig lo 127.0.0.1
}

tell() { # KIND FIELDS
    printf '{"kind":"%s","way":"%s",%s}\n' "$1" "$way" "$2" >&3
}

tell_lines() { # KIND FILE: each line of a text
    sed -e 's/\\/\\\\/g; s/"/\\"/g; s/[^[:print:]]/?/g' \
        -e "s/.*/{\"kind\":\"$1\",\"way\":\"$way\",\"line\":\"&\"}/" "$2" >&3
}

tell_documents() { # KIND FILE: each line of JSON
    sed -e "s/.*/{\"kind\":\"$1\",\"way\":\"$way\",\"document\":&}/" "$2" >&3
}

lives() { # PID
    case $(cut -d ' ' -f 3 "/proc/$1/stat" 2>/dev/null) in '' | Z) return 1 ;; esac
}

wait_for() { # TENTHS COMMAND: until it succeeds
    left=$1
    shift
    until "$@"; do
        left=$((left - 1))
        [ "$left" -gt 0 ] || return 1
        usleep 100000
    done
}

ask() { # PATH
    wget -q -O - "http://$ADDRESS$1" 2>/dev/null
}

# An agent that lacks a probe watches and is never ready.
are_watching() {
    { ! lives "$agent" || grep -q 'gomon watches' /tmp/agent.log; } &&
        { ! lives "$stream" || grep -q watching /tmp/stream.log; }
}
has_ended() { [ "$(grep -c '"type":"cgroup_removed"' /tmp/events)" -ge "$1" ]; }
has_found() { [ "$(ask /api/v1/diagnoses | grep -o '"pattern":' | wc -l)" -ge "$1" ]; }

play() { # DIRECTORY of an act: one container, from its start to its end
    id=$(cat "$1/id")
    mkdir -p "$BUNDLES/$id"
    cp "$1/config.json" "$BUNDLES/$id/"
    cd "$BUNDLES/$id" || return
    timeout 60 runc run --no-pivot "$id" >/tmp/act.log 2>&1 &
    runner=$!
    if [ -f "$1/signal" ]; then
        wait_for 300 grep -q ready /tmp/act.log
        runc kill "$id" "$(cat "$1/signal")"
    fi
    wait "$runner"
    tell act "\"name\":\"$(cat "$1/name")\",\"exit\":$?"
    tell_lines said /tmp/act.log
}

watch() { # an agent and a stream of events, and all acts before their eyes
    timeout 60 gomon doctor -o json >/tmp/doctor 2>/tmp/doctor.log
    tell doctor "\"exit\":$?"
    tell_documents checks /tmp/doctor
    tell_lines said /tmp/doctor.log
    gomon agent --listen "$ADDRESS" 2>/tmp/agent.log &
    agent=$!
    gomon -v events -o jsonl >/tmp/events 2>/tmp/stream.log &
    stream=$!
    wait_for 600 are_watching
    if lives "$agent" && lives "$stream"; then
        tell watching "\"is_ready\":$(ask /readyz >/dev/null && echo true || echo false)"
        for act in "/acts/$way"/*; do
            play "$act"
        done
        wait_for 100 has_ended "$(cat /acts/"$way"/*/name | wc -l)"
        wait_for 100 has_found "$(cat /acts/"$way"/*/patterns | wc -l)"
        # What should not be found gets a moment too.
        sleep 1
        # The answer ends without a line break.
        echo "$(ask /api/v1/diagnoses)" >/tmp/diagnoses
        ask /metrics >/tmp/metrics
        tell_documents diagnoses /tmp/diagnoses
        tell_lines metric /tmp/metrics
        tell_documents event /tmp/events
    fi
    kill "$agent" "$stream"
    wait "$agent"
    tell ended "\"program\":\"agent\",\"exit\":$?"
    wait "$stream"
    tell ended "\"program\":\"events\",\"exit\":$?"
    tell_lines said /tmp/agent.log
    tell_lines said /tmp/stream.log
}

mount_all
exec 3>/dev/ttyS1
way=none
tell up "\"release\":\"$(uname -r)\""
for way in $(parameter ways | tr , ' '); do
    case $way in
    auto) unset GOMON_HOOKS ;;
    *) export GOMON_HOOKS="$way" ;;
    esac
    watch
done
way=none
tell done "\"uptime\":$(cut -d ' ' -f 1 /proc/uptime)"
sync
poweroff -f
