//! Containers without any Go program: shells, languages and the tools of a distribution.

use super::ends;
use crate::support::Scene;

const BUSYBOX: &str = "ls -l / | sort | head -n 3; echo a b | tr a-z A-Z; cat /etc/passwd | cut -d: -f1; \
    tar cf - /etc | wc -c; date; seq 3 | while read n; do echo $n; done; uname -r; df; ps; id; hostname";
const BASH: &str = "declare -A seen; for word in a b a; do ((seen[$word]++)); done; printf '%s\\n' \"${!seen[@]}\"; \
    mapfile -t lines < /etc/passwd; echo ${#lines[@]}; [[ $(uname) =~ Linux ]]";
const DASH: &str = "set -eu; for f in /etc/*; do [ -f \"$f\" ] && cat \"$f\" > /dev/null || true; done; \
    x=$(ls / | wc -l); echo \"$x\"; (sleep 0.1; echo late) & wait";
const PERL: &str = "use POSIX; my %seen = map { $_ => 1 } 1 .. 9; print join(',', sort keys %seen), \"\\n\"; \
    eval { require No::Such::Module }; open(my $f, '<', '/etc/passwd') or die; print scalar(() = <$f>), \"\\n\"; \
    print strftime('%Y', gmtime), \"\\n\"; system('true') == 0 or die; my $kernel = `uname -r`";
const AWK: &str = "awk -F: '{ n[$7]++ } END { for (s in n) print s, n[s] }' /etc/passwd";
const PACKAGES: &str = "dpkg -l | wc -l; dpkg -S /bin/bash; dpkg-query -W libc6; apt-cache policy; apt-get --version; \
    dpkg --audit; update-alternatives --get-selections | wc -l";
const FILES: &str = "mkdir -p /srv/data && cd /srv/data && for i in 1 2 3; do echo $i > $i; done; cp 1 4; mv 2 5; \
    ln -s 3 link; chmod 600 4; chown nobody 4; tar --exclude=all.tgz -czf all.tgz . && rm -r /srv/data";

pub(super) fn scenes() -> Vec<Scene> {
    vec![
        ends("busybox", "musl", &["sh", "-c", BUSYBOX]),
        ends("bash", "bookworm", &["bash", "-c", BASH]),
        ends("dash", "bookworm", &["dash", "-c", DASH]),
        ends("perl", "bookworm", &["perl", "-e", PERL]),
        ends("awk", "bookworm", &["sh", "-c", AWK]),
        ends("packages", "bookworm", &["sh", "-c", PACKAGES]),
        ends("old-packages", "bullseye", &["sh", "-c", "dpkg -l | wc -l; perl -e 1; bash --version"]),
        ends("files", "bookworm", &["bash", "-c", FILES]),
        ends("terminal", "musl", &["sh", "-c", "ls; tty"]).with(&["--tty"]),
        ends("user-shell", "bookworm", &["sh", "-c", "id; cat /etc/shadow; ls /root; true"])
            .with(&["--user", "65534:65534"]),
    ]
}
