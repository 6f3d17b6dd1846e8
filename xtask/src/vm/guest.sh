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

look_at_the_clock() { # $now: seconds since the guest was started; without another process, which is dear here
    read -r now rest </proc/uptime
    now=${now%%.*}
}

tell() { # KIND FIELDS
    look_at_the_clock
    printf '{"kind":"%s","way":"%s","uptime":%s,%s}\n' "$1" "$way" "$now" "$2" >&3
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

wait_for() { # SECONDS COMMAND: until it succeeds
    look_at_the_clock
    end=$((now + $1))
    shift
    until "$@"; do
        look_at_the_clock
        [ "$now" -lt "$end" ] || return 1
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

# It may first try out what it has attached.
is_ready_or_gone() { ! lives "$agent" || ask /readyz >/dev/null; }

# Runs of kernel programs that were left out, those of the agent and those of the stream: any may have been an event.
skipped() {
    {
        ask /metrics | sed -n 's/^gomon_events_dropped_total{.*"program_busy".*} //p'
        sed -n 's/.*was left out \([0-9]*\) times.*/\1/p' /tmp/stream.log
    } | awk '{ sum += $1 } END { print sum + 0 }'
}

# Inspections of containers that did not tell all: on a slow machine the time for one may run out.
partial() {
    ask /metrics | sed -n 's/^gomon_inspections_total{result="\(partial\|timed_out\)"} //p' |
        awk '{ sum += $1 } END { print sum + 0 }'
}

holds() { # FILE WORDS: a line of it has them all
    awk -v words="$2" '
        BEGIN { count = split(words, word, " ") }
        { for (at = 1; at <= count && index($0, word[at]); at++); if (at > count) { found = 1; exit } }
        END { exit !found }' "$1"
}

has_happened() { # the events of the act $act are there
    grep -F "$id" /tmp/events >/tmp/own
    while read -r words; do
        holds /tmp/own "$words" || return 1
    done <"$act/sights"
}

is_known() { # and its diagnosis
    has_happened && {
        [ ! -s "$act/pattern" ] ||
            ask "/api/v1/diagnoses?container=$id" | grep -q "\"pattern\":\"$(cat "$act/pattern")\""
    }
}

is_clear() { # or nothing more is to be hoped for: what is late comes soon, what gomon could not look at never
    is_known || { [ "$now" -ge "$hopeless" ] && is_excused; }
}

says() { grep -q "$1" /tmp/act.log; }
breakpoints() { # PID: that it has set, and its tracepoints
    ls -l "/proc/$1/fd" | grep -c perf_event
}

watch_dlopen() { # both of them, in this container: the agent says so, and the stream sets as many breakpoints
    watched="calls of dlopen are watched.*$(echo "$id" | cut -c 1-12)"
    [ "$(grep -c "$watched" /tmp/agent.log)" -gt "$again" ] &&
        [ "$(breakpoints "$stream")" -eq "$(breakpoints "$agent")" ]
}

play() { # one container, from its start to its end
    mkdir -p "$BUNDLES/$id"
    sed "s/$(cat "$act/id")/$id/" "$act/config.json" >"$BUNDLES/$id/config.json"
    cd "$BUNDLES/$id" || return
    cue=$(cat "$act/cue")
    timeout -s KILL 300 runc run --no-pivot --pid-file /tmp/pid "$id" >/tmp/act.log 2>&1 &
    runner=$!
    case $cue in
    term | inside)
        wait_for 120 says ready
        if [ "$cue" = inside ]; then
            wait_for 60 watch_dlopen
            # shellcheck disable=SC2046 # a command and its arguments
            runc exec "$id" $(cat "$act/inside") >/tmp/inside.log 2>&1
            tell_lines said /tmp/inside.log
        fi
        runc kill "$id" TERM
        ;;
    kill)
        wait_for 60 has_happened
        kill -KILL "$(cat /tmp/pid)"
        ;;
    esac
    wait "$runner"
    exit=$?
    tell_lines said /tmp/act.log
}

is_excused() { # gomon knows, and says, that it cannot have seen all
    missed=$(($(skipped) - skipped_before))
    unread=$(($(partial) - partial_before))
    [ $((missed + unread)) -gt 0 ]
}

perform() { # DIRECTORY of an act: again if not all was seen and gomon is excused
    act=$1
    for again in 0 1 2 3; do
        id=$(sed "s/.$/$again/" "$act/id")
        skipped_before=$(skipped)
        partial_before=$(partial)
        play
        look_at_the_clock
        hopeless=$((now + 15))
        wait_for 90 is_clear
        is_known
        unknown=$?
        is_excused
        excused=$?
        tell act "\"name\":\"$(cat "$act/name")\",\"exit\":$exit,\"skipped\":$missed,\"partial\":$unread"
        [ "$unknown" -ne 0 ] && [ "$excused" -eq 0 ] || break
    done
}

watch() { # an agent and a stream of events, and all acts before their eyes
    timeout 300 gomon doctor -o json >/tmp/doctor 2>/tmp/doctor.log
    tell doctor "\"exit\":$?"
    tell_documents checks /tmp/doctor
    tell_lines said /tmp/doctor.log
    gomon -v agent --listen "$ADDRESS" 2>/tmp/agent.log &
    agent=$!
    gomon -v events -o jsonl >/tmp/events 2>/tmp/stream.log &
    stream=$!
    wait_for 300 are_watching
    if lives "$agent" && lives "$stream"; then
        wait_for 120 is_ready_or_gone
        tell watching "\"is_ready\":$(ask /readyz >/dev/null && echo true || echo false)"
        for one in "/acts/$way"/*; do
            perform "$one"
        done
        # What should not be found gets a moment too.
        sleep 2
        # The answer ends without a line break.
        echo "$(ask /api/v1/diagnoses)" >/tmp/diagnoses
        ask /metrics >/tmp/metrics
        tell_documents diagnoses /tmp/diagnoses
        tell_lines metric /tmp/metrics
        tell skipped "\"count\":$(skipped)"
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
tell done "\"clock\":$(date +%s)"
sync
poweroff -f
