//! Containers that run a program to its end: healthy ones, and failures that are the program's own affair.

use anyhow::Result;

use super::stage::Stage;
use crate::fixtures::Image;

/// One container and how it ends.
pub(super) struct Job {
    pub(super) name: &'static str,
    image: Image,
    options: &'static [&'static str],
    command: &'static [&'static str],
    code: i32,
}

const fn job(name: &'static str, image: Image, command: &'static [&'static str]) -> Job {
    Job { name, image, options: &[], command, code: 0 }
}

/// A script for the `sh` of Debian, which is dash.
const fn dash(name: &'static str, command: &'static [&'static str]) -> Job {
    job(name, Image::Bookworm, command)
}

impl Job {
    const fn with(self, options: &'static [&'static str]) -> Self {
        Self { options, ..self }
    }

    const fn ends_with(self, code: i32) -> Self {
        Self { code, ..self }
    }

    pub(super) fn play(&self, stage: &Stage) -> Result<()> {
        let image = self.image.reference();
        let args = [self.options, &[image.as_str()], self.command].concat();
        stage.run(self.name, &args, self.code).map(drop)
    }
}

const SEARCHES: &str = "set -e; env true; echo a b | xargs -n1 echo; find /etc -maxdepth 1 -name passwd \
    -exec ls {} ';'; timeout 5 true; setsid true; command -v ls; which ls";
const MISSING_TOOLS: &str = "nosuch; env nosuch; timeout 5 nosuch; nohup nosuch; nice nosuch; echo x | xargs nosuch; \
    find /etc/passwd -exec nosuch {} ';'; /opt/no/such/tool; command -v nosuch; true";
const SCRIPTS: &str = "/app/good.sh; sh /app/good.sh; /app/noshebang.sh; sh /app/noshebang.sh; . /app/noshebang.sh; \
    env /app/noshebang.sh; echo | xargs /app/noshebang.sh; find /app/noshebang.sh -exec {} ';'; timeout 5 \
    /app/noshebang.sh; nohup /app/noshebang.sh; nice /app/noshebang.sh; /app/empty; sh /app/empty; sh /app/crlf.sh; \
    (/app/noshebang.sh); /app/noshebang.sh | cat; true";
const MORE_SEARCHES: &str = "nohup true; nice true; stdbuf -o0 true; ionice true; xargs -a /etc/hostname -P4 env true; \
    find /etc -maxdepth 1 -type f -execdir env true ';'; chroot / true; flock /tmp true; script -qc true /dev/null";
const PERL: &str = "system('true') == 0 or die; system('nosuch-tool'); my $x = `ls /etc`; system('/app/noshebang.sh'); \
    eval { require No::Such::Module }; use POSIX; use Socket; exec 'true'";
const KILLED: &str = "sleep 60 & kill $!; wait $!; sleep 60 & kill -9 $!; wait $!; timeout 0.2 sleep 5; \
    timeout -s KILL 0.2 sleep 5; sh -c 'kill -TERM $$'; sh -c 'kill -SEGV $$'; true";
const KILLED_GO: &str = "timeout 0.3 /app/probe.static serve; timeout -s KILL 0.3 /app/probe.glibc sleep 10s; \
    timeout -k 2 0.3 /app/probe.static ignore-term; timeout 0.3 /app/probe.static no-handler; /app/probe.glibc exit 3; \
    timeout -s QUIT 0.3 /app/probe.static no-handler; true";
const STORM: &str = "i=0; while [ $i -lt 300 ]; do /bin/true; i=$((i+1)); done; \
    for f in /etc/*; do cat $f; done >/dev/null 2>&1; true";
const READ_ALL: &str = "find / -xdev -type f | wc -l; tar cf - /usr/share /usr/lib 2>/dev/null | wc -c; du -sx / ; \
    grep -r nosuchword /etc; true";
const LOOKUPS: &str = "getent passwd root; getent hosts localhost; getent group nogroup; locale -a; \
    iconv -f utf8 -t utf16 /etc/passwd | wc -c; id; whoami; su nobody -s /bin/sh -c id; \
    setpriv --reuid 1000 --clear-groups id; ldd /app/probe.glibc; ldd /app/probe.static; true";
const PAGE_CACHE: &str =
    "dd if=/dev/zero of=/f bs=1M count=150 2>/dev/null; cat /f >/dev/null; cat /f | wc -c; rm /f";
const PLUGIN: &str = "require DynaLoader; DynaLoader::dl_load_file('libno.so'); exit 127";
const LIBS: &str = "LD_LIBRARY_PATH=/opt/none:/opt/other:/libs";

/// In the order in which they are run, over and over.
pub(super) const JOBS: &[Job] = &[
    dash("search-dash", &["sh", "-c", SEARCHES]),
    dash("search-bash", &["bash", "-c", SEARCHES]),
    job("search-busybox", Image::Musl, &["sh", "-c", SEARCHES]),
    dash("search-more", &["sh", "-c", MORE_SEARCHES]),
    dash("search-long", &["env", "sh", "-c", SEARCHES])
        .with(&["-e", "PATH=/opt/a/bin:/opt/b/bin:/usr/local/bin:/usr/bin:/bin"]),
    dash("missing-tools-dash", &["sh", "-c", MISSING_TOOLS]),
    dash("missing-tools-bash", &["bash", "-c", MISSING_TOOLS]),
    job("missing-tools-busybox", Image::Musl, &["sh", "-c", MISSING_TOOLS]),
    dash("scripts-dash", &["sh", "-c", SCRIPTS]),
    dash("scripts-bash", &["bash", "-c", SCRIPTS]),
    job("scripts-busybox", Image::Musl, &["sh", "-c", SCRIPTS]),
    job("script-entrypoint", Image::Musl, &["/app/good.sh", "a", "b"]),
    dash("script-bash-entrypoint", &["/app/bash.sh"]),
    dash("perl", &["perl", "-e", PERL]),
    dash("killed-children", &["sh", "-c", KILLED]),
    dash("killed-go-children", &["bash", "-c", KILLED_GO]),
    dash("killed-children-init", &["sh", "-c", KILLED]).with(&["--init"]),
    dash("exec-storm", &["sh", "-c", STORM]),
    job("exec-storm-busybox", Image::Musl, &["sh", "-c", STORM]),
    dash("read-all", &["sh", "-c", READ_ALL]),
    dash("lookups", &["sh", "-c", LOOKUPS]),
    dash("exit-1", &["sh", "-c", "exit 1"]).ends_with(1),
    dash("exit-126", &["sh", "-c", "exit 126"]).ends_with(126),
    dash("exit-127", &["sh", "-c", "exit 127"]).ends_with(127),
    dash("exit-137", &["bash", "-c", "exit 137"]).ends_with(137),
    dash("exit-139", &["sh", "-c", "exit 139"]).ends_with(139),
    dash("last-command-missing", &["sh", "-c", "nosuch"]).ends_with(127),
    job("last-command-missing-busybox", Image::Musl, &["sh", "-c", "nosuch"]).ends_with(127),
    job("go-exit-127", Image::Scratch, &["/app/probe.static", "exit", "127"]).ends_with(127),
    dash("cgo-exit-127", &["/app/probe.glibc", "exit", "127"]).ends_with(127),
    job("go-usage", Image::Scratch, &["/app/probe.static"]).ends_with(2),
    job("go-segv-recovered", Image::Scratch, &["/app/probe.static", "segv-recovered"]),
    job("go-386", Image::Scratch, &["/app/probe.386", "ok"]),
    dash("preload-missing", &["sh", "-c", "ls / >/dev/null; env true"])
        .with(&["-e", "LD_PRELOAD=/opt/none.so"]),
    dash("preload-missing-127", &["sh", "-c", "nosuch"])
        .with(&["-e", "LD_PRELOAD=libnone.so"])
        .ends_with(127),
    dash("plugin-missing-127", &["perl", "-e", PLUGIN]).ends_with(127),
    dash("plugin-missing-child-127", &["sh", "-c", "perl -e 'require DynaLoader; DynaLoader::dl_load_file(\"libno.so\"); exit 127'; su nobody -s /bin/sh -c nosuch"])
        .ends_with(127),
    dash("library-path", &["/app/probe.needfoo", "ok"]).with(&["-e", LIBS]),
    dash(
        "library-path-shell",
        &["sh", "-c", "ls / >/dev/null; perl -e 1; env /app/probe.needfoo ok; nosuch"],
    )
    .with(&["-e", LIBS])
    .ends_with(127),
    job("library-path-musl", Image::Musl, &["/app/probe.needfoo.musl", "ok"]).with(&["-e", LIBS]),
    dash("cgo", &["/app/probe.glibc", "user"]),
    dash("cgo-user", &["/app/probe.glibc", "ok"]).with(&["--user", "1000"]),
    dash("pie-with-loader", &["/app/probe.pie", "ok"]),
    job("musl", Image::Musl, &["/app/probe.musl", "user"]),
    job("musl-static", Image::Musl, &["/app/probe.static", "ok"]),
    job("go-starts-go", Image::Scratch, &["/app/probe.static", "exec", "/app/probe.386", "ok"]),
    job("go-looks-in-path", Image::Musl, &["/app/probe.static", "spawn-path", "true"])
        .with(&["-e", "PATH=/a:/b:/usr/bin:/bin"]),
    job("tls-own-roots", Image::Scratch, &["/app/probe.static", "tls-local-ok"]),
    job("tls-fallback", Image::Scratch, &["/app/probe.static", "tls-fallback"]),
    job("tls-fallback-ca", Image::ScratchCa, &["/app/probe.static", "tls-fallback"]).ends_with(1),
    job("tls-unknown-ca", Image::ScratchCa, &["/app/probe.static", "tls-local"]).ends_with(1),
    dash("tls-own-roots-cgo", &["/app/probe.glibc", "tls-local-ok"]),
    job("system-pool", Image::Scratch, &["/app/probe.static", "system-pool"]),
    job("system-pool-ca", Image::ScratchCa, &["/app/probe.static", "system-pool"]),
    job("system-pool-musl", Image::Musl, &["/app/probe.musl", "system-pool"]),
    job("cert-file-missing", Image::ScratchCa, &["/app/probe.static", "system-pool"])
        .with(&["-e", "SSL_CERT_FILE=/nowhere"]),
    job("memory-limit", Image::Scratch, &["/app/probe.static", "ok"]).with(&["-m", "256m"]),
    dash("page-cache-limit", &["sh", "-c", PAGE_CACHE]).with(&["-m", "64m"]),
    job("cpu-limit", Image::Scratch, &["/app/probe.static", "tls-local-ok"]).with(&["--cpus", "0.5"]),
    job("pids-limit", Image::Scratch, &["/app/probe.static", "ok"]).with(&["--pids-limit", "64"]),
    job("files-limit", Image::Scratch, &["/app/probe.static", "ok"]).with(&["--ulimit", "nofile=64:64"]),
    job("init", Image::Scratch, &["/app/probe.static", "ok"]).with(&["--init"]),
    dash("init-search", &["env", "true"]).with(&["--init"]),
    job("user", Image::Scratch, &["/app/probe.static", "ok"]).with(&["--user", "1000"]),
    dash("user-shell", &["sh", "-c", "id; cat /etc/shadow; touch /x; ls /root; true"])
        .with(&["--user", "65534:65534"]),
    job("read-only", Image::Scratch, &["/app/probe.static", "ok"]).with(&["--read-only"]),
    job("read-only-tmp", Image::Scratch, &["/app/probe.static", "write", "/tmp/x"]).with(&[
        "--read-only",
        "--tmpfs",
        "/tmp",
    ]),
    job("no-capabilities", Image::Scratch, &["/app/probe.static", "ok"]).with(&["--cap-drop", "ALL"]),
    job("capability-granted", Image::Scratch, &["/app/caps", "ok"]).with(&["--cap-add", "NET_ADMIN"]),
    job("no-new-privileges", Image::Scratch, &["/app/probe.static", "ok"])
        .with(&["--security-opt", "no-new-privileges"]),
    job("mode-0700", Image::Scratch, &["/app/root700", "ok"]),
    job("terminal", Image::Musl, &["sh", "-c", "ls; tty"]).with(&["--tty"]),
    job("host-network", Image::Scratch, &["/app/probe.static", "ok"]).with(&["--network", "host"]),
    job("host-pids", Image::Scratch, &["/app/probe.static", "ok"]).with(&["--pid", "host"]),
    dash("host-pids-shell", &["sh", "-c", "nosuch; env nosuch; env true"]).with(&["--pid", "host"]),
    job("entrypoint-option", Image::Scratch, &["ok"]).with(&["--entrypoint", "/app/probe.static"]),
    job("work-directory", Image::Musl, &["./good.sh"]).with(&["--workdir", "/app"]),
    job("from-path", Image::Musl, &["true"]),
    dash("volume", &["sh", "-c", "echo x > /data/x; cp /app/good.sh /data; /data/good.sh"])
        .with(&["-v", "/data"]),
];
