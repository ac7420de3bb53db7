//! The order in which a `java.util.HashMap` hands out what was put into it: what people see of Java's tools.

use kafka_types::TopicPartition;

/// Buckets of an empty map; it doubles when it is three quarters full.
const BUCKETS: usize = 16;

/// `String.hashCode`.
pub(crate) fn hash_of_string(text: &str) -> i32 {
    text.encode_utf16().fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)))
}

/// `TopicPartition.hashCode`.
pub(crate) fn hash_of_partition(partition: &TopicPartition) -> i32 {
    let number = 31i32.wrapping_add(partition.partition);
    number.wrapping_mul(31).wrapping_add(hash_of_string(&partition.topic))
}

/// Puts items with these hashes into a map in their order, and takes them out in the map's. (Buckets of more than eight,
/// which Java keeps as trees, come in the order they were put in here.)
pub(crate) fn of_map<T>(mut items: Vec<T>, hash: impl Fn(&T) -> i32) -> Vec<T> {
    let mut buckets = BUCKETS;
    while items.len() > buckets / 4 * 3 {
        buckets *= 2;
    }
    items.sort_by_key(|item| {
        let hash = hash(item).cast_unsigned();
        (hash ^ (hash >> 16)) as usize & (buckets - 1)
    });
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_javas() {
        assert_eq!(hash_of_string(""), 0);
        assert_eq!(hash_of_string("hello"), 99_162_322);
        assert_eq!(hash_of_string("polygenelubricants"), i32::MIN);
        assert_eq!(hash_of_partition(&TopicPartition::new("hello", 0)), 99_162_322 + 31 * 31);
    }

    #[test]
    fn the_order_is_that_of_the_buckets() {
        let numbers = of_map(vec![17, 3, 16, 1], |number| *number);
        assert_eq!(numbers, [16, 17, 1, 3]);
        assert_eq!(of_map((0..13).rev().collect(), |number: &i32| *number), (0..13).collect::<Vec<_>>());
    }
}
