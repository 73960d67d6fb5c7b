//! Other implementations' opinion: the crate `macaroon`, pymacaroons, and the vectors that every language shares.
//!
//! Needs `python3` with `venv`, and the network once to fetch what `requirements.txt` names; or the variable
//! `SUBGRANT_INTEROP_PYTHON`, an interpreter that has it.

#[cfg(test)]
mod oracle;
#[cfg(test)]
mod pymacaroons;
#[cfg(test)]
mod python;
#[cfg(test)]
mod support;
#[cfg(test)]
mod vectors;
