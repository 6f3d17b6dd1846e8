//! Reads the container's /etc/passwd as far as it concerns the container's user.

use super::{error_text, root::ContainerRoot};
use crate::model::fact::{Known, Passwd};

const LIMIT_BYTES: u64 = 1 << 20;

/// passwd(5) has seven: of a longer line the rest is one.
const FIELDS: usize = 7;
/// useradd(8) allows 32.
const NAME_LIMIT_BYTES: usize = 256;

/// The entry of the user `uid`.
pub(super) fn find(root: &ContainerRoot<'_>, uid: u32) -> Known<Passwd> {
    match root.read("/etc/passwd", LIMIT_BYTES) {
        Ok(Some(bytes)) => Known::Is(parse(&String::from_utf8_lossy(&bytes), uid)),
        Ok(None) => Known::Is(Passwd { file_present: false, uid, name: None, entries: 0 }),
        Err(error) => Known::unknown(error_text(&error)),
    }
}

/// passwd(5): name, password, UID and more between colons. Lines without a UID are no entries.
pub(super) fn parse(text: &str, uid: u32) -> Passwd {
    let mut passwd = Passwd { file_present: true, uid, name: None, entries: 0 };
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let mut fields = line.split(':');
        let (name, number) = (fields.next().unwrap_or_default(), fields.nth(1));
        let Some(number) = number.and_then(|number| number.trim().parse::<u32>().ok()) else { continue };
        passwd.entries = passwd.entries.saturating_add(1);
        if number == uid && passwd.name.is_none() {
            passwd.name =
                Some(name.get(..name.floor_char_boundary(NAME_LIMIT_BYTES)).unwrap_or_default().to_owned());
        }
    }
    passwd
}

/// The ids that Docker gives a container for `USER`: empty, `uid`, `uid:gid` or names of /etc/passwd and /etc/group.
pub(super) fn resolve(root: &ContainerRoot<'_>, user: &str) -> Result<(u32, u32), String> {
    let (user, group) = user.split_once(':').unwrap_or((user, ""));
    if user.is_empty() {
        return Ok((0, 0));
    }
    let lines = |path: &str| match root.read(path, LIMIT_BYTES) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned()),
        Err(error) => Err(error_text(&error)),
    };
    let passwd = lines("/etc/passwd")?;
    let entry = passwd
        .lines()
        .map(|line| line.splitn(FIELDS, ':').collect::<Vec<_>>())
        .find(|fields| fields.first() == Some(&user) || fields.get(2) == Some(&user));
    let number = |text: Option<&&str>| text.and_then(|text| text.parse().ok());
    let entry = entry.unwrap_or_default();
    let uid = number(entry.get(2)).or_else(|| user.parse().ok());
    let gid = if group.is_empty() {
        Some(number(entry.get(3)).unwrap_or(0))
    } else {
        let groups = lines("/etc/group")?;
        let named = groups.lines().map(|line| line.splitn(FIELDS, ':').collect::<Vec<_>>());
        let named = named.into_iter().find(|fields| fields.first() == Some(&group)).unwrap_or_default();
        number(named.get(2)).or_else(|| group.parse().ok())
    };
    uid.zip(gid)
        .ok_or_else(|| format!("the container's user {user} has no entry in its /etc/passwd or /etc/group"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_entry_of_a_uid_names_it() {
        let text =
            "root:x:0:0:root:/root:/bin/sh\n# note:x:1000:\nbroken\napp:x:1000:0::/:\nlater:x:1000:0::/:\n";
        assert_eq!(parse(text, 1000).name.as_deref(), Some("app"));
        assert_eq!(parse(text, 1001), Passwd { file_present: true, uid: 1001, name: None, entries: 3 });
    }
}
