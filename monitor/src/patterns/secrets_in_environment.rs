//! Secrets stand in the container's environment. Names only: gomon keeps no value.

use super::{
    Need, Pattern,
    secret_names::is_secret,
    wording::{config, some_of},
};
use crate::{
    case::Case,
    model::{
        diagnosis::{Confidence, Finding, Severity},
        text::inert_short,
    },
};

/// Names that a finding shows.
const SHOWN: usize = 12;
const NAME_LENGTH: usize = 64;
/// What stands for a value that was dropped on reading.
const DROPPED: &str = "***";

pub(super) const PATTERN: Pattern = Pattern {
    id: "secrets-in-environment",
    severity: Severity::Info,
    title: "Secrets stand in the container's environment",
    symptom: "Nothing fails. `docker inspect`, `kubectl describe`, crash reports and `/proc/1/environ` show the values to \
        more people than a file would.",
    evidence: "`process.env` of the container's configuration has names that say what they hold: a word KEY, APIKEY, \
        SECRET, TOKEN, PASSWORD, PASSWD, PASSPHRASE or CREDENTIAL, with a value; or a URL with a password in it (high).",
    look_alikes: "- Names that say where a secret is, or something about it: ending in FILE, PATH, DIR, URL, NAME, ID, TTL, \
        TIMEOUT, HOST, PORT and their like.\n\
        - Public keys, `GPG_KEY` of the official language images, keys of a cache or a table.\n\
        - Words that only contain one: MONKEY, KEYCLOAK, TOKENIZERS.\n\
        - Switches such as ALLOW_EMPTY_PASSWORD; empty values.",
    remedy: "Hand secrets over as files: a Secret volume, `docker run --mount`, and a `NAME_FILE` that the program reads. \
        A Secret through `secretKeyRef` ends in the environment all the same.",
    limits: "Judged by names: a secret under an innocent name is not seen, and neither is what a program sets itself.",
    brought_about_by: &[],
    needs: &[Need::Config],
    matches,
};

fn matches(case: &Case) -> Vec<Finding> {
    find(case).into_iter().collect()
}

fn find(case: &Case) -> Option<Finding> {
    let config_known = case.config.get()?;
    let env = config_known.env.iter().filter(|(_, value)| !value.is_empty());
    let named: Vec<&str> = env
        .filter(|(name, value)| is_secret(name, *value == DROPPED))
        .map(|(name, _)| name.as_str())
        .collect();
    let first = named.first()?;
    let (verb, noun) = if named.len() == 1 { ("stands", "secret") } else { ("stand", "secrets") };
    let told = some_of(&named, SHOWN);
    Some(Finding {
        severity: Severity::Info,
        confidence: Confidence::High,
        subject: "environment".to_owned(),
        summary: format!("{} {noun} {verb} in the environment: {told}", named.len()),
        evidence: vec![config(format!("process.env has {told}; gomon keeps no values"))],
        remedy: remedy(case, &inert_short(first, NAME_LENGTH)),
        // A standing fact of this life of the container.
        at: case.appeared_at,
    })
}

fn remedy(case: &Case, name: &str) -> String {
    if case.identity.pod.is_empty() {
        format!(
            "# as a file that only this container sees; the program reads what {name}_FILE names\n\
            docker run --mount type=bind,source=/srv/secrets/{name},target=/run/secrets/{name},readonly \\\n  \
            --env {name}_FILE=/run/secrets/{name} …"
        )
    } else {
        format!(
            "# as a file; the program reads what {name}_FILE names\n\
            env:\n- name: {name}_FILE\n  value: /run/secrets/{name}\n\
            volumeMounts:\n- name: secrets\n  mountPath: /run/secrets\n  readOnly: true\n\
            volumes:\n- name: secrets\n  secret:\n    secretName: …"
        )
    }
}
