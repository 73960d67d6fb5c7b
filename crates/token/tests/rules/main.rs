//! The rules of the contract, one module per part of it. Other libraries' opinion is in the test `interop`.

#[cfg(test)]
mod caveats;
#[cfg(test)]
mod chain;
#[cfg(test)]
mod envelope;
#[cfg(test)]
mod malformed_values;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod random_input;
#[cfg(test)]
mod requests;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod service;
#[cfg(test)]
mod support;
