//! Data directories carried from ours to Apache and back.
