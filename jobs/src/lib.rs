//! floor 1
