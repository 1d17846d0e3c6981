//! Scenarios of the whole core against a small made-up world.
