//! The rules of paths, as Apache's client checks them before it sends anything, and the chroot.

use crate::Error;

/// Checks a path as every call does before it sends anything; `sequential` ones get a number appended by the server and
/// may therefore end in `/`.
///
/// # Errors
/// [`Error::InvalidPath`] with the rule that is broken.
pub fn check(path: &str, sequential: bool) -> Result<(), Error> {
    let reason = if sequential { fault(&format!("{path}1")) } else { fault(path) };
    reason.map_or(Ok(()), |reason| Err(Error::InvalidPath(reason)))
}

/// What is wrong with a path, in the words of Apache's client; positions count UTF-16 units, as Java does.
fn fault(path: &str) -> Option<String> {
    if path.is_empty() {
        return Some("Path length must be > 0".to_owned());
    }
    if !path.starts_with('/') {
        return Some("Path must start with / character".to_owned());
    }
    if path == "/" {
        return None;
    }
    if path.ends_with('/') {
        return Some("Path must not end with / character".to_owned());
    }
    let reason = first_fault(path)?;
    Some(format!("Invalid path string \"{path}\" caused by {reason}"))
}

fn first_fault(path: &str) -> Option<String> {
    let units: Vec<u16> = path.encode_utf16().collect();
    let is = |at: usize, c: u8| units.get(at) == Some(&u16::from(c));
    let ends = |at: usize| at == units.len() || is(at, b'/');
    for (at, unit) in units.iter().copied().enumerate().skip(1) {
        let after_dot_dot = unit == u16::from(b'.') && is(at - 1, b'.');
        if unit == 0 {
            return Some(format!("null character not allowed @{at}"));
        }
        if is(at, b'/') && is(at - 1, b'/') {
            return Some(format!("empty node name specified @{at}"));
        }
        let relative = (after_dot_dot && is(at.wrapping_sub(2), b'/') && ends(at + 1))
            || (is(at, b'.') && is(at - 1, b'/') && ends(at + 1));
        if relative {
            return Some(format!("relative paths not allowed @{at}"));
        }
        // Surrogates (and with them everything beyond the basic plane), private use and specials.
        if matches!(unit, 0x01..=0x1f | 0x7f..=0x9f | 0xd800..=0xf8ff | 0xfff0..) {
            return Some(format!("invalid character @{at}"));
        }
    }
    None
}

/// Paths of the caller below a prefix that only the client knows about.
#[derive(Debug, Clone, Default)]
pub(crate) struct Chroot(Option<String>);

impl Chroot {
    pub(crate) fn new(prefix: Option<String>) -> Chroot {
        Chroot(prefix)
    }

    /// The server's path for the caller's.
    pub(crate) fn prepend(&self, path: &str) -> String {
        match &self.0 {
            None => path.to_owned(),
            Some(prefix) if path == "/" => prefix.clone(),
            Some(prefix) => format!("{prefix}{path}"),
        }
    }

    /// The caller's path for the server's. One outside the prefix (which no server sends) stays as it is.
    pub(crate) fn strip(&self, path: String) -> String {
        let Some(prefix) = &self.0 else { return path };
        match path.strip_prefix(prefix.as_str()) {
            Some("") => "/".to_owned(),
            Some(rest) if rest.starts_with('/') => rest.to_owned(),
            _ => path,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_named_as_apache_does() {
        let cases = [
            ("", "Path length must be > 0"),
            ("a", "Path must start with / character"),
            ("/a/", "Path must not end with / character"),
            ("/a//c", "Invalid path string \"/a//c\" caused by empty node name specified @3"),
            ("/a/./c", "Invalid path string \"/a/./c\" caused by relative paths not allowed @3"),
            ("/a/..", "Invalid path string \"/a/..\" caused by relative paths not allowed @4"),
            ("/a\0", "Invalid path string \"/a\0\" caused by null character not allowed @2"),
            ("/\u{1}", "Invalid path string \"/\u{1}\" caused by invalid character @1"),
            ("/\u{1f600}", "Invalid path string \"/\u{1f600}\" caused by invalid character @1"),
        ];
        for (path, expected) in cases {
            assert_eq!(fault(path).as_deref(), Some(expected));
        }
        for path in ["/", "/a", "/a.b/..c/c..", "/ä/ö"] {
            assert_eq!(fault(path), None, "{path}");
        }
        assert!(check("/a/", true).is_ok());
        assert!(check("/a/", false).is_err());
    }

    #[test]
    fn a_chroot_is_put_on_and_taken_off() {
        let chroot = Chroot::new(Some("/k".to_owned()));
        for path in ["/", "/a", "/k", "/kk/x"] {
            assert_eq!(chroot.strip(chroot.prepend(path)), path);
        }
        assert_eq!(chroot.prepend("/"), "/k");
        assert_eq!(chroot.strip("/kx".to_owned()), "/kx");
        assert_eq!(Chroot::default().prepend("/a"), "/a");
    }
}
