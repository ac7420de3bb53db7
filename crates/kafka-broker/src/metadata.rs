//! The metadata image as this process shares it: replaced as a whole, read without waiting, waited for by those who
//! need a topic to have leaders.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kafka_metadata::{MetadataImage, MetadataUpdate};
use kafka_types::TopicPartition;
use tokio::sync::watch;

/// The one image.
pub(crate) struct MetadataCache {
    image: watch::Sender<Arc<MetadataImage>>,
    /// Counts the images.
    version: AtomicU64,
}

impl MetadataCache {
    /// Nothing is known yet.
    pub(crate) fn new() -> MetadataCache {
        MetadataCache { image: watch::Sender::new(Arc::new(MetadataImage::empty())), version: AtomicU64::new(0) }
    }

    /// What is known now.
    pub(crate) fn image(&self) -> Arc<MetadataImage> {
        self.image.borrow().clone()
    }

    /// What is known now, with a number that is another one as soon as more is known.
    pub(crate) fn numbered_image(&self) -> (u64, Arc<MetadataImage>) {
        // In this order: an image that comes in between is taken for the older one, and looked at once more.
        let version = self.version.load(Ordering::Acquire);
        (version, self.image())
    }

    /// Takes an update over; returns the partitions that it says are deleted. Updates come one after the other from
    /// the controller, so there is one caller at a time.
    pub(crate) fn apply(&self, update: &MetadataUpdate) -> Vec<TopicPartition> {
        let (next, deleted) = self.image().apply(update);
        self.image.send_replace(Arc::new(next));
        self.version.fetch_add(1, Ordering::Release);
        deleted
    }

    /// Waits until `condition` holds for the image; `false` if it did not in time.
    pub(crate) async fn wait_for(&self, at_most: Duration, mut condition: impl FnMut(&MetadataImage) -> bool) -> bool {
        let mut image = self.image.subscribe();
        let wait = async {
            // The sender lives as long as `self`, so this ends by the condition or not at all.
            let _ = image.wait_for(|image| condition(image)).await;
        };
        tokio::time::timeout(at_most, wait).await.is_ok()
    }
}
