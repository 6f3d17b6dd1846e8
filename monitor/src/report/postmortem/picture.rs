//! The timeline as a picture: a lane for each failure, a mark for each piece of evidence. Pure; drawn in percent of the width and
//! in fixed heights, so that its text stays as large on a narrow page as on a wide one.

use std::fmt::Write;

use maud::{Markup, html};

use super::{
    Entry, Failure, Postmortem, Row,
    axis::{Axis, Tick},
};
use crate::model::{diagnosis::Source, incident::EPOCH, text::inert_short, time::BootNs};

/// Lanes that are drawn.
const LANES: usize = 24;
/// Characters of a lane's name: what is left of a narrow page.
const NAME: usize = 30;
/// Characters of its container's name, on a wide page.
const CONTAINER: usize = 40;
/// Standing facts in a row beside the name.
const STANDING: usize = 8;
/// Heights in pixels.
const NAME_HEIGHT: usize = 18;
const RAIL_HEIGHT: usize = 24;
const AXIS_HEIGHT: usize = 42;

/// The picture with its caption; nothing where no evidence has a time.
pub(super) fn figure(report: &Postmortem) -> Markup {
    let times = || report.timeline.timed().filter_map(|one| one.at);
    let (Some(first), Some(last)) = (times().min(), times().max()) else { return html! {} };
    let axis = Axis::new(first, last);
    let shown: Vec<&Entry> = report
        .timeline
        .rows()
        .into_iter()
        .filter_map(|row| match row {
            Row::Entry(entry) => Some(entry),
            Row::Gap { .. } => None,
        })
        .collect();
    let lanes: Vec<Lane<'_>> =
        report.failures().take(LANES).map(|failure| Lane::new(failure, &shown)).collect();
    let hidden = report.failures().count().saturating_sub(LANES);
    let height = lanes.iter().map(Lane::height).sum::<usize>();
    let tops = lanes.iter().scan(0, |top, lane| {
        let own = *top;
        *top += lane.height();
        Some(own)
    });
    html! {
        figure.timeline {
            svg role="img" aria-labelledby="picture-title picture-text" height=(height + AXIS_HEIGHT) {
                title id="picture-title" { "Timeline of the evidence, " (axis.days()) " UTC" }
                desc id="picture-text" { (in_words(&lanes, first, last)) }
                @for Tick { x, is_minor, .. } in &axis.ticks() {
                    line class=(if *is_minor { "grid wide" } else { "grid" }) x1=(percent(*x)) x2=(percent(*x)) y1="0" y2=(height + 4) {}
                }
                @for (lane, top) in lanes.iter().zip(tops) { (lane.draw(axis, top)) }
                (draw_axis(axis, height))
            }
            figcaption {
                ul.legend {
                    @for source in Source::ALL.into_iter().filter(|source| shown.iter().any(|one| one.source == *source)) {
                        li { svg.plain width="12" height="12" aria-hidden="true" { (shape(source, false, "50%", 6)) } (source.name()) }
                    }
                    @if lanes.iter().any(|lane| !lane.standing.is_empty()) {
                        li { svg.plain width="12" height="12" aria-hidden="true" { (shape(Source::Files, true, "50%", 6)) } "hollow: stands, without a time" }
                    }
                    li { svg.plain width="16" height="12" aria-hidden="true" { rect.seen width="16" height="12" {} } "watched by gomon" }
                    @if hidden > 0 { li { (hidden) " further failures are in the table alone" } }
                }
            }
        }
    }
}

struct Lane<'a> {
    failure: &'a Failure,
    timed: Vec<(&'a Entry, BootNs)>,
    standing: Vec<&'a Entry>,
}

