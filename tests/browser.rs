//! Reports and the agent's pages in a real browser: light, dark, narrow, wide and on paper; what they load, what they run, and
//! what becomes of strings that attack them.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test ends at the first surprise")]

#[path = "browser/chromium.rs"]
mod chromium;
#[path = "browser/scene.rs"]
mod scene;
#[path = "live/support/tools.rs"]
mod tools;

use std::{fs, path::Path};

use assert_cmd::Command;
use chromium::Browser;
use gomon::{
    model::time::BootEpoch,
    sink::{
        http,
        metrics::{Build, Metrics},
        shared::Shared,
    },
};
use serde_json::{Value, json};

const NARROW: u32 = 360;
const WIDTHS: [u32; 4] = [NARROW, 640, 1024, 1600];
/// What A4 has between its margins, in CSS pixels.
const PAPER: u32 = 680;

/// Elements that reach out of the window, or beyond what holds them.
const OVERFLOWING: &str = "[...document.querySelectorAll('body *')]
    .filter(one => !one.closest('thead') && one.getClientRects().length > 0)
    .filter(one => one.getBoundingClientRect().right > document.documentElement.clientWidth + 0.5)
    .map(one => one.outerHTML.slice(0, 200))
    .concat(document.documentElement.scrollWidth > innerWidth ? ['the page itself'] : [])";

/// What no page has: elements that load or run, attributes that run or style, links to elsewhere.
const FOREIGN: &str = "[...document.querySelectorAll('*')].flatMap(one => [
    ...(/^(script|img|image|iframe|object|embed|link|base|audio|video|foreignobject|animate|set|use)$/i.test(one.localName)
        ? [one.outerHTML.slice(0, 200)] : []),
    ...[...one.attributes].filter(({ name, value }) =>
        name.startsWith('on') || ['style', 'src', 'srcset', 'xlink:href'].includes(name)
        || ['href', 'action', 'formaction'].includes(name) && !/^[#/](?![/\\\\])|^[#/]$/.test(value))
        .map(({ name, value }) => `${one.localName} ${name}=${value}`),
]).concat(document.querySelectorAll('style').length === 1 ? [] : ['stylesheets'])";

/// Labels of the picture that leave it, meet each other or are too small to read.
const ILLEGIBLE: &str = "[...document.querySelectorAll('figure > svg')].flatMap(svg => {
    const frame = svg.getBoundingClientRect();
    const texts = [...svg.querySelectorAll('text')].filter(one => one.getClientRects().length > 0);
    const boxes = texts.map(one => [one.textContent, one.getBoundingClientRect()]);
    const meets = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom - 1 && b.top < a.bottom - 1;
    return boxes.flatMap(([name, box], at) => [
        ...(box.left < frame.left - 1 || box.right > frame.right + 1 ? [`${name} leaves the picture`] : []),
        ...(box.height < 11 ? [`${name} is ${box.height} high`] : []),
        ...boxes.slice(at + 1).filter(([, other]) => meets(box, other)).map(([other]) => `${name} meets ${other}`),
    ]);
})";

/// A report on everything in the store of the scene.
fn report(dir: &Path, rest: &str) -> String {
    let path = dir.join("gomon.db");
    let _open = scene::store(&path);
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("gomon"));
    command.args(["report", "-o", "html", "--store"]).arg(&path).args(rest.split_whitespace());
    String::from_utf8(command.assert().code(0).get_output().stdout.clone()).unwrap()
}

/// Writes a page and gives its URL.
fn page(dir: &Path, text: &str) -> String {
    let path = dir.join("page.html");
    fs::write(&path, text).unwrap();
    format!("file://{}", path.display())
}

fn none(found: &Value, what: &str) {
    assert_eq!(found, &json!([]), "{what}");
}

/// What holds of every page at every width, in every scheme, on every medium.
fn check(browser: &mut Browser, name: &str) {
    check_looks(browser, name);
    assert_eq!(browser.complaints(), Vec::<String>::new(), "{name}");
}

fn check_looks(browser: &mut Browser, name: &str) {
    let mut grounds = Vec::new();
    for (scheme, media) in [("light", "screen"), ("dark", "screen"), ("dark", "print")] {
        let widths = if media == "print" { &[PAPER][..] } else { &WIDTHS };
        for width in widths {
            browser.show(*width, scheme, media);
            let place = format!("{name}, {scheme}, {media}, {width} px");
            none(&browser.find(OVERFLOWING), &place);
            none(&browser.find(ILLEGIBLE), &place);
        }
        let colours =
            "(({ backgroundColor, color }) => [backgroundColor, color])(getComputedStyle(document.body))";
        grounds.push(browser.find(colours));
    }
    assert_ne!(grounds[0], grounds[1], "{name}: the dark scheme is another");
    assert_eq!(grounds[0][1], grounds[2][1], "{name}: on paper its text is dark");
    none(&browser.find(FOREIGN), name);
}

