//! DescribeCluster (60): cluster id, controller and brokers.
//!
//! Sent by admin clients to any broker.

messages! {
    DescribeCluster

    /// What to tell.
    struct Request {
        0..     include_cluster_authorized_operations: bool;
        /// 1: brokers; 2: controllers.
        1..     endpoint_type: i8 = 1;
    }

    /// The cluster.
    struct Response {
        0..     throttle_time_ms: i32;
        0..     error_code: i16;
        0..     error_message: Option<String> = null;
        1..     endpoint_type: i8 = 1;
        0..     cluster_id: String;
        0..     controller_id: i32 = -1;
        0..     brokers: Vec<DescribeClusterBroker>;
        /// Bit field of ACL operations; i32::MIN: not asked for.
        0..     cluster_authorized_operations: i32 = -2_147_483_648;
    }

    struct DescribeClusterBroker {
        0..     broker_id: i32;
        0..     host: String;
        0..     port: i32;
        0..     rack: Option<String> = null;
    }
}

questions! {
    /// Controllers may be asked for instead of brokers.
    carries_endpoint_type: 1..;
}
