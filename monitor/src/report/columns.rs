//! A conclusion as a person reads it: what failed, what is missing, evidence, how sure, what to do. Never wraps lines.

use std::fmt::{self, Display, Write};

use anstyle::Style;

use crate::model::{
    container::Identity,
    diagnosis::{
        Blindness, Conclusion, Confidence, Coverage, Diagnosis, Ending, Evidence, Meaning, Severity, Verdict,
    },
    text::inert,
    time::{BootEpoch, BootNs},
};

use super::{Theme, duration::human};

/// How much of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    /// Short ids, and the first pieces of evidence.
    Columns,
    /// Everything.
    Wide,
}

/// Pieces of evidence that [`Width::Columns`] shows of one diagnosis.
const SHOWN_EVIDENCE: usize = 10;

/// The text of `conclusion`, which ends in a line break.
#[must_use]
pub fn text(conclusion: &Conclusion, epoch: BootEpoch, width: Width, theme: &Theme) -> String {
    let mut out = String::new();
    let page = Page { epoch, width, theme };
    // Writing to a String cannot fail.
    let _ = page.conclusion(&mut out, conclusion);
    out
}

/// One diagnosis alone, as `--watch` prints it.
#[must_use]
pub fn finding(diagnosis: &Diagnosis, epoch: BootEpoch, theme: &Theme) -> String {
    let mut out = String::new();
    let page = Page { epoch, width: Width::Columns, theme };
    // Writing to a String cannot fail.
    let _ = page.diagnosis(&mut out, diagnosis, &Coverage::default());
    out
}

/// Why the confidence is what it is.
pub(super) fn meaning(confidence: Confidence) -> &'static str {
    match confidence {
        Confidence::Certain => "the rule has no known look-alike",
        Confidence::High => "a look-alike exists and was ruled out",
        Confidence::Medium => "the evidence fits, and something else could look the same",
    }
}

/// How much was watched, and what was lost, in one sentence.
pub(super) fn watched(coverage: &Coverage, epoch: BootEpoch) -> String {
    if coverage.from == coverage.to {
        return "not at all: judged by its files and by what its runtime remembers".to_owned();
    }
    let start = if coverage.attached_before_start {
        "from before its first process"
    } else {
        "its start was not seen"
    };
    let lost = match coverage.events_lost {
        0 => "no events lost".to_owned(),
        1 => "1 event lost".to_owned(),
        n => format!("{n} events lost"),
    };
    format!(
        "{} for {}, {start}, {lost}",
        epoch.rfc3339(coverage.from),
        human(coverage.to.since(coverage.from))
    )
}

/// The answer in a word and a number.
pub(super) fn headline(conclusion: &Conclusion) -> String {
    match conclusion.verdict {
        Verdict::Findings => {
            let counts: Vec<String> = [Severity::Error, Severity::Warning, Severity::Info]
                .into_iter()
                .filter_map(|severity| {
                    let n = conclusion.diagnoses.iter().filter(|d| d.severity == severity).count();
                    (n > 0).then(|| format!("{n} {severity}"))
                })
                .collect();
            format!("findings: {}", counts.join(", "))
        }
        Verdict::Clean => {
            let remarks = match conclusion.diagnoses.len() {
                0 => String::new(),
                count => format!(" above info ({count} at info)"),
            };
            format!("clean: everything that the patterns rest on was seen, and none of them fits{remarks}")
        }
        Verdict::Inconclusive if conclusion.coverage.is_whole() => {
            "inconclusive: everything was seen, and no pattern explains the failure".to_owned()
        }
        Verdict::Inconclusive => "inconclusive: something could not be seen".to_owned(),
    }
}

