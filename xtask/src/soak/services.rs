//! Healthy services through all that Docker does to them: stop, restart, kill, exec, pause, copy, health checks.

use std::thread;
use std::time::Duration;

use anyhow::Result;

use super::stage::{Scene, Service, Stage, docker};
use crate::command;

const SCRATCH: &str = "gomon-test/scratch:1";
const MUSL: &str = "gomon-test/musl:1";
const BOOKWORM: &str = "gomon-test/bookworm:1";
const STATIC: &str = "/app/probe.static";
const CGO: &str = "/app/probe.glibc";
/// A Go program as PID 1 without a handler: older versions end with 2.
const UNHANDLED: &[i32] = &[143, 2];
/// `docker exec` of a command that is not there; newer runtimes say 127.
const ABSENT: &[i32] = &[126, 127];
/// Containers that come and go one right after the other.
const SHORT_JOBS: u32 = 100;
/// A health check and a restart take their time; nothing tells when the next one is due.
const A_WHILE: Duration = Duration::from_secs(3);

const fn scene(name: &'static str, play: fn(&Stage, &'static str) -> Result<()>) -> Scene {
    Scene { name, play }
}

pub(super) const SERVICES: &[Scene] = &[
    scene("stop", |stage, name| stopped(stage, name, &[SCRATCH, STATIC, "serve"], &[0])),
    scene("stop-no-handler", |stage, name| stopped(stage, name, &[SCRATCH, STATIC, "no-handler"], UNHANDLED)),
    scene("stop-slow", |stage, name| stopped(stage, name, &[SCRATCH, STATIC, "slow-term", "700ms"], &[0])),
    scene("stop-cgo", |stage, name| stopped(stage, name, &[BOOKWORM, CGO, "serve"], &[0])),
    scene("stop-musl", |stage, name| stopped(stage, name, &[MUSL, "/app/probe.musl", "serve"], &[0])),
    scene("stop-limits", |stage, name| {
        let limits = ["-m", "256m", "--cpus", "0.8", "--pids-limit", "100", "--read-only", "--user", "1000"];
        stopped(stage, name, &[&limits[..], &[SCRATCH, STATIC, "serve"]].concat(), &[0])
    }),
    scene("stop-init", |stage, name| stopped(stage, name, &["--init", SCRATCH, STATIC, "serve"], &[0])),
    scene("stop-init-no-handler", |stage, name| {
        stopped(stage, name, &["--init", SCRATCH, STATIC, "no-handler"], &[143])
    }),
    scene("stop-bash-execs", |stage, name| {
        stopped(stage, name, &[BOOKWORM, "bash", "-c", "/app/probe.glibc serve"], &[0])
    }),
    scene("stop-busybox-execs", |stage, name| {
        stopped(stage, name, &[MUSL, "sh", "-c", "/app/probe.static serve"], &[0])
    }),
    scene("stop-exec", |stage, name| {
        stopped(stage, name, &[BOOKWORM, "sh", "-c", "cd /app; exec ./probe.static serve"], &[0])
    }),
    scene("stop-trap", |stage, name| {
        let script = "trap 'kill $!; wait; exit 0' TERM; /app/probe.static serve & wait";
        stopped(stage, name, &[BOOKWORM, "sh", "-c", script], &[0])
    }),
    scene("stop-no-go", |stage, name| {
        stage.serve(name, &[BOOKWORM, "sh", "-c", "echo ready; sleep 1000"])?.docker(&["stop", "-t", "2"])?;
        Ok(())
    }),
    scene("stop-other-signal", |stage, name| {
        stopped(stage, name, &["--stop-signal", "INT", SCRATCH, STATIC, "serve"], &[0])
    }),
    scene("restart", restart),
    scene("kill", |stage, name| killed(stage, name, &["kill"], "serve", &[137])),
    scene("kill-term", |stage, name| killed(stage, name, &["kill", "--signal", "TERM"], "serve", &[0])),
    scene("kill-hup", |stage, name| killed(stage, name, &["kill", "--signal", "HUP"], "no-handler", &[129])),
    scene("kill-quit", |stage, name| killed(stage, name, &["kill", "--signal", "QUIT"], "serve", &[2])),
    scene("kill-deaf", |stage, name| killed(stage, name, &["kill"], "ignore-term", &[137])),
    scene("rm-force", |stage, name| stage.serve(name, &[SCRATCH, STATIC, "serve"]).map(drop)),
    scene("rm-force-deaf", |stage, name| stage.serve(name, &[SCRATCH, STATIC, "swallow-term"]).map(drop)),
    scene("pause", pause),
    scene("stop-from-inside", |stage, name| {
        let service = stage.serve(name, &[MUSL, "/app/probe.musl", "serve"])?;
        // It may be gone with the container before it can tell.
        service.exec(&["kill", "-TERM", "1"], &[0, 137])?;
        service.ends_with(&[0])
    }),
    scene("exec", exec),
    scene("exec-scratch", exec_without_shell),
    scene("health", health),
    scene("restart-policy", restart_policy),
    scene("created-only", |stage, name| stage.create(name, &[SCRATCH, STATIC, "serve"]).map(drop)),
    scene("create-start", |stage, name| {
        let service = stage.create(name, &[MUSL, "env", "sh", "-c", "exit 3"])?;
        service.docker(&["start"])?;
        service.ends_with(&[3])
    }),
    scene("look-around", look_around),
    scene("short-jobs", short_jobs),
];

