//! Logs: each line once, in order, whatever breaks.
