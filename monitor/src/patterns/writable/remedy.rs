//! What lets a program write: the mount, the mode or the directory that is missing, as a change that can be pasted.

use super::{Attempt, Obstacle, covering, is_below, normal};
use crate::{
    case::Case,
    model::{
        fact::{Config, File, FileKind, Mount},
        text::inert,
    },
};

/// What is below these came with the image and is no place for a program's data.
const SYSTEM: [&str; 7] = ["/bin", "/sbin", "/lib", "/lib64", "/usr", "/etc", "/root"];
/// Directories that many share: only what is below them is somebody's own.
const SHARED: [&str; 9] =
    ["/", "/var", "/var/lib", "/var/log", "/var/cache", "/var/tmp", "/run", "/opt", "/home"];

/// A change that can be pasted.
pub(in crate::patterns) fn remedy(
    case: &Case,
    config: &Config,
    obstacle: Obstacle<'_>,
    attempt: Attempt<'_>,
) -> String {
    let place = obstacle.place(attempt);
    let safe = inert(&place);
    match obstacle {
        Obstacle::ReadOnlyRoot if is_of_the_image(case, &place) => format!(
            "# a mount over {safe} would hide what the image has there: let the program write to a directory of its own\n\
             docker run --read-only --tmpfs /var/lib/app …   # lost with the container\n\
             docker run --read-only -v app-data:/var/lib/app …   # kept"
        ),
        Obstacle::ReadOnlyRoot => format!(
            "docker run --read-only --tmpfs {safe} …   # lost with the container; in a pod an emptyDir\n\
             # or, if the data must be kept\n\
             docker run --read-only -v app-data:{safe} …"
        ),
        Obstacle::ReadOnlyMount(mount) if mount.kind == "bind" => format!(
            "# without :ro; in a pod: readOnly: false\n\
             docker run -v {}:{safe} …",
            inert(&mount.source)
        ),
        Obstacle::ReadOnlyMount(_) => format!("# without the option ro\ndocker run --tmpfs {safe} …"),
        Obstacle::ReadOnlySource(mount) => format!(
            "# see why the host cannot write there: a read-only volume, or a disk that failed\n\
             findmnt -T {}\ndmesg | grep -i remount",
            inert(&mount.source)
        ),
        Obstacle::NoTemporary(_) => no_temporary(case, &safe),
        Obstacle::Mode(culprit) => give(case, config, culprit, &wanted(attempt, &place)),
        Obstacle::ClosedDirectory(closed, _) => open_up(case, config, closed),
    }
}

/// A mount over it would take away the program, or what it needs from the image; other users' files are there.
fn is_of_the_image(case: &Case, place: &str) -> bool {
    let entrypoint = case.entrypoint.get().and_then(|entrypoint| entrypoint.file.get()?.present());
    let has_program = entrypoint.is_some_and(|file| is_below(&normal(&file.path), place));
    has_program || SHARED.contains(&place) || SYSTEM.iter().any(|system| is_below(place, system))
}

fn has_tools(case: &Case) -> bool {
    matches!(case.libc.get(), Some(Some(_)))
}

fn no_temporary(case: &Case, place: &str) -> String {
    let in_image = if has_tools(case) {
        format!("RUN mkdir -p -m 1777 {place}")
    } else {
        format!(
            "# the image has no shell: made in the build stage, copied with its mode\n\
            RUN mkdir -p /skeleton{place} && chmod 1777 /skeleton{place}   # in the build stage\n\
            COPY --from=build /skeleton/ /"
        )
    };
    format!("{in_image}\n# or without a new image; in a pod an emptyDir\ndocker run --tmpfs {place} …")
}

/// The directory that the program wants for itself.
fn wanted(attempt: Attempt<'_>, place: &str) -> String {
    if attempt.creates && attempt.changes_directory { normal(attempt.path) } else { place.to_owned() }
}

/// Lets the user that the container runs as write there.
fn give(case: &Case, config: &Config, culprit: &File, wanted: &str) -> String {
    let user = format!("{}:{}", config.uid, config.gid);
    let grant = if culprit.uid == config.uid { "chmod u+w".to_owned() } else { format!("chown {user}") };
    match covering(config, &culprit.path) {
        Some(mount) if mount.kind == "bind" => format!(
            "# on the host; in a pod: securityContext.fsGroup: {}\n{grant} {}",
            config.gid,
            on_host(mount, &culprit.path)
        ),
        Some(mount) => {
            let destination = inert(&mount.destination);
            format!("docker run --tmpfs {destination}:uid={},gid={},mode=0700 …", config.uid, config.gid)
        }
        None if is_of_the_image(case, wanted) => {
            format!(
                "# {} belongs to the image: let the program write to a directory of its own\n{}",
                inert(wanted),
                own_directory(case, &user, "/var/lib/app")
            )
        }
        None if culprit.kind == FileKind::Directory => own_directory(case, &user, &inert(wanted)),
        None => format!("RUN {grant} {}", inert(&culprit.path)),
    }
}

fn own_directory(case: &Case, user: &str, path: &str) -> String {
    if has_tools(case) {
        format!("RUN mkdir -p {path} && chown {user} {path}")
    } else {
        format!("COPY --chown={user} --from=build /out/data {path}")
    }
}

fn open_up(case: &Case, config: &Config, closed: &str) -> String {
    match covering(config, closed) {
        Some(mount) if mount.kind == "bind" => {
            format!("# on the host\nchmod a+x {}", on_host(mount, closed))
        }
        Some(_) | None if is_of_the_image(case, closed) => {
            let user = format!("{}:{}", config.uid, config.gid);
            let own = own_directory(case, &user, "/var/lib/app");
            format!("# {} is closed on purpose: let the program write elsewhere\n{own}", inert(closed))
        }
        Some(_) | None => format!("RUN chmod a+x {}", inert(closed)),
    }
}

/// Where a path below a bind mount lies on the host, inert.
fn on_host(mount: &Mount, path: &str) -> String {
    let inside = path.strip_prefix(mount.destination.trim_end_matches('/')).unwrap_or_default();
    inert(&format!("{}{inside}", mount.source)).into_owned()
}
