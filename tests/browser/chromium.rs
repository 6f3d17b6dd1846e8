//! Drives a headless Chromium over a pipe by the `DevTools` protocol (<https://chromedevtools.github.io/devtools-protocol/>), and
//! keeps what a page asked for, said or was refused.

use std::{
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::tools;

/// Longer than any answer takes on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);
/// The shell has its two pipes as the descriptors that Chromium wants them to be.
const PIPES: &str = "exec \"$0\" \"$@\" 3<&0 4>&1 0</dev/null 1>&2";
const FLAGS: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--remote-debugging-pipe",
];

/// Where a Chromium is; says that it is skipped where there is none.
fn program() -> Option<PathBuf> {
    let found =
        ["chromium-headless-shell", "chromium"].into_iter().find_map(|name| tools::tool("browser", name));
    if found.is_none() {
        tools::skip(
            "pages in a browser",
            "chromium is not installed; `cargo xtask setup` installs it as root",
        );
    }
    found
}

/// A browser with one page.
pub(crate) struct Browser {
    child: Child,
    input: ChildStdin,
    answers: Receiver<Value>,
    session: Option<String>,
    last: u64,
    events: Vec<Value>,
    _profile: TempDir,
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Browser {
    /// `None` where there is no Chromium.
    pub(crate) fn start() -> Option<Self> {
        let profile = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", PIPES]).arg(program()?).args(FLAGS);
        command.arg(format!("--user-data-dir={}", profile.path().display()));
        let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = pipes.spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (sender, answers) = channel();
        thread::spawn(move || {
            for message in BufReader::new(output).split(0).map_while(Result::ok) {
                let message = serde_json::from_slice(&message).unwrap_or_default();
                if sender.send(message).is_err() {
                    return;
                }
            }
        });
        let mut browser =
            Self { child, input, answers, session: None, last: 0, events: Vec::new(), _profile: profile };
        let target = browser.call("Target.createTarget", &json!({ "url": "about:blank" }));
        let attached = browser
            .call("Target.attachToTarget", &json!({ "targetId": target["targetId"], "flatten": true }));
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Network", "Log", "Runtime", "Audits"] {
            browser.call(&format!("{domain}.enable"), &json!({}));
        }
        Some(browser)
    }

    /// The result of a method.
    pub(crate) fn call(&mut self, method: &str, params: &Value) -> Value {
        self.last += 1;
        let mut message = json!({ "id": self.last, "method": method, "params": params });
        if let Some(session) = &self.session {
            message["sessionId"] = session.clone().into();
        }
        self.input.write_all(format!("{message}\0").as_bytes()).unwrap();
        loop {
            let mut answer = self.answers.recv_timeout(PATIENCE).unwrap();
            if answer["id"] == self.last {
                assert!(answer["error"].is_null(), "{method}: {answer}");
                return answer["result"].take();
            }
            self.events.push(answer);
        }
    }

    /// Opens a page and waits until it has loaded; what was seen of earlier pages is forgotten.
    pub(crate) fn open(&mut self, url: &str) {
        self.events.clear();
        let result = self.call("Page.navigate", &json!({ "url": url }));
        assert!(result["errorText"].is_null(), "{url}: {result}");
        self.wait_for("Page.loadEventFired");
    }

    pub(crate) fn wait_for(&mut self, event: &str) {
        while !self.events.iter().any(|one| one["method"] == event) {
            let event = self.answers.recv_timeout(PATIENCE).unwrap();
            self.events.push(event);
        }
    }

    pub(crate) fn forget(&mut self) {
        self.events.clear();
    }

    /// What a script of ours finds on the page: the page's own policy does not concern it.
    pub(crate) fn find(&mut self, script: &str) -> Value {
        let params = json!({ "expression": script, "returnByValue": true, "userGesture": true });
        let mut result = self.call("Runtime.evaluate", &params);
        assert!(result["exceptionDetails"].is_null(), "{script}: {result}");
        result["result"]["value"].take()
    }

    /// A window of this size, in the light or the dark scheme, on a screen or on paper.
    pub(crate) fn show(&mut self, width: u32, scheme: &str, media: &str) {
        let size = json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", &size);
        let features = [json!({ "name": "prefers-color-scheme", "value": scheme })];
        self.call("Emulation.setEmulatedMedia", &json!({ "media": media, "features": features }));
    }

    /// What the page asked for beside itself, said, or was refused.
    pub(crate) fn complaints(&mut self) -> Vec<String> {
        // Whatever was said before this answer has come.
        self.find("1");
        let noise = self.events.iter().filter_map(|event| {
            let params = &event["params"];
            match event["method"].as_str()? {
                "Network.requestWillBeSent" if params["type"] != "Document" => {
                    Some(format!("asks for {}", params["request"]["url"]))
                }
                "Log.entryAdded" => Some(format!("log: {}", params["entry"]["text"])),
                "Runtime.consoleAPICalled" | "Runtime.exceptionThrown" => Some(format!("script: {params}")),
                "Audits.issueAdded" => Some(format!("issue: {}", params["issue"])),
                _ => None,
            }
        });
        noise.collect()
    }

    /// The page on paper.
    pub(crate) fn print(&mut self) -> Vec<u8> {
        let params = json!({ "preferCSSPageSize": true, "printBackground": false });
        let result = self.call("Page.printToPDF", &params);
        data_encoding::BASE64.decode(result["data"].as_str().unwrap().as_bytes()).unwrap()
    }
}
