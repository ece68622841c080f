//! The command `repred`.
