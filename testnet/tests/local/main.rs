//! Networks of real processes, run by the program that is tested.

#[cfg(test)]
mod kill;
#[cfg(test)]
mod mixing;
