//! What several kinds own: the pipe in small. Kinds compose these functions.

pub mod security_group;
pub mod tags;
