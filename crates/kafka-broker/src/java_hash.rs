//! Java's hashes, and the order in which tables that go by them are walked: where Apache's broker answers in that order,
//! so does this one.

use kafka_types::TopicPartition;

/// `String.hashCode`, over UTF-16 units.
pub(crate) fn of_text(text: &str) -> i32 {
    text.encode_utf16().fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)))
}

/// `TopicPartition.hashCode`.
fn of_partition(one: &TopicPartition) -> i32 {
    let hash = 31i32.wrapping_add(one.partition);
    hash.wrapping_mul(31).wrapping_add(of_text(&one.topic))
}

/// Both kinds of tables mix the upper half of a hash into the lower one, by which the place is chosen.
fn spread(hash: i32) -> i32 {
    hash ^ (hash.cast_unsigned() >> 16).cast_signed()
}

fn place(hash: i32, places: usize) -> usize {
    hash.cast_unsigned() as usize & (places - 1)
}

/// Puts different names into the order of a `java.util.HashMap` to which they were added in the present order. (In one
/// place there are fewer than eight: with more the place would become a tree.)
pub(crate) fn order_texts<T>(all: &mut [T], text: impl Fn(&T) -> &str) {
    let mut places = 16;
    while all.len() > places / 4 * 3 {
        places *= 2;
    }
    all.sort_by_key(|one| place(spread(of_text(text(one))), places));
}

/// Puts different partitions into the order of a `scala.collection.mutable.HashMap`: what has the same place goes by its
/// hash.
pub(crate) fn order_partitions<T>(all: &mut [T], partition: impl Fn(&T) -> &TopicPartition) {
    let mut places = 16;
    // It grows with the entry that makes it three quarters full, Java's with the one after that.
    while all.len() >= places / 4 * 3 {
        places *= 2;
    }
    all.sort_by_key(|one| {
        let hash = spread(of_partition(partition(one)));
        (place(hash, places), hash)
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_have_the_hashes_of_a_jvm() {
        let hashes = ["", "a", "console-consumer-1", "polygenelubricants"].map(of_text);
        assert_eq!(hashes, [0, 97, 35_782_224, i32::MIN]);
        let partitions = [TopicPartition::new("one", 7), TopicPartition::new("orders", -3)];
        assert_eq!(partitions.each_ref().map(of_partition), [111_360, -1_008_769_463]);
    }

    #[test]
    fn tables_are_walked_as_a_jvm_walks_them() {
        let texts = |count: usize| {
            let mut all: Vec<String> = (0..count).map(|at| format!("topic-{}", at * 37 % 101)).collect();
            order_texts(&mut all, |text| text);
            all.iter().map(|text| text.trim_start_matches("topic-").parse().unwrap()).collect::<Vec<u32>>()
        };
        assert_eq!(texts(6), [47, 37, 0, 84, 74, 10]);
        assert_eq!(texts(13), [94, 0, 84, 40, 74, 30, 20, 10, 3, 67, 57, 47, 37]);
        let partitions = |count: i32| {
            let mut all: Vec<_> =
                (0..count).map(|at| (TopicPartition::new(format!("t{}", at % 4), at * 7 % 97), at)).collect();
            order_partitions(&mut all, |(one, _)| one);
            all.into_iter().map(|(_, at)| at).collect::<Vec<i32>>()
        };
        assert_eq!(partitions(3), [2, 1, 0]);
        assert_eq!(partitions(5), [2, 4, 1, 3, 0]);
        assert_eq!(partitions(6), [2, 4, 1, 3, 5, 0]);
        assert_eq!(partitions(13), [4, 8, 12, 3, 7, 2, 11, 6, 1, 10, 5, 0, 9]);
    }
}