/// The end of the container's first process, in one sentence.
pub(super) fn ended(ending: &Ending, epoch: BootEpoch) -> String {
    let Ending { at, code, meaning } = ending;
    let time = at.map_or_else(String::new, |at| format!(" at {}", epoch.rfc3339(at)));
    let meaning = match meaning {
        Meaning::Success => "success",
        Meaning::Stopped => "a signal from outside asked for it",
        Meaning::Explained => "explained by the findings",
        Meaning::Unexplained => "no pattern explains it; the program's own log may",
    };
    format!("exit code {code}{time}: {meaning}")
}

/// The earliest time among the evidence: what `+1.20 ms` counts from.
pub(super) fn origin(evidence: &[Evidence]) -> Option<BootNs> {
    evidence.iter().filter_map(|one| one.at).min()
}

/// The blindness that concerns one pattern.
pub(super) fn blind_for<'a>(
    coverage: &'a Coverage,
    pattern: &'a str,
) -> impl Iterator<Item = &'a Blindness> + use<'a> {
    coverage.blind.iter().filter(move |one| one.patterns.iter().any(|id| id == pattern))
}

struct Page<'a> {
    epoch: BootEpoch,
    width: Width,
    theme: &'a Theme,
}

impl Page<'_> {
    fn conclusion(&self, out: &mut String, conclusion: &Conclusion) -> fmt::Result {
        self.target(out, conclusion)?;
        let style = match conclusion.verdict {
            Verdict::Clean => self.theme.good(),
            Verdict::Findings => self.theme.strong,
            Verdict::Inconclusive => self.theme.severity(Severity::Warning),
        };
        writeln!(out, "{}", paint(style, headline(conclusion)))?;
        if let Some(ending) = &conclusion.ending {
            writeln!(out, "{}", ended(ending, self.epoch))?;
        }
        let is_remark =
            |diagnosis: &&Diagnosis| diagnosis.severity == Severity::Info && self.width == Width::Columns;
        for diagnosis in conclusion.diagnoses.iter().filter(|one| !is_remark(one)) {
            writeln!(out)?;
            self.diagnosis(out, diagnosis, &conclusion.coverage)?;
        }
        let remarks: Vec<&Diagnosis> = conclusion.diagnoses.iter().filter(is_remark).collect();
        if !remarks.is_empty() {
            writeln!(out)?;
            remarks.into_iter().try_for_each(|one| self.remark(out, one))?;
            writeln!(out, "{}", paint(self.theme.faint, "Evidence and remedy of these: -o wide"))?;
        }
        writeln!(out)?;
        self.coverage(out, &conclusion.coverage)
    }

    fn target(&self, out: &mut String, conclusion: &Conclusion) -> fmt::Result {
        let Identity { name, image, namespace, pod, pod_uid, runtime, workload } = &conclusion.identity;
        let id = match self.width {
            Width::Columns => conclusion.container.short(),
            Width::Wide => &conclusion.container.0,
        };
        let shown = if name.is_empty() { id } else { name };
        write!(out, "{}", paint(self.theme.strong, inert(shown)))?;
        if !pod.is_empty() {
            write!(out, "  {}/{}", inert(namespace), inert(pod))?;
            if self.width == Width::Wide && !pod_uid.is_empty() {
                write!(out, " ({})", inert(pod_uid))?;
            }
            if let Some(workload) = workload.as_deref().filter(|_| self.width == Width::Wide) {
                write!(out, "  {}", inert(&workload.to_string()))?;
            }
        }
        if !image.is_empty() {
            write!(out, "  {}", inert(image))?;
        }
        writeln!(out, "  {}", paint(self.theme.faint, format!("{}://{}", runtime.name(), inert(id))))
    }

    fn diagnosis(&self, out: &mut String, diagnosis: &Diagnosis, coverage: &Coverage) -> fmt::Result {
        let style = self.theme.severity(diagnosis.severity);
        let (severity, pattern) = (diagnosis.severity.name().to_uppercase(), &diagnosis.pattern);
        writeln!(out, "{} {}", paint(style, severity), paint(self.theme.strong, pattern))?;
        writeln!(out, "  {}", diagnosis.summary)?;
        if let Some(cause) = &diagnosis.consequence_of {
            self.field(out, "Consequence of", cause)?;
        }
        self.field(out, "Missing or wrong", &diagnosis.subject)?;
        self.heading(out, "Evidence")?;
        self.evidence(out, &diagnosis.evidence)?;
        if diagnosis.count > 1 {
            let times = format!(
                "{} times, first {}, last {}",
                diagnosis.count,
                self.epoch.rfc3339(diagnosis.first_seen),
                self.epoch.rfc3339(diagnosis.last_seen)
            );
            self.field(out, "Seen", &times)?;
        }
        let sure = format!("{}: {}", diagnosis.confidence, meaning(diagnosis.confidence));
        self.field(out, "How sure", &sure)?;
        for one in blind_for(coverage, &diagnosis.pattern) {
            self.field(out, "Not seen", &format!("{}: {}", inert(&one.what), inert(&one.why)))?;
        }
        self.heading(out, "Remedy")?;
        diagnosis.remedy.lines().try_for_each(|line| match line {
            "" => writeln!(out),
            line => writeln!(out, "    {line}"),
        })
    }

    /// What only informs, on one line: it must not drown what failed.
    fn remark(&self, out: &mut String, diagnosis: &Diagnosis) -> fmt::Result {
        let Diagnosis { severity, pattern, summary, .. } = diagnosis;
        let style = self.theme.severity(*severity);
        let severity = severity.name().to_uppercase();
        writeln!(out, "{} {}  {summary}", paint(style, severity), paint(self.theme.strong, pattern))
    }

    fn evidence(&self, out: &mut String, evidence: &[Evidence]) -> fmt::Result {
        let origin = origin(evidence);
        let shown = match self.width {
            Width::Columns => SHOWN_EVIDENCE,
            Width::Wide => usize::MAX,
        };
        for Evidence { at, source, fact } in evidence.iter().take(shown) {
            let time = at.map_or_else(String::new, |at| self.epoch.rfc3339(at));
            let since = match (at, origin) {
                (Some(at), Some(origin)) => format!("+{}", human(at.since(origin))),
                (Some(_) | None, _) => "standing".to_owned(),
            };
            let when = format!("{time:24}  {since:>11}");
            writeln!(out, "    {}  {:7}  {fact}", paint(self.theme.faint, when), source.name())?;
        }
        match evidence.len().saturating_sub(shown) {
            0 => Ok(()),
            hidden => writeln!(out, "    and {hidden} more: -o wide"),
        }
    }

    fn coverage(&self, out: &mut String, coverage: &Coverage) -> fmt::Result {
        let watched = watched(coverage, self.epoch);
        writeln!(out, "{}", paint(self.theme.faint, format!("Watched {watched}.")))?;
        for Blindness { what, why, patterns } in &coverage.blind {
            let (what, why) = (inert(what), inert(why));
            write!(out, "{} {what}: {why}", paint(self.theme.severity(Severity::Warning), "Not seen"))?;
            match patterns.as_slice() {
                [] => writeln!(out)?,
                patterns => writeln!(out, "; cannot tell: {}", patterns.join(", "))?,
            }
        }
        Ok(())
    }

    fn heading(&self, out: &mut String, name: &str) -> fmt::Result {
        writeln!(out, "  {}", paint(self.theme.strong, format!("{name}:")))
    }

    fn field(&self, out: &mut String, name: &str, value: &str) -> fmt::Result {
        writeln!(out, "  {} {value}", paint(self.theme.strong, format!("{name}:")))
    }
}

