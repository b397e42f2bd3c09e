// Automatically generated mod.rs
pub mod commit;
pub mod documents;
pub mod light;
pub mod types;
