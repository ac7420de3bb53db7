//! The metadata image as this process shares it: replaced as a whole, read without waiting, waited for by those who
//! need a topic to have leaders.

use std::sync::Arc;
use std::time::Duration;

use kafka_metadata::{MetadataImage, MetadataUpdate};
use kafka_types::TopicPartition;
use tokio::sync::watch;

/// The one image.
pub(crate) struct MetadataCache {
    image: watch::Sender<Arc<MetadataImage>>,
}

impl MetadataCache {
    /// Nothing is known yet.
    pub(crate) fn new() -> MetadataCache {
        MetadataCache { image: watch::Sender::new(Arc::new(MetadataImage::empty())) }
    }

    /// What is known now.
    pub(crate) fn image(&self) -> Arc<MetadataImage> {
        self.image.borrow().clone()
    }

    /// Takes an update over; returns the partitions that it says are deleted. Updates come one after the other from
    /// the controller, so there is one caller at a time.
    pub(crate) fn apply(&self, update: &MetadataUpdate) -> Vec<TopicPartition> {
        let (next, deleted) = self.image().apply(update);
        self.image.send_replace(Arc::new(next));
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
