//! Rules for paths: what is legal, who is whose parent, what belongs to the system.

/// The root as it is stored: the empty path. `/` means the same.
pub const ROOT: &str = "";
/// The system's subtree.
pub const ZOOKEEPER: &str = "/zookeeper";
/// Limits and usage of quotas.
pub const QUOTA: &str = "/zookeeper/quota";
/// The membership of an ensemble.
pub const CONFIG: &str = "/zookeeper/config";

/// `/` as the empty path, everything else as it is.
pub fn stored(path: &str) -> &str {
    if path == "/" { ROOT } else { path }
}

/// The empty path as `/`, everything else as it is.
pub fn shown(path: &str) -> &str {
    if path.is_empty() { "/" } else { path }
}

/// Parent (in stored form) and last component; `None` if there is no slash.
pub fn split(path: &str) -> Option<(&str, &str)> {
    path.rsplit_once('/')
}

/// As [`split`], for a path that a znode below the root can have: `//a` would be split into `/`, which is the root, and
/// `a`; and the root itself into the root and nothing.
pub(crate) fn split_stored(path: &str) -> Option<(&str, &str)> {
    split(path).filter(|(parent, name)| *parent != "/" && !name.is_empty())
}

/// Does a delete of this path never succeed?
pub fn is_special(path: &str) -> bool {
    matches!(path, "/" | ZOOKEEPER | QUOTA | CONFIG)
}

/// Is the node left out of the tree's digest? What lies below `/zookeeper` differs between servers.
pub fn is_outside_digest(path: &str) -> bool {
    path.starts_with("/zookeeper/")
}

/// Why a path is not legal, in words; `Ok` if it is.
///
/// # Errors
/// The reason, to be put behind the path.
pub fn validate(path: &str) -> Result<(), &'static str> {
    if path.is_empty() {
        return Err("path length must be > 0");
    }
    let Some(relative) = path.strip_prefix('/') else { return Err("path must start with / character") };
    if relative.is_empty() {
        return Ok(());
    }
    if relative.ends_with('/') {
        return Err("path must not end with / character");
    }
    for component in relative.split('/') {
        match component {
            "" => return Err("empty node name specified"),
            "." | ".." => return Err("relative paths not allowed"),
            _ if component.chars().any(is_forbidden) => return Err("invalid character"),
            _ => {}
        }
    }
    Ok(())
}

/// Characters that no path contains. A character above U+FFFF is two surrogates in Java, which are forbidden.
fn is_forbidden(character: char) -> bool {
    matches!(character,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{e000}'..='\u{f8ff}' | '\u{fff0}'..='\u{ffff}' | '\u{10000}'..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_legal() {
        for path in ["/", "/a", "/a/b", "/a.b/..c", "/ü/日本", "/a b"] {
            assert_eq!(validate(path), Ok(()), "{path:?}");
        }
        for path in [
            "",
            "a",
            "a/b",
            "/a/",
            "//",
            "/a//b",
            "/.",
            "/..",
            "/a/../b",
            "/a\0",
            "/\u{1}",
            "/\u{85}",
            "/\u{fffd}",
            "/\u{1f600}",
        ] {
            assert!(validate(path).is_err(), "{path:?}");
        }
    }

    #[test]
    fn parents() {
        assert_eq!(split("/a"), Some(("", "a")));
        assert_eq!(split("/a/b"), Some(("/a", "b")));
        assert_eq!(split("/"), Some(("", "")));
        assert_eq!(split("a"), None);
        assert_eq!(split_stored("/a"), Some(("", "a")));
        for path in ["//a", "/", "/a/", "a"] {
            assert_eq!(split_stored(path), None, "{path}");
        }
    }
}
