//! `docker build` as people use it: from nothing, with RUN steps, in stages, failing; and Go's own build in a container.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::stage::{Scene, Stage, docker};
use crate::command;
use crate::setup::go;

const PLAIN: &str = "FROM scratch\nCOPY good.sh /app/good.sh\nLABEL a=b\nCMD [\"/app/good.sh\"]\n";

const STEPS: &str = r#"FROM gomon-test/musl:1
RUN mkdir -p /srv/data && echo hello > /srv/data/hello
RUN adduser -D app 2>/dev/null || echo 'app:x:1000:1000::/srv:/bin/sh' >> /etc/passwd
COPY good.sh noshebang.sh /srv/
RUN chmod +x /srv/*.sh && /srv/good.sh && /srv/noshebang.sh && env /srv/noshebang.sh
RUN command -v nosuch || env nosuch || true
RUN ["/app/probe.static", "ok"]
RUN for i in $(seq 50); do cat /etc/passwd > /dev/null; done
ENV LD_LIBRARY_PATH=/opt/none
RUN /app/probe.musl ok
USER 1000
WORKDIR /srv
HEALTHCHECK CMD ["/app/probe.static", "ok"]
ENTRYPOINT ["/srv/good.sh"]
"#;

const STAGES: &str = r#"FROM gomon-test/bookworm:1 AS build
RUN set -e; find /usr/share -type f | xargs ls >/dev/null; perl -e 'system("true")'; nohup true; timeout 5 true
RUN bash -c 'cp /app/probe.static /server; tar cf /x.tar /server; tar xf /x.tar -C /tmp; sha256sum /server'
ENV LD_LIBRARY_PATH=/libs
RUN /app/probe.needfoo ok
FROM gomon-test/scratch:1
COPY --from=build /server /server
ENTRYPOINT ["/server"]
CMD ["ok"]
"#;

/// The last step fails, as builds do.
const FAILING: [&str; 3] = [
    "FROM gomon-test/musl:1\nRUN true\nRUN false\n",
    "FROM gomon-test/bookworm:1\nRUN go build -o /server .\n",
    "FROM gomon-test/bookworm:1\nRUN sh -c 'nosuch || exit 3'\n",
];

const GO: &str = "set -e; mkdir -p /w; cd /w; go version; go mod init w 2>/dev/null; \
    printf 'package main\\nimport \"fmt\"\\nfunc main() { fmt.Println(\"built\") }\\n' > main.go; \
    go vet .; go build -o /server .; /server; go run .";

pub(super) const BUILDS: &[Scene] = &[
    Scene { name: "build-from-scratch", play: |stage, name| built(stage, name, PLAIN, None) },
    Scene { name: "build-steps", play: |stage, name| built(stage, name, STEPS, Some("good")) },
    Scene { name: "build-stages", play: |stage, name| built(stage, name, STAGES, Some("ok")) },
    Scene { name: "build-failing", play: failing },
    Scene { name: "go-build", play: go_build },
];

/// Builds an image; runs it when it says something.
fn built(stage: &Stage, name: &'static str, dockerfile: &str, says: Option<&str>) -> Result<()> {
    let image = format!("soak-{name}:1");
    let built = build(stage, name, dockerfile, &image);
    let ran = match (&built, says) {
        (Ok(true), Some(says)) => stage.run(name, &[&image], 0).and_then(|said| {
            if said.contains(says) { Ok(()) } else { bail!("{image} said {said:?} and not {says:?}") }
        }),
        (Ok(false), _) => bail!("{image} does not build"),
        _ => Ok(()),
    };
    command::succeeds(&mut docker(&["image", "rm", "--force", &image]));
    built.and(ran)
}

fn failing(stage: &Stage, name: &'static str) -> Result<()> {
    for dockerfile in FAILING {
        if build(stage, name, dockerfile, "soak-failing:1")? {
            bail!("this must not build: {dockerfile}");
        }
    }
    Ok(())
}

/// Whether it builds. The classic builder runs each step in a container of its own and tells its id.
fn build(stage: &Stage, name: &'static str, dockerfile: &str, image: &str) -> Result<bool> {
    let context = stage.dir.join(name);
    fs::create_dir_all(&context)?;
    fs::write(context.join("Dockerfile"), dockerfile)?;
    script(&context.join("good.sh"), "#!/bin/sh\necho good\n")?;
    script(&context.join("noshebang.sh"), "echo no shebang\n")?;
    let mut build = docker(&["build", "--no-cache", "--force-rm", "--tag", image]);
    build.env("DOCKER_BUILDKIT", "0").arg(&context);
    let output = build.output().context("cannot start docker")?;
    let said = String::from_utf8_lossy(&output.stdout);
    for id in said.lines().filter_map(|line| line.trim().strip_prefix("---> Running in ")) {
        stage.own(name, id);
    }
    Ok(output.status.success())
}

fn script(file: &Path, text: &str) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::write(file, text)?;
    fs::set_permissions(file, fs::Permissions::from_mode(0o755))?;
    Ok(())
}

fn go_build(stage: &Stage, name: &'static str) -> Result<()> {
    let go = go::ensure()?;
    let cache = stage.dir.join("gocache");
    fs::create_dir_all(&cache)?;
    let (toolchain, cache) =
        (format!("{}:/usr/local/go:ro", go.root().display()), format!("{}:/gocache", cache.display()));
    let environment = ["-e", "GOCACHE=/gocache", "-e", "GOPROXY=off", "-e", "GOTOOLCHAIN=local", "-e"];
    let path = ["PATH=/usr/local/go/bin:/usr/local/bin:/usr/bin:/bin", "-e", "HOME=/root"];
    let volumes = ["-v", &toolchain, "-v", &cache];
    let run = ["gomon-test/bookworm:1", "bash", "-c", GO];
    let said = stage.run(name, &[&environment[..], &path, &volumes, &run].concat(), 0)?;
    if said.matches("built").count() == 2 { Ok(()) } else { bail!("the built program said {said:?}") }
}
