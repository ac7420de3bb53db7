//! Names that very many members have in common, kept once: assignors, protocol types, clients, hosts.

use std::collections::HashSet;
use std::sync::Arc;

/// Longer ones, in bytes, are nobody's but the sender's.
const LONGEST: usize = 256;

/// So many names are kept whether anybody has them or not.
const SPARE: usize = 64;

/// The names in use.
#[derive(Debug, Default)]
pub(crate) struct Names {
    known: HashSet<Arc<str>>,
    /// How many there may be before those that nobody has any more are dropped.
    clean_at: usize,
}

impl Names {
    /// The one text of this name.
    pub(crate) fn share(&mut self, name: &str) -> Arc<str> {
        if name.len() > LONGEST {
            return name.into();
        }
        if let Some(known) = self.known.get(name) {
            return Arc::clone(known);
        }
        if self.known.len() >= self.clean_at.max(SPARE) {
            self.known.retain(|known| Arc::strong_count(known) > 1);
            self.clean_at = self.known.len() * 2;
        }
        let new: Arc<str> = name.into();
        self.known.insert(Arc::clone(&new));
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_kept_once_and_as_long_as_somebody_has_it() {
        let mut names = Names::default();
        let range = names.share("range");
        for number in 0..10_000 {
            names.share(&number.to_string());
        }
        assert!(Arc::ptr_eq(&range, &names.share("range")));
        assert!(names.known.len() <= SPARE + 1, "{}", names.known.len());
        let held: Vec<_> = (0..1_000).map(|number| names.share(&number.to_string())).collect();
        assert!(held.iter().all(|name| Arc::ptr_eq(name, &names.share(name))));
        let (long, known) = ("x".repeat(LONGEST + 1), names.known.len());
        assert_eq!((&*names.share(&long), names.known.len()), (&*long, known));
    }
}
