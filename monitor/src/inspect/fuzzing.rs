//! The readers of inspection as targets of fuzz tests: files of containers, of runtimes and of procfs.

mod binaries;
mod places;
mod texts;

use crate::fuzzing::{Seed, Target};

const CONTAINER_CONFIG: &[Seed] = &[
    Seed::File("monitor/src/inspect/testdata/docker-config.json"),
    Seed::Text(
        r#"{"process":{"user":{"uid":1,"additionalGids":[7]},"args":["/a"],"env":["A=b"],"cwd":"/","capabilities":{"bounding":["CAP_CHOWN"]}},"root":{"path":"r"},"mounts":[{"destination":"/d","type":"bind","source":"/s","options":["rbind","ro"]}],"linux":{"uidMappings":[{"containerID":0,"hostID":1000,"size":10}],"namespaces":[{"type":"pid"}],"seccomp":{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["mount"],"action":"SCMP_ACT_ALLOW","args":[{}]}]},"resources":{"memory":{"limit":5},"cpu":{"quota":5,"period":9}}},"annotations":{"io.kubernetes.pod.name":"x"}}"#,
    ),
];
const DOCKER_CONFIG: &[Seed] = &[Seed::Text(
    r#"{"Name":"/web","Path":"/app","Args":["-v"],"HostsPath":"/c/hosts","State":{"Running":true,"Pid":42,"ExitCode":1,"StartedAt":"2026-01-01T00:00:00Z","Error":"e"},"Config":{"Image":"i","Env":["A=b"],"Labels":{"a":"b"},"Healthcheck":{"Test":["CMD-SHELL","curl -f http://u:p@h || exit 1"],"Interval":5},"Shell":["/bin/sh","-c"]},"MountPoints":{"/data":{"Source":"/srv","Destination":"/data","Type":"bind","RW":false}}}"#,
)];
const STATES: &[Seed] = &[
    Seed::Text(
        r#"{"cgroup_paths":{"":"/sys/fs/cgroup/web"},"config":{"labels":["bundle=/b"]},"cgroup-path":"/web","bundle":"/b"}"#,
    ),
    Seed::Text(r#"[{"id":"b","names":["web"],"metadata":"{\"image-name\":\"img:1\"}"}]"#),
];
const MOUNTS: &[Seed] = &[
    Seed::Machine("/proc/self/mountinfo"),
    Seed::Text(
        "600 500 0:50 / / rw,relatime - overlay overlay rw\n602 600 0:52 /x /with\\040space rw,noexec master:1 - ext4 /dev/vda rw\n603 600 0:53 / /net rw - nfs4 server:/x rw\n",
    ),
];
const CPU: &[Seed] = &[
    Seed::Text("12:cpu,cpuacct:/docker/ab\n1:name=systemd:/x\n0::/y\n"),
    Seed::Text("nr_periods 5\nnr_throttled 3\nthrottled_usec 7\n"),
    Seed::Text(
        "cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\ncgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n",
    ),
];
const STATUS: &[Seed] = &[
    Seed::Text(
        "Name:\tzombie) R 1\nState:\tZ (zombie)\nPPid:\t7\nUid:\t0\t0\t0\t0\nNSpid:\t9\t2\nThreads:\t1\nSigBlk:\t00\nSigIgn:\t01\nSigCgt:\tff\n",
    ),
    Seed::Text("12 (a) R 1 (b) S 34 12 12 0 -1"),
];
const COMMANDS: &[Seed] = &[
    Seed::Bytes(b"runc\0--root\0/x\0create\0--bundle\0/t/redis\0redis\0"),
    Seed::Bytes(b"/usr/bin/conmon\0-c\0ab\0-b\0/s/ab/userdata\0"),
    Seed::Bytes(b"/usr/bin/containerd-shim-runc-v2\0-namespace\0k8s.io\0"),
];
const USERS: &[Seed] =
    &[Seed::Text("root:x:0:0:root:/root:/bin/sh\n# note:x:1000:\nbroken\napp:x:1000:0::/:\n")];
const ENVIRONMENTS: &[Seed] = &[Seed::Bytes(b"PATH=/bin\0API_KEY=abc\0DB=postgres://u:p@h/x\0EMPTY\0")];
const LINES: &[Seed] = &[
    Seed::Text("curl -f http://u:p@localhost/ --password x || exit 1"),
    Seed::Text("exec /app/server -health"),
    Seed::Text("/l/a:/l/b;$ORIGIN/../lib:${ORIGIN}"),
    Seed::Text("system.slice:docker:ab"),
];
const SCRIPTS: &[Seed] = &[
    Seed::Text("#!/usr/bin/env sh\r\n"),
    Seed::Text("#! \t/bin/sh \t-e\nx"),
    Seed::Bytes(b"\xef\xbb\xbf#!/bin/sh\n"),
    Seed::Bytes(&[0x2e, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 9, 1, 1, 1, 1]),
    Seed::Bytes(b"x\x001.2.3\x00127.0.0.1\x00"),
];
const CERTIFICATES: &[Seed] = &[
    Seed::Folder("monitor/src/inspect/testdata/pem", ""),
    Seed::File("monitor/src/inspect/testdata/root.pem"),
];
const PROGRAMS: &[Seed] = &[
    Seed::Folder("monitor/src/inspect/testdata/elf", "program"),
    Seed::Folder("monitor/src/inspect/testdata/elf", ".so"),
    Seed::Machine("/bin/true"),
    Seed::Machine("/bin/mount"),
];
const CACHE: &[Seed] =
    &[Seed::Folder("monitor/src/inspect/testdata/elf", ".cache"), Seed::Machine("/etc/ld.so.cache")];
const CODE: &[Seed] = &[
    Seed::Bytes(b"\x53\xb8\xc3\xc3\xc3\xc3\x74\x02\x5b\xc3\xff\xd0\x5b\xf3\xc3"),
    Seed::Bytes(b"\xfd\x7b\xbf\xa9\x40\0\0\xb4\xc0\x03\x5f\xd6\xe1\xff\x07\x37\xc0\x03\x5f\xd6"),
];

pub(crate) const TARGETS: &[Target] = &[
    Target::new(
        "elf",
        "headers, dynamic segments, versions and build information of ELF files",
        PROGRAMS,
        binaries::image,
    )
    .hot(binaries::hot)
    .costing(3),
    Target::new("elf-symbols", "symbol tables of ELF files", PROGRAMS, binaries::symbols)
        .hot(binaries::hot)
        .costing(4),
    Target::new("go-functions", "tables of a Go program's functions", binaries::PCLNTAB, binaries::pclntab)
        .hot(|_| vec![0..96, 400..520])
        .costing(4),
    Target::new("go-build", "Go's build information", binaries::BUILDINFO, binaries::image)
        .hot(|bytes| vec![0..128, bytes.len().saturating_sub(256)..bytes.len()]),
    Target::new("code", "machine code of dlopen", CODE, binaries::code),
    Target::new("ld-cache", "/etc/ld.so.cache", CACHE, binaries::ld_cache)
        .hot(|_| vec![0..64, 0..512])
        .costing(4),
    Target::new("program", "a program of a container, with all that it needs", PROGRAMS, places::program)
        .hot(binaries::hot)
        .costing(10),
    Target::new(
        "go-program",
        "a Go program that is asked for its packages",
        binaries::PCLNTAB,
        places::linked,
    )
    .costing(6),
    Target::new("script", "first lines, extended attributes, versions of musl", SCRIPTS, texts::heads),
    Target::new("passwd", "/etc/passwd and /etc/group", USERS, places::users).costing(6),
    Target::new("pem", "certificates and keys", CERTIFICATES, texts::pem).costing(2),
    Target::new("key", "keys in DER", &[Seed::Bytes(texts::KEY)], texts::key),
    Target::new("trust-store", "bundles of root certificates", CERTIFICATES, texts::trust_store).costing(2),
    Target::new("container-config", "config.json of OCI bundles", CONTAINER_CONFIG, texts::config).costing(4),
    Target::new("docker-config", "config.v2.json of dockerd", DOCKER_CONFIG, places::docker).costing(6),
    Target::new("runtime-state", "state files of runc, crun and containers/storage", STATES, places::states)
        .costing(6),
    Target::new("mountinfo", "mount tables", MOUNTS, texts::mountinfo).costing(2),
    Target::new("cpu", "cgroups of processes, mounts and cpu.stat", CPU, texts::cpu_stat),
    Target::new("process-status", "status and stat of processes", STATUS, texts::status),
    Target::new("command-line", "command lines of runtimes", COMMANDS, texts::command_line),
    Target::new("environment", "environments with secrets", ENVIRONMENTS, texts::environment),
    Target::new("command", "health checks, search paths, cgroup paths of bundles", LINES, texts::lines),
];
