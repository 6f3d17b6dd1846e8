//! GODEBUG names a setting that the program's Go version does not know, and ignores.

use super::{
    Need, Pattern,
    wording::{config, files},
};
use crate::{
    case::Case,
    model::{
        diagnosis::{Confidence, Finding, Severity},
        text::inert_short,
    },
    nearest::nearest,
};

pub(super) const PATTERN: Pattern = Pattern {
    id: "godebug-unknown",
    severity: Severity::Info,
    title: "GODEBUG names a setting that this Go version does not know",
    symptom: "Nothing: Go ignores unknown names without a word, and the behaviour that was asked for does not come.",
    evidence: "The configuration's GODEBUG against the settings of the Go version that built the program \
        (`internal/godebugs` and `runtime`), which stands in its build information.",
    look_alikes: "- A Go version newer than gomon's table: it may know the name, nothing is said.\n\
        - `cpu.*` names and what the runtime alone reads (`gctrace`, `schedtrace`): known.\n\
        - Defaults that an old `go` line in go.mod brings (`DefaultGODEBUG`): not in the environment.",
    remedy: "Remove it, or write the name that was meant. `tls13=1` has been the default since Go 1.13, and \
        `x509ignoreCN=0` is gone since 1.17.",
    limits: "Values are not checked. The table is that of Go 1.27: of a newer program only settings that were taken away \
        by then are told.",
    brought_about_by: &[],
    needs: &[Need::Config, Need::Entrypoint],
    matches,
};

/// The minor version whose tables these are: `src/internal/godebugs/table.go` and `dbgvars` of `src/runtime/runtime1.go`.
const TABLE_MINOR: u32 = 27;

/// Settings that it knows, those that `golang.org/x/net` reads among them.
const KNOWN: [&str; 83] = [
    "adaptivestackstart",
    "allowmultiplevcs",
    "asyncpreemptoff",
    "cgocheck",
    "checkfinalizers",
    "clobberfree",
    "containermaxprocs",
    "cryptocustomrand",
    "dataindependenttiming",
    "decoratemappings",
    "disablethp",
    "dontfreezetheworld",
    "efence",
    "embedfollowsymlinks",
    "execerrdot",
    "fips140",
    "fips140ems",
    "gccheckmark",
    "gcpacertrace",
    "gcshrinkstackoff",
    "gcstoptheworld",
    "gctrace",
    "gocachehash",
    "gocachetest",
    "gocacheverify",
    "gotestjsonbuildtext",
    "harddecommit",
    "htmlmetacontenturlescape",
    "http2client",
    "http2debug",
    "http2server",
    "http2xconnect",
    "httpcookiemaxnum",
    "httplaxcontentlength",
    "httpmuxgo121",
    "httpservecontentkeepheaders",
    "httpservecontentmaxranges",
    "inittrace",
    "installgoroot",
    "invalidptr",
    "jstmpllitinterp",
    "madvdontneed",
    "multipartfiles",
    "multipartmaxheaders",
    "multipartmaxparts",
    "multipathtcp",
    "netdns",
    "netedns0",
    "panicnil",
    "profstackdepth",
    "randautoseed",
    "randseednop",
    "rsa1024min",
    "sbrk",
    "scavtrace",
    "scheddetail",
    "schedtrace",
    "tarinsecurepath",
    "tlsmaxrsasize",
    "tlsmlkem",
    "tlssecpmlkem",
    "tlssha1",
    "traceadvanceperiod",
    "traceallocfree",
    "tracebackancestors",
    "tracebacklabels",
    "tracecheckstackownership",
    "tracefpunwindoff",
    "updatemaxprocs",
    "urlmaxqueryparams",
    "urlstrictcolons",
    "winreadlinkvolume",
    "winsymlink",
    "x509negativeserial",
    "x509rsacrt",
    "x509sha256skid",
    "x509sslcertoverrideplatform",
    "x509usefallbackroots",
    "x509usepolicies",
    "zipinsecurepath",
    "gcstackbarrierall",
    "gcstackbarrieroff",
    "gcrescanstacks",
];

