//! The elected controller as a core: events in, effects out.
