//! Access control lists as they are typed: `scheme:id:perms,..`.

use zk_proto::{Acl, Id, Permissions};

/// Reads a list. What is wrong with an entry is told line by line; one that cannot be taken apart is left out, letters
/// that are no permission do not count.
pub(super) fn parse(text: &str) -> (Vec<Acl>, Vec<String>) {
    let (mut list, mut complaints) = (Vec::new(), Vec::new());
    // Java's split: empty texts at the end are none, but a text that is empty altogether is one.
    let entries = text.trim_end_matches(',');
    let entries: Vec<&str> = if entries.is_empty() && !text.is_empty() { vec![] } else { entries.split(',').collect() };
    for entry in entries {
        let parts = entry.split_once(':').and_then(|(scheme, rest)| Some((scheme, rest.rsplit_once(':')?)));
        let Some((scheme, (id, letters))) = parts else {
            complaints.push(format!("{entry} does not have the form scheme:id:perm"));
            continue;
        };
        let mut perms = Permissions(0);
        for letter in letters.chars() {
            perms = perms
                | match letter {
                    'r' => Permissions::READ,
                    'w' => Permissions::WRITE,
                    'c' => Permissions::CREATE,
                    'd' => Permissions::DELETE,
                    'a' => Permissions::ADMIN,
                    other => {
                        complaints.push(format!("Unknown perm type: {other}"));
                        continue;
                    }
                };
        }
        list.push(Acl::new(perms, Id::new(scheme, id)));
    }
    (list, complaints)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read() {
        let (list, complaints) = parse("world:anyone:cdrwa,digest:u:h:r,");
        assert_eq!(list, [Acl::open(), vec![Acl::new(Permissions::READ, Id::new("digest", "u:h"))]].concat());
        assert!(complaints.is_empty());
    }

    #[test]
    fn what_is_wrong_is_told() {
        let (list, complaints) = parse("nonsense,a:b,x:y:rz");
        assert_eq!(list, [Acl::new(Permissions::READ, Id::new("x", "y"))]);
        let form = "does not have the form scheme:id:perm";
        assert_eq!(complaints, [format!("nonsense {form}"), format!("a:b {form}"), "Unknown perm type: z".to_owned()]);
        assert_eq!(parse("").1, [format!(" {form}")]);
        assert!(parse(",").0.is_empty());
    }
}
