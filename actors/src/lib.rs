//! Placeholder head; replaced by the first landing.
