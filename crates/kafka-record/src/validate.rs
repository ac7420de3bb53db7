//! What a broker checks before it appends.
