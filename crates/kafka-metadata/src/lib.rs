//! What the cluster knows: znode schemas, metadata image, configs, placement.
