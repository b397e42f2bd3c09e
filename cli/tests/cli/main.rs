//! The program `decube` as a user runs it: as processes, with files in temporary folders.

mod editing;
mod hostile;
mod input;
mod offline;
mod running;
mod settings;
mod support;
