//! Each program against transcripts taken from Apache's: what it prints, on which stream, and its exit code.
