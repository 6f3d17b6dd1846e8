//! Finds the file that a runtime executes for a configuration, the way runc does: Go's `exec.LookPath` inside the container.

use super::{
    file::{describe, glance},
    root::ContainerRoot,
};
use crate::model::{
    access::{EXECUTE, User},
    fact::{Config, Entrypoint, FileFact, FileKind, Known},
};

const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// A `PATH` has a dozen entries.
const SEARCH_LIMIT: usize = 128;

/// The entrypoint of a container.
pub(super) fn find(root: &ContainerRoot<'_>, config: &Config) -> Known<Entrypoint> {
    let Some(command) = config.args.first().filter(|command| !command.is_empty()) else {
        return Known::unknown("the configuration has no command");
    };
    Known::Is(search(config, command, |path| describe(root, path)))
}

/// A program that is executed beside the entrypoint, without its libraries.
pub(super) fn tool(root: &ContainerRoot<'_>, config: &Config, command: &str) -> Entrypoint {
    search(config, command, |path| glance(root, path))
}

fn search(config: &Config, command: &str, look: impl Fn(&str) -> Known<FileFact>) -> Entrypoint {
    let searched = candidates(command, config);
    let file = choose(look, command, &searched, &User::of(config));
    Entrypoint { command: command.to_owned(), searched, file }
}

/// The paths to try, in order.
fn candidates(command: &str, config: &Config) -> Vec<String> {
    let absolute = |path: &str| if path.starts_with('/') { path.to_owned() } else { join(&config.cwd, path) };
    if command.contains('/') {
        return vec![absolute(command)];
    }
    let path = config.env.get("PATH").map_or(DEFAULT_PATH, String::as_str);
    path.split(':').take(SEARCH_LIMIT).map(|directory| join(&absolute(directory), command)).collect()
}

fn join(directory: &str, name: &str) -> String {
    let directory = directory.trim_end_matches('/');
    if name.is_empty() { directory.to_owned() } else { format!("{directory}/{name}") }
}

/// The first file that may be executed; else the reason why nobody knows; else the first that is there at all.
fn choose(
    look: impl Fn(&str) -> Known<FileFact>,
    command: &str,
    searched: &[String],
    user: &User,
) -> Known<FileFact> {
    let (mut unknown, mut present, mut absent) = (None, None, None);
    for path in searched {
        let fact = look(path);
        match &fact {
            Known::Is(FileFact::Present(file)) => {
                let runs = file.kind == FileKind::Regular
                    && file.closed_directory.is_none()
                    && file.noexec_mount.is_none()
                    && user.may_access(file, EXECUTE);
                // What a directory holds that nobody could look into would come first.
                if runs && unknown.is_none() {
                    return fact;
                }
                present.get_or_insert(fact);
            }
            Known::Is(FileFact::Absent { .. }) => absent = Some(fact),
            Known::Unknown(_) => drop(unknown.get_or_insert(fact)),
        }
    }
    let nowhere = || match (absent, searched) {
        (Some(fact), [_]) => fact,
        _ => Known::Is(FileFact::Absent { path: command.to_owned(), missing: command.to_owned() }),
    };
    unknown.or(present).unwrap_or_else(nowhere)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(args: &[&str], path: Option<&str>) -> Config {
        let env = path.map(|path| ("PATH".to_owned(), path.to_owned())).into_iter().collect();
        let args = args.iter().map(|&arg| arg.to_owned()).collect();
        Config { args, env, cwd: "/srv".to_owned(), ..Config::default() }
    }

    #[test]
    fn a_command_with_a_slash_is_not_searched_for() {
        assert_eq!(candidates("/app/x", &config(&[], Some("/bin"))), ["/app/x"]);
        assert_eq!(candidates("./x", &config(&[], Some("/bin"))), ["/srv/./x"]);
    }

    #[test]
    fn a_plain_command_is_tried_in_every_directory_of_path() {
        assert_eq!(candidates("x", &config(&[], Some("/bin/::sub"))), ["/bin/x", "/srv/x", "/srv/sub/x"]);
        assert_eq!(candidates("x", &config(&[], None)).len(), 6);
    }
}
