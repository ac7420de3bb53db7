//! All rules of a cluster, found by the name of a resource.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

use crate::{AccessEntry, AclBinding, AclFilter, PatternType, ResourcePattern, ResourceType, WILDCARD};

/// Rules by resource type. Prefixes are sorted, so that those of a name are found without looking at the others.
#[derive(Debug, Clone, Default)]
pub struct AclSet {
    types: HashMap<ResourceType, OfType>,
}

#[derive(Debug, Clone, Default)]
struct OfType {
    literal: BTreeMap<String, Vec<AccessEntry>>,
    prefixed: BTreeMap<String, Vec<AccessEntry>>,
}

impl OfType {
    fn of(&self, kind: PatternType) -> &BTreeMap<String, Vec<AccessEntry>> {
        if kind == PatternType::Prefixed { &self.prefixed } else { &self.literal }
    }
}

impl AclSet {
    /// Puts these rules in the place of all that were on the pattern; no rules, no pattern.
    pub fn set(&mut self, pattern: &ResourcePattern, mut entries: Vec<AccessEntry>) {
        let of_type = self.types.entry(pattern.resource_type).or_default();
        let rules =
            if pattern.pattern_type == PatternType::Prefixed { &mut of_type.prefixed } else { &mut of_type.literal };
        if entries.is_empty() {
            rules.remove(&pattern.name);
        } else {
            entries.sort();
            entries.dedup();
            rules.insert(pattern.name.clone(), entries);
        }
    }

    /// The rules on exactly this pattern.
    pub fn get(&self, pattern: &ResourcePattern) -> &[AccessEntry] {
        let of_type = self.types.get(&pattern.resource_type);
        of_type.and_then(|of_type| of_type.of(pattern.pattern_type).get(&pattern.name)).map_or(&[], Vec::as_slice)
    }

    /// All patterns that have rules: types in the order of their codes, literal names before prefixes, sorted.
    pub fn patterns(&self) -> impl Iterator<Item = (ResourcePattern, &[AccessEntry])> {
        ResourceType::ALL.iter().filter_map(|kind| Some((*kind, self.types.get(kind)?))).flat_map(|(kind, of_type)| {
            [PatternType::Literal, PatternType::Prefixed].into_iter().flat_map(move |pattern_type| {
                let rules = of_type.of(pattern_type).iter();
                rules.map(move |(name, rules)| (ResourcePattern::new(kind, name, pattern_type), rules.as_slice()))
            })
        })
    }

    /// The rules that a filter chooses.
    pub fn matching<'a>(&'a self, filter: &'a AclFilter) -> impl Iterator<Item = AclBinding> + 'a {
        self.patterns().filter(|(pattern, _)| filter.pattern.matches(pattern)).flat_map(|(pattern, rules)| {
            let chosen = rules.iter().filter(|entry| filter.entry.matches(entry));
            chosen.map(move |entry| AclBinding { pattern: pattern.clone(), entry: entry.clone() })
        })
    }

    /// The rules of one type of resources: pattern type, name, rules.
    pub(crate) fn of_type(
        &self,
        kind: ResourceType,
        pattern_type: PatternType,
    ) -> impl Iterator<Item = (&str, &[AccessEntry])> {
        let rules = self.types.get(&kind).map(|of_type| of_type.of(pattern_type).iter());
        rules.into_iter().flatten().map(|(name, rules)| (name.as_str(), rules.as_slice()))
    }

    /// Every rule that a resource falls under: by its name, by `*`, by its prefixes.
    pub(crate) fn applying<'a>(&'a self, kind: ResourceType, name: &'a str) -> impl Iterator<Item = &'a AccessEntry> {
        let of_type = self.types.get(&kind);
        let literal = of_type.into_iter().flat_map(move |of_type| {
            let wildcard = if name == WILDCARD { None } else { of_type.literal.get(WILDCARD) };
            of_type.literal.get(name).into_iter().chain(wildcard)
        });
        let prefixed = of_type.into_iter().flat_map(move |of_type| prefixes_of(&of_type.prefixed, name));
        literal.chain(prefixed).flatten()
    }
}

/// Values whose keys begin `name`, longest first.
///
/// The greatest key up to the bound is such a prefix, or shows by what it has in common with the name how short the next
/// one must be: keys in between cannot be prefixes.
fn prefixes_of<'a, V>(sorted: &'a BTreeMap<String, V>, name: &'a str) -> impl Iterator<Item = &'a V> {
    let mut bound = Some(name);
    std::iter::from_fn(move || {
        loop {
            let (key, value) =
                sorted.range::<str, _>((Bound::Unbounded, Bound::Included(bound.take()?))).next_back()?;
            let common = key.bytes().zip(name.bytes()).take_while(|(a, b)| a == b).count();
            if common == key.len() {
                bound = common.checked_sub(1).map(|len| floor(name, len));
                return Some(value);
            }
            bound = Some(floor(name, common));
        }
    })
}

/// The longest beginning of up to `len` bytes.
fn floor(name: &str, mut len: usize) -> &str {
    while !name.is_char_boundary(len) {
        len -= 1;
    }
    &name[..len]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_pattern_without_rules_is_gone() {
        let entry = AccessEntry {
            principal: "User:a".to_owned(),
            host: "*".to_owned(),
            operation: crate::Operation::Read,
            permission: crate::Permission::Allow,
        };
        let pattern = ResourcePattern::literal(ResourceType::Topic, "t");
        let mut set = AclSet::default();
        set.set(&pattern, vec![entry.clone(), entry.clone()]);
        assert_eq!(set.get(&pattern), [entry]);
        assert_eq!(set.patterns().count(), 1);
        set.set(&pattern, Vec::new());
        assert_eq!(set.patterns().count(), 0);
        assert!(set.get(&pattern).is_empty());
    }

    proptest! {
        #[test]
        fn prefixes_are_those_that_the_name_begins_with(
            keys in proptest::collection::btree_set("[abä]{0,5}", 0..20), name in "[abä]{0,6}"
        ) {
            let sorted: BTreeMap<String, String> = keys.iter().map(|key| (key.clone(), key.clone())).collect();
            let mut found: Vec<&String> = prefixes_of(&sorted, &name).collect();
            found.reverse();
            let expected: Vec<&String> = keys.iter().filter(|key| name.starts_with(key.as_str())).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