/// Settings that were taken away, and the minor version that does not know them any more.
const REMOVED: [(&str, u32); 13] = [
    ("allocfreetrace", 23),
    ("asynctimerchan", 27),
    ("gotypesalias", 27),
    ("scavenge", 13),
    ("tls10server", 27),
    ("tls13", 14),
    ("tls3des", 27),
    ("tlskyber", 24),
    ("tlsrsakex", 27),
    ("tlsunsafeekm", 27),
    ("x509ignoreCN", 17),
    ("x509keypairleaf", 27),
    ("x509sha1", 24),
];

/// More than one are seldom; a container may be given thousands.
const FINDINGS: usize = 16;
/// What is told of a name, and of the whole value.
const NAME_CHARS: usize = 64;
const VALUE_CHARS: usize = 512;

/// What is wrong with a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Unknown,
    RemovedIn(u32),
}

fn matches(case: &Case) -> Vec<Finding> {
    let (Some(config), Some(build)) = (case.config.get(), case.go()) else { return Vec::new() };
    let Some(minor) = minor(&build.version) else { return Vec::new() };
    let Some(value) = config.env.get("GODEBUG") else { return Vec::new() };
    let names = value.split(',').filter_map(|setting| setting.split_once('=')).map(|(name, _)| name.trim());
    let faults = names.filter_map(|name| Some((name, fault(name, minor)?))).take(FINDINGS);
    faults.map(|(name, fault)| finding(case, value, name, fault, &build.version)).collect()
}

fn fault(name: &str, minor: u32) -> Option<Fault> {
    let name = name.strip_prefix('#').unwrap_or(name);
    if name.is_empty() || name.starts_with("cpu.") || KNOWN.contains(&name) {
        return None;
    }
    match REMOVED.iter().find(|(removed, _)| *removed == name) {
        Some((_, since)) if minor >= *since => Some(Fault::RemovedIn(*since)),
        Some(_) => None,
        None => (minor <= TABLE_MINOR).then_some(Fault::Unknown),
    }
}

/// 27 of `go1.27.3`.
pub(super) fn minor(version: &str) -> Option<u32> {
    let digits = version.strip_prefix("go1.")?;
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    digits.get(..end)?.parse().ok()
}

fn finding(case: &Case, value: &str, name: &str, fault: Fault, version: &str) -> Finding {
    let (name, version) = (inert_short(name, NAME_CHARS), inert_short(version, NAME_CHARS));
    let (why, remedy) = match fault {
        Fault::Unknown => {
            let meant =
                nearest(&name, KNOWN).map(|known| format!("   # or was {known} meant?")).unwrap_or_default();
            (format!("{version} knows no such setting"), format!("# take {name} out of GODEBUG{meant}"))
        }
        Fault::RemovedIn(minor) => (
            format!("Go 1.{minor} took it away, and the program was built with {version}"),
            format!("# take {name} out of GODEBUG: the behaviour of Go 1.{minor} cannot be switched back"),
        ),
    };
    Finding {
        severity: Severity::Info,
        confidence: Confidence::High,
        summary: format!("GODEBUG={name}=… has no effect: {why}"),
        evidence: vec![
            config(format!("GODEBUG={}", inert_short(value, VALUE_CHARS))),
            files(format!("the program was built with {version}")),
        ],
        remedy,
        subject: name,
        at: case.appeared_at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_judged_by_the_version_that_reads_them() {
        assert_eq!(fault("gctrace", 27), None);
        assert_eq!(fault("cpu.avx2", 27), None);
        assert_eq!(fault("gctrce", 27), Some(Fault::Unknown));
        assert_eq!(fault("fromthefuture", 28), None);
        assert_eq!(fault("tls13", 12), None);
        assert_eq!(fault("tls13", 27), Some(Fault::RemovedIn(14)));
        assert_eq!(fault("x509ignoreCN", 21), Some(Fault::RemovedIn(17)));
    }

    #[test]
    fn the_minor_version_is_read_from_all_forms() {
        assert_eq!(minor("go1.27.3"), Some(27));
        assert_eq!(minor("go1.27rc1"), Some(27));
        assert_eq!(minor("go1.9"), Some(9));
        assert_eq!(minor("devel go1.28-abc"), None);
    }
}