#[test]
fn a_report_reads_everywhere_loads_nothing_and_has_a_mark_for_each_piece_of_evidence() {
    let Some(mut browser) = Browser::start() else { return };
    let dir = tempfile::tempdir().unwrap();
    browser.open(&page(dir.path(), &report(dir.path(), "-n shop")));
    check(&mut browser, "report");
    browser.show(NARROW, "light", "screen");
    let told = browser.find("[...document.querySelectorAll('tr[id]')].map(one => one.id).sort()");
    let marked = "[...new Set([...document.querySelectorAll('figure a')].filter(one => {
            const [box, frame] = [one.getBoundingClientRect(), one.closest('figure > svg').getBoundingClientRect()];
            return box.width > 4 && box.height > 4 && box.left >= frame.left && box.right <= frame.right
                && box.top >= frame.top && box.bottom <= frame.bottom;
        }).map(one => one.dataset.evidence.toLowerCase()))].sort()";
    assert_eq!(browser.find(marked), told);
    assert_eq!(told.as_array().unwrap().len(), 20);
    let dead = "[...document.querySelectorAll('a')].map(one => one.getAttribute('href').slice(1))
        .filter(id => !document.getElementById(id))";
    none(&browser.find(dead), "links lead somewhere");
    let named = browser.find("document.getElementById(document.querySelector('figure svg').getAttribute('aria-labelledby').split(' ')[1]).textContent");
    assert!(named.as_str().unwrap().contains("F3, error, oom-kill"), "{named}");
    let pdf = browser.print();
    assert!(pdf.starts_with(b"%PDF-") && pdf.len() > 10_000, "{} bytes", pdf.len());
}

#[test]
fn strings_that_attack_the_page_stay_text() {
    let Some(mut browser) = Browser::start() else { return };
    let dir = tempfile::tempdir().unwrap();
    browser.open(&page(dir.path(), &report(dir.path(), "--since 2026-03-01T00:00:00Z -A")));
    check(&mut browser, "hostile report");
    let text = browser.find("document.body.textContent");
    assert!(
        text.as_str()
            .unwrap()
            .contains("<script>document.title='owned'</script><img src=x onerror=alert(1)>")
    );
    assert!(!text.as_str().unwrap().contains(['\u{1b}', '\u{202e}', '\u{200b}']));
    assert!(browser.find("document.title").as_str().unwrap().ends_with(" - gomon"));
}

#[test]
fn the_policy_of_a_page_holds_where_its_escaping_would_not() {
    let Some(mut browser) = Browser::start() else { return };
    let dir = tempfile::tempdir().unwrap();
    let attack = "<p id=attack style=\"color:rgb(1,2,3)\" onclick=\"document.title='owned'\">x</p><style>#attack{opacity:0}</style>\
        <script>document.title='owned'</script><img src=\"http://127.0.0.1:1/x.png\"></main>";
    let text = report(dir.path(), "-n shop").replace("</main>", attack);
    browser.open(&page(dir.path(), &text));
    let found = browser.find("document.getElementById('attack').click(), (({ color, opacity }) =>
        [document.title.includes('owned'), color, opacity])(getComputedStyle(document.getElementById('attack')))");
    assert_eq!(found[0], false, "nothing runs");
    assert_ne!(found[1], "rgb(1, 2, 3)", "no style but the page's own");
    assert_eq!(found[2], "1");
    let said = browser.complaints().join("\n");
    assert!(said.contains("Content Security Policy"), "{said}");
    let overflow = browser.find(FOREIGN);
    assert!(overflow.as_array().unwrap().len() >= 4, "what is looked for is found: {overflow}");
}

/// An agent's pages with this store, and their address; on the runtime that is entered.
fn serve(store: &Path) -> String {
    let build = Build { version: "0.1.0", revision: "", rust_version: "" };
    let shared = Shared::new(Metrics::new(build, BootEpoch(0), 100).unwrap(), BootEpoch(0));
    shared.set_not_ready(vec!["probe exec is detached".to_owned()]);
    shared.set_store(store.to_owned());
    let listener = http::tcp(http::listen_tcp("127.0.0.1:0").unwrap()).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(http::serve(listener, shared));
    address
}

#[test]
fn the_agents_pages_read_everywhere_lead_to_each_other_and_filter() {
    let Some(mut browser) = Browser::start() else { return };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("gomon.db");
    let _open = scene::store(&path);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let entered = runtime.enter();
    let address = serve(&path);
    browser.open(&format!("http://{address}/"));
    check(&mut browser, "first page");
    assert_eq!(browser.find("document.querySelectorAll('tbody tr').length"), 9);
    browser.forget();
    browser.find(
        "document.querySelector('input[name=pattern]').value = 'oom-kill', document.forms[0].requestSubmit()",
    );
    browser.wait_for("Page.loadEventFired");
    assert_eq!(browser.find("document.querySelectorAll('tbody tr').length"), 1);
    check(&mut browser, "filtered page");
    browser.forget();
    browser.find("document.querySelector('tbody a').click()");
    browser.wait_for("Page.loadEventFired");
    assert_eq!(
        browser.find("document.querySelector('h1').textContent"),
        "oom-kill in shop/api-7d9f66c5b-x2x9k/worker"
    );
    check(&mut browser, "page of an incident");
    browser.open(&format!("http://{address}/incidents/0000000000"));
    check_looks(&mut browser, "refusal");
    let said = browser.complaints();
    assert!(matches!(&said[..], [one] if one.contains("404")), "nothing but the status: {said:?}");
    drop(entered);
}
