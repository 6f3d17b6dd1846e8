//! Configurations as dockerd writes them, and the tools that their health checks find.

use super::*;
use crate::{
    inspect::{oci, testing::TestHost},
    model::fact::FileFact,
};

/// What is found on a host for `Config` of config.v2.json.
fn found(host: &TestHost, json: &str) -> ImageConfig {
    let kept: ContainerConfig = serde_json::from_str(json).unwrap();
    let config = oci::read(&host.host, &host.bundle().path).unwrap().config;
    let root = host.root();
    let Known::Is(image) = find(Runtime::Docker, Some(&kept), Ok((&root, &config))) else { panic!() };
    image
}

fn check(host: &TestHost, test: &str) -> Healthcheck {
    found(host, &format!(r#"{{"Healthcheck":{{"Test":{test},"Interval":5000000000}}}}"#)).healthcheck.unwrap()
}

/// Each tool with the file that it is, `-` for none and `?` for nobody knows.
fn tools(check: &Healthcheck) -> Vec<(&str, &str)> {
    let file = |tool: &Entrypoint| match &tool.file {
        Known::Is(FileFact::Present(file)) => file.path.clone().leak(),
        Known::Is(FileFact::Absent { .. }) => "-",
        Known::Unknown(_) => "?",
    };
    check.tools.iter().map(|tool| (tool.command.as_str(), file(tool))).collect()
}

#[test]
fn a_health_check_names_its_shell_and_its_tool() {
    let host = TestHost::new().file("/bin/sh", "x").file("/usr/bin/wget", "x");
    let health = check(&host, r#"["CMD-SHELL","wget -q http://localhost/ || exit 1"]"#);
    assert_eq!(tools(&health), [("/bin/sh", "/bin/sh"), ("wget", "/usr/bin/wget")]);
    assert_eq!((health.test.len(), health.interval_ns), (2, 5_000_000_000));
    let health = check(&host, r#"["CMD-SHELL","curl -f http://localhost/ || exit 1"]"#);
    assert_eq!(tools(&health), [("/bin/sh", "/bin/sh"), ("curl", "-")]);
    assert_eq!(health.tools[1].searched, ["/bin/curl", "/usr/bin/curl"]);
    assert_eq!(tools(&check(&host, r#"["CMD","curl","-f","x"]"#)), [("curl", "-")]);
    assert_eq!(tools(&check(&host, r#"["CMD-SHELL","[ -f /tmp/ok ]"]"#)), [("/bin/sh", "/bin/sh")]);
}

#[test]
fn an_image_may_have_a_shell_of_its_own() {
    let host = TestHost::new().file("/bin/bash", "x").file("/usr/bin/curl", "x");
    let json =
        r#"{"Shell":["/bin/bash","-o","pipefail","-c"],"Healthcheck":{"Test":["CMD-SHELL","curl x"]}}"#;
    let health = found(&host, json).healthcheck.unwrap();
    assert_eq!(tools(&health), [("/bin/bash", "/bin/bash"), ("curl", "/usr/bin/curl")]);
    assert_eq!(health.interval_ns, DEFAULT_INTERVAL_NS);
    assert_eq!(
        tools(&check(&TestHost::new(), r#"["CMD-SHELL","curl x"]"#)),
        [("/bin/sh", "-"), ("curl", "-")]
    );
}

#[test]
fn without_a_health_check_there_is_none() {
    let host = TestHost::new();
    for json in [
        "{}",
        r#"{"Healthcheck":null}"#,
        r#"{"Healthcheck":{}}"#,
        r#"{"Healthcheck":{"Test":[]}}"#,
        r#"{"Healthcheck":{"Test":["NONE"]}}"#,
    ] {
        assert_eq!(found(&host, json).healthcheck, None, "{json}");
    }
}

#[test]
fn a_busybox_may_have_the_tool_without_a_file() {
    let host = TestHost::new().file("/bin/busybox", "\0wc\0wget\0which\0").link("/bin/sh", "busybox");
    assert_eq!(tools(&check(&host, r#"["CMD-SHELL","wget x"]"#))[1], ("wget", "?"));
    assert_eq!(tools(&check(&host, r#"["CMD-SHELL","curl x"]"#))[1], ("curl", "-"));
    // Without a shell in between it is searched for as any program.
    assert_eq!(tools(&check(&host, r#"["CMD","wget","x"]"#)), [("wget", "-")]);
}

#[test]
fn nothing_secret_is_kept_of_labels_and_command_lines() {
    let host = TestHost::new();
    let json = r#"{"Labels":{"version":"1","api.key":"abc","token":"","db":"postgres://u:p@h/x"},"Healthcheck":{"Test":
        ["CMD-SHELL","curl --password xyz --token=xyz https://u:xyz@h/?a=b http://h/?key=xyz -k yes"]}}"#;
    let image = found(&host, json);
    let label = |name: &str| image.labels[name].as_str();
    assert_eq!((label("version"), label("api.key"), label("token"), label("db")), ("1", "***", "", "***"));
    let line = "curl --password *** --token=*** *** http://h/?key=*** -k yes";
    assert_eq!(image.healthcheck.unwrap().test, ["CMD-SHELL", line]);
}

#[test]
fn labels_and_words_have_their_limits() {
    let labels: Vec<_> = (0..200).map(|n| format!(r#""label{n:03}":"{}""#, "ä".repeat(300))).collect();
    let long = format!(r#""{}":"x""#, "a".repeat(MAX_LABEL_BYTES + 1));
    let words = vec![r#""x""#; 100].join(",");
    let json =
        format!(r#"{{"Labels":{{{},{long}}},"Healthcheck":{{"Test":["CMD",{words}]}}}}"#, labels.join(","));
    let image = found(&TestHost::new(), &json);
    assert_eq!((image.labels.len(), image.labels.keys().next().unwrap().as_str()), (MAX_LABELS, "label000"));
    assert_eq!(image.labels["label000"].len(), MAX_LABEL_BYTES);
    assert_eq!(image.healthcheck.unwrap().test.len(), 1 + WORD_LIMIT);
}

#[test]
fn without_a_look_into_the_container_the_words_are_known_and_the_tools_are_not() {
    let kept: ContainerConfig =
        serde_json::from_str(r#"{"Labels":{"a":"b"},"Healthcheck":{"Test":["CMD","curl"]}}"#).unwrap();
    let Known::Is(image) = find(Runtime::Docker, Some(&kept), Err("gone")) else { panic!() };
    assert_eq!(image.labels["a"], "b");
    assert_eq!(tools(&image.healthcheck.unwrap()), [("curl", "?")]);
}