impl<'a> Lane<'a> {
    fn new(failure: &'a Failure, shown: &[&'a Entry]) -> Self {
        let own = || shown.iter().copied().filter(|one| one.failures.contains(&failure.number));
        let timed = own().filter_map(|one| Some((one, one.at?))).collect();
        Self { failure, timed, standing: own().filter(|one| one.at.is_none()).collect() }
    }

    fn name_height(&self) -> usize {
        NAME_HEIGHT * self.standing.len().div_ceil(STANDING).max(1)
    }

    fn height(&self) -> usize {
        self.name_height() + RAIL_HEIGHT
    }

    fn draw(&self, axis: Axis, top: usize) -> Markup {
        let Failure { number, pattern, container, severity, first, last, watched, .. } = self.failure;
        let rail = top + self.name_height() + 8;
        let name = inert_short(&format!("F{number} {pattern}"), NAME);
        html! {
            g class=(severity.name()) {
                text x="0" y=(top + 14) {
                    tspan.lane { (name) }
                    tspan.wide dx="8" { (inert_short(container, CONTAINER)) }
                }
                @for (at, entry) in self.standing.iter().enumerate() {
                    (mark(entry, true, &standing_x(at), top + 10 + NAME_HEIGHT * (at / STANDING)))
                }
                @for (from, to) in watched.iter().filter_map(|(from, to)| axis.within(*from, *to)) {
                    rect.seen x=(percent(from)) width=(percent((to - from).max(0.4))) y=(rail - 9) height="18" rx="2" {}
                }
                line.rail x1="0" x2="100%" y1=(rail) y2=(rail) {}
                line.span x1=(percent(axis.x(*first))) x2=(percent(axis.x(*last))) y1=(rail) y2=(rail) {}
                @for (entry, at) in &self.timed {
                    (mark(entry, false, &percent(axis.x(*at)), rail))
                }
            }
        }
    }
}

/// From the right: the name stands at the left.
fn standing_x(at: usize) -> String {
    percent(97.0 - 3.6 * f64::from(u8::try_from(at % STANDING).unwrap_or_default()))
}

/// A mark that leads to its line of the table.
fn mark(entry: &Entry, is_standing: bool, x: &str, y: usize) -> Markup {
    let Entry { number, at, source, fact, .. } = entry;
    let time = at.map_or_else(|| "standing".to_owned(), |at| EPOCH.rfc3339(at));
    html! {
        a href={ "#e" (number) } tabindex="-1" data-evidence={ "E" (number) } {
            title { "E" (number) ", " (time) ", " (source.name()) ": " (fact) }
            (shape(*source, is_standing, x, y))
        }
    }
}

/// The shape tells the source.
fn shape(source: Source, is_standing: bool, x: &str, y: usize) -> Markup {
    let class = if is_standing { "dot standing" } else { "dot" };
    let points = match source {
        Source::Kernel => return html! { circle class=(class) cx=(x) cy=(y) r="5" {} },
        Source::Files => "-4.5,-4.5 4.5,-4.5 4.5,4.5 -4.5,4.5",
        Source::Config => "0,-6 6,0 0,6 -6,0",
        Source::Runtime => "0,-5.5 5.5,4.5 -5.5,4.5",
        Source::Procfs => "0,5.5 5.5,-4.5 -5.5,-4.5",
    };
    html! { svg x=(x) y=(y) width="1" height="1" { polygon class=(class) points=(points) {} } }
}

fn draw_axis(axis: Axis, top: usize) -> Markup {
    html! {
        line.axis x1="0" x2="100%" y1=(top + 4) y2=(top + 4) {}
        @for Tick { x, label, is_minor } in &axis.ticks() {
            line class=(if *is_minor { "axis wide" } else { "axis" }) x1=(percent(*x)) x2=(percent(*x)) y1=(top + 4) y2=(top + 9) {}
            text class=(if *is_minor { "wide" } else { "" }) x=(percent(*x)) y=(top + 22) text-anchor=(anchor(*x)) { (label) }
        }
        text x="0" y=(top + 38) { (axis.days()) " UTC" }
    }
}

/// A label at an edge stays inside.
fn anchor(x: f64) -> &'static str {
    match x {
        ..14.0 => "start",
        86.0.. => "end",
        _ => "middle",
    }
}

/// What the picture shows, for who cannot see it.
fn in_words(lanes: &[Lane<'_>], first: BootNs, last: BootNs) -> String {
    let mut text = format!(
        "From {} to {}. The table below has the same evidence.",
        EPOCH.rfc3339(first),
        EPOCH.rfc3339(last)
    );
    for Lane { failure, timed, standing } in lanes {
        let Failure { number, pattern, container, severity, .. } = failure;
        let (timed, standing) = (timed.len(), standing.len());
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            " F{number}, {severity}, {pattern} in {container}: {timed} with a time, {standing} standing."
        );
    }
    text
}

fn percent(x: f64) -> String {
    format!("{x:.2}%")
}
