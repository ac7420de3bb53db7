//! The replicated state machine of the coordination server.
