//! Every tool behind bin/*.sh.
