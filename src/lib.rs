//! floor 2
