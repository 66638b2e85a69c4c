//! Composite schedules: worked vectors, edge cases by name, properties, and a second-by-second oracle.

mod numbers;
mod oracle;
mod random_sets;
mod vectors;