/// `text` between the style's control sequences; without any where the style is empty.
pub(super) fn paint(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::{self, EPOCH};

    fn plain(conclusion: &Conclusion) -> String {
        text(conclusion, EPOCH, Width::Columns, &Theme::plain())
    }

    #[test]
    fn a_finding_reads_cause_subject_evidence_certainty_remedy() {
        let id = "3f2a9c1d4e5b";
        let expected = format!(
            "api  shop/api-7d9f  registry.example/shop/api:1.4  containerd://{id}
findings: 1 error
exit code 1 at 2023-11-14T22:13:21.502Z: explained by the findings

ERROR missing-interpreter
  /app/server exists, but the loader that it names does not.
  Missing or wrong: /lib64/ld-linux-x86-64.so.2
  Evidence:
    2023-11-14T22:13:21.500Z        +0 ms  kernel   execve(\"/app/server\") = ENOENT
                                 standing  files    PT_INTERP of /app/server is /lib64/ld-linux-x86-64.so.2
    2023-11-14T22:13:21.501Z     +1.00 ms  kernel   the process exited with code 1
  Seen: 3 times, first 2023-11-14T22:13:21.500Z, last 2023-11-14T22:14:21.500Z
  How sure: certain: the rule has no known look-alike
  Remedy:
    Build without cgo:

        ENV CGO_ENABLED=0
        RUN go build -o /app/server .

Watched 2023-11-14T22:13:21.000Z for 1 min 1 s, from before its first process, no events lost.
"
        );
        assert_eq!(plain(&samples::finding()), expected);
    }

    #[test]
    fn blindness_names_what_why_and_the_patterns_in_doubt() {
        let text = plain(&samples::inconclusive());
        assert!(text.contains("inconclusive"), "{text}");
        assert!(text.contains("its start was not seen, 7 events lost"), "{text}");
        assert!(
            text.ends_with(
                "Not seen probe oom_kill: the tracepoint oom/mark_victim is missing; cannot tell: oom-kill\n"
            ),
            "{text}"
        );
    }

    #[test]
    fn plain_text_has_no_control_sequence_even_if_a_name_does() {
        let mut conclusion = samples::finding();
        conclusion.identity.image = "x\u{1b}[31m".to_owned();
        assert!(!plain(&conclusion).contains('\u{1b}'));
        assert!(text(&conclusion, EPOCH, Width::Wide, &Theme::coloured()).contains('\u{1b}'));
    }

    #[test]
    fn what_runs_the_pod_shows_in_wide_and_how_sure_that_is() {
        let conclusion = samples::finding();
        let wide = text(&conclusion, EPOCH, Width::Wide, &Theme::plain());
        assert!(wide.starts_with("api  shop/api-7d9f  probably Deployment api  registry"), "{wide}");
        assert!(!plain(&conclusion).contains("Deployment"));
    }

    #[test]
    fn what_only_informs_is_one_line_after_what_failed() {
        let mut conclusion = samples::finding();
        let mut remark = conclusion.diagnoses[0].clone();
        (remark.severity, remark.pattern) = (Severity::Info, "privilege-posture".to_owned());
        remark.summary = "the container starts as root".to_owned();
        conclusion.diagnoses.push(remark);
        let told = plain(&conclusion);
        assert_eq!(told.matches("Remedy:").count(), 1, "{told}");
        assert!(
            told.contains("\n\nINFO privilege-posture  the container starts as root\nEvidence"),
            "{told}"
        );
        let wide = text(&conclusion, EPOCH, Width::Wide, &Theme::plain());
        assert_eq!(wide.matches("Remedy:").count(), 2, "{wide}");
    }

    #[test]
    fn much_evidence_is_cut_in_columns_and_whole_in_wide() {
        let mut conclusion = samples::finding();
        let one = conclusion.diagnoses[0].evidence[0].clone();
        conclusion.diagnoses[0].evidence = vec![one; 14];
        assert!(plain(&conclusion).contains("and 4 more: -o wide"));
        let wide = text(&conclusion, EPOCH, Width::Wide, &Theme::plain());
        assert_eq!(wide.matches("execve").count(), 14);
    }
}
