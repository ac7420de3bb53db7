//! Admin calls against a broker that a script plays.
