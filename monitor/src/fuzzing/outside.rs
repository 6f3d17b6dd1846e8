//! The readers of what people and clients write: the configuration, times, targets, queries, settings of Go.

use std::path::Path;

use super::{Seed, Target, Told};
use crate::{
    cli::target::Target as Named,
    config,
    engine::Engine,
    model::{fact::Fact, fact::Known, observation::Observation},
    recording::Reader,
    sink::http,
    when,
};

pub(super) const TARGETS: &[Target] = &[
    Target::new("configuration", "gomon.yaml", CONFIGURATIONS, configuration).costing(4),
    Target::new("time", "durations and points in time", TIMES, time),
    Target::new("target", "names of containers on the command line", NAMES, target),
    Target::new("query", "queries of HTTP clients", &[Seed::Text("container=web&since=10m")], http::fuzzed),
    Target::new("go-settings", "GOMEMLIMIT and GODEBUG of a container", SETTINGS, go_settings).costing(20),
];

const CONFIGURATIONS: &[Seed] = &[
    Seed::Text("listen: 127.0.0.1:9477\nsocket: /run/gomon.sock\nmax_series: 1000\nlog_format: json\n"),
    Seed::Text("runtime_sockets: [/run/docker.sock, &a /x, *a]\nhost_root: /host\nlog_level: debug\n"),
    Seed::Text("a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\n"),
];
const TIMES: &[Seed] = &[
    Seed::Text("10m"),
    Seed::Text("1h30m"),
    Seed::Text("2d"),
    Seed::Text("250ms"),
    Seed::Text("2026-03-01T09:30:00Z"),
];
const NAMES: &[Seed] = &[
    Seed::Text("docker://3f2a"),
    Seed::Text("shop/api-7d9f/api"),
    Seed::Text("pid:4711"),
    Seed::Text("web@/other/web"),
];
const SETTINGS: &[Seed] = &[
    Seed::Text("400Mi"),
    Seed::Text("1.5GiB"),
    Seed::Text("18014398509481984.9TiB"),
    Seed::Text("tls13=1,gctrce=1,x509ignoreCN=0"),
    Seed::Text("80%"),
];

fn configuration(bytes: &[u8]) -> Told {
    let text = String::from_utf8_lossy(bytes);
    Told::result(config::parse(Path::new("/etc/gomon/gomon.yaml"), &text))
}

fn time(bytes: &[u8]) -> Told {
    let text = String::from_utf8_lossy(bytes);
    let since = text.parse::<when::Since>().map(|since| since.start(jiff::Timestamp::UNIX_EPOCH));
    drop(when::duration(&text));
    Told::result(since)
}

fn target(bytes: &[u8]) -> Told {
    let text = String::from_utf8_lossy(bytes);
    let named = text.parse::<Named>();
    if let Ok(named) = &named {
        assert_eq!(named.to_string().parse::<Named>().as_ref(), Ok(named), "it reads back as another");
    }
    Told::result(named)
}

/// Containers that failed for other settings fail for these.
fn go_settings(bytes: &[u8]) -> Told {
    const RECORDINGS: [(&str, &str); 2] = [
        ("GOMEMLIMIT", include_str!("../../../tests/scenarios/gomemlimit-malformed/fires.jsonl")),
        ("GODEBUG", include_str!("../../../tests/scenarios/godebug-unknown/fires.jsonl")),
    ];
    let text = String::from_utf8_lossy(bytes);
    let mut said = String::new();
    for (name, recording) in RECORDINGS {
        let Ok(reader) = Reader::open(recording.as_bytes()) else { return Told::Nothing };
        let mut engine = Engine::new();
        for mut observation in reader.map_while(Result::ok) {
            if let Observation::Learned { fact, .. } = &mut observation
                && let Fact::Config(Known::Is(config)) = fact.as_mut()
            {
                config.env.insert(name.to_owned(), text.clone().into_owned());
            }
            drop(engine.observe(&observation));
        }
        engine.settle();
        for diagnosis in engine.diagnoses() {
            said.push_str(&diagnosis.summary);
        }
    }
    Told::Value(said)
}