/// `docker stop` must end it by itself, well within the grace period.
fn stopped(stage: &Stage, name: &'static str, args: &[&str], codes: &[i32]) -> Result<()> {
    let service = stage.serve(name, args)?;
    service.docker(&["stop", "--time", "20"])?;
    service.ends_with(codes)
}

fn killed(stage: &Stage, name: &'static str, kill: &[&str], mode: &str, codes: &[i32]) -> Result<()> {
    let service = stage.serve(name, &[SCRATCH, STATIC, mode])?;
    service.docker(kill)?;
    service.ends_with(codes)
}

fn restart(stage: &Stage, name: &'static str) -> Result<()> {
    let service = stage.serve(name, &[SCRATCH, STATIC, "serve"])?;
    for _ in 0..3 {
        service.docker(&["restart", "--time", "20"])?;
    }
    service.docker(&["stop", "--time", "20"])?;
    service.docker(&["start"])?;
    service.docker(&["kill"])?;
    service.ends_with(&[137])
}

fn pause(stage: &Stage, name: &'static str) -> Result<()> {
    let service = stage.serve(name, &[SCRATCH, STATIC, "serve"])?;
    service.docker(&["pause"])?;
    service.docker(&["unpause"])?;
    service.docker(&["update", "--memory", "300m", "--memory-swap", "300m"])?;
    service.docker(&["stop", "--time", "20"])?;
    service.ends_with(&[0])
}

fn exec(stage: &Stage, name: &'static str) -> Result<()> {
    let service = stage.serve(name, &[BOOKWORM, CGO, "serve"])?;
    service.exec(&["ls", "/"], &[0])?;
    service.exec(&["sh", "-c", "env true; nosuch; true"], &[0])?;
    service.exec(&["sh", "-c", "exit 127"], &[127])?;
    service.exec(&["--user=1000", "id"], &[0])?;
    service.exec(&["--workdir=/app", "./good.sh"], &[0])?;
    service.exec(&["--env=LD_LIBRARY_PATH=/libs", "/app/probe.needfoo", "ok"], &[0])?;
    service.exec(&["false"], &[1])?;
    service.exec(&["timeout", "0.2", "/app/probe.static", "serve", "127.0.0.1:8099"], &[124])?;
    service.exec(&["timeout", "0.2", "sleep", "5"], &[124])?;
    absent(&service)?;
    service.docker(&["stop", "--time", "20"])?;
    service.ends_with(&[0])
}

/// Somebody mistypes a command.
fn absent(service: &Service) -> Result<()> {
    for command in ["nosuch", "/opt/no/such/tool", "curl"] {
        service.exec(&[command], ABSENT)?;
    }
    Ok(())
}

fn exec_without_shell(stage: &Stage, name: &'static str) -> Result<()> {
    let service = stage.serve(name, &[SCRATCH, STATIC, "serve"])?;
    service.exec(&["sh"], ABSENT)?;
    service.exec(&[STATIC, "ok"], &[0])?;
    service.exec(&[STATIC, "exit", "3"], &[3])?;
    absent(&service)?;
    service.docker(&["stop", "--time", "20"])?;
    service.ends_with(&[0])
}

fn health(stage: &Stage, name: &'static str) -> Result<()> {
    let every = ["--health-interval", "1s", "--health-retries", "1", "--health-cmd"];
    for command in ["/app/probe.static ok", "test -e /nowhere"] {
        let args = [&every[..], &[command, MUSL, "/app/probe.musl", "serve"]].concat();
        let service = stage.serve(name, &args)?;
        thread::sleep(A_WHILE);
        service.docker(&["stop", "--time", "20"])?;
        service.ends_with(&[0])?;
    }
    Ok(())
}

/// A crash loop of the program's own making.
fn restart_policy(stage: &Stage, name: &'static str) -> Result<()> {
    let service =
        stage.create(name, &["--restart", "on-failure:3", SCRATCH, "/app/probe.static", "exit", "5"])?;
    service.docker(&["start"])?;
    thread::sleep(A_WHILE);
    service.ends_with(&[5])
}

fn look_around(stage: &Stage, name: &'static str) -> Result<()> {
    let service = stage.serve(name, &["--hostname", "here", "--tmpfs", "/tmp", BOOKWORM, CGO, "serve"])?;
    for command in
        [&["top"] as &[&str], &["logs"], &["inspect"], &["diff"], &["port"], &["stats", "--no-stream"]]
    {
        service.docker(command)?;
    }
    let archive = stage.dir.join("exported.tar");
    service.docker(&["export", "--output", &archive.display().to_string()])?;
    std::fs::remove_file(archive)?;
    let copy = format!("{}:/app/good.sh", service.name);
    let to = stage.dir.join("copied.sh");
    let (to, back) = (to.display().to_string(), format!("{}:/opt/copied.sh", service.name));
    command::quiet(docker(&["cp", &copy]).arg(&to))?;
    command::quiet(docker(&["cp", &to]).arg(&back))?;
    service.exec(&["/opt/copied.sh"], &[0])?;
    service.docker(&["stop", "--time", "20"])?;
    service.ends_with(&[0])
}

fn short_jobs(stage: &Stage, name: &'static str) -> Result<()> {
    for _ in 0..SHORT_JOBS {
        if !stage.goes_on() {
            break;
        }
        stage.run(name, &["--network", "none", SCRATCH, STATIC, "ok"], 0)?;
    }
    Ok(())
}
