//! Heartbeat (12): a member is still alive, and learns whether it must rejoin.
//!
//! Sent by consumers to the group's coordinator, every `heartbeat.interval.ms`.

messages! {
    Heartbeat

    /// Who is alive, in which generation.
    struct Request {
        0..     group_id: String;
        0..     generation_id: i32;
        0..     member_id: String;
        3..     group_instance_id: Option<String> = null;
    }

    /// All well, or what the member must do.
    struct Response {
        1..     throttle_time_ms: i32, ignorable;
        0..     error_code: i16;
    }
}

questions! {
    /// Static members name themselves.
    carries_group_instance_id: 3..;
}
