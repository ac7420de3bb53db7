//! What a word that is being typed could become.

/// What would complete the word before the cursor.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// One of these commands, from this byte of the line on.
    Commands(usize, Vec<String>),
    /// A child of `dir` whose name begins with `prefix`, from this byte of the line on.
    Child { start: usize, dir: String, prefix: String },
}

/// Looks at the line up to the cursor: a word that begins with a slash is a path, any other one a command.
pub(super) fn wanted(line: &str, cursor: usize) -> Wanted {
    let before = line.get(..cursor).unwrap_or(line);
    let start = before.rfind(' ').map_or(0, |at| at + 1);
    let word = &before[start..];
    let Some(slash) = word.rfind('/').filter(|_| word.starts_with('/')) else {
        // A command that stands at the start is followed by its words.
        let end = if start == 0 { " " } else { "" };
        let names = super::usage::names().filter(|name| name.starts_with(word));
        return Wanted::Commands(start, names.map(|name| format!("{name}{end}")).collect());
    };
    let dir = if slash == 0 { "/" } else { &word[..slash] };
    Wanted::Child { start: start + slash + 1, dir: dir.to_owned(), prefix: word[slash + 1..].to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_and_paths() {
        assert_eq!(wanted("prin", 4), Wanted::Commands(0, vec!["printwatches ".to_owned()]));
        assert_eq!(
            wanted("getA", 4),
            Wanted::Commands(0, vec!["getAcl ".to_owned(), "getAllChildrenNumber ".to_owned()])
        );
        let Wanted::Commands(3, all) = wanted("ls ", 3) else { panic!("commands") };
        assert_eq!(all.len(), 28);
        let child = |start, dir: &str, prefix: &str| Wanted::Child { start, dir: dir.into(), prefix: prefix.into() };
        assert_eq!(wanted("ls /", 4), child(4, "/", ""));
        assert_eq!(wanted("get /brokers/to -s", 15), child(13, "/brokers", "to"));
        assert_eq!(wanted("get /ü/x", 9), child(8, "/ü", "x"));
        assert_eq!(wanted("ls", 99), wanted("ls", 2));
    }
}
