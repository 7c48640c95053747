//! floor 0
