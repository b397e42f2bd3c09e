//! What FIPS 204 asks of a signature's encoding, checked before a backend sees it.
//!
//! ```text
//! 48 bytes   c~, the challenge
//! 3200       z, five polynomials of 256 coefficients of 20 bits, each gamma1 - coefficient
//! 55         positions of the hints, ascending within each of the six polynomials, then zeros
//! 6          how many positions there are up to each polynomial
//! ```

use super::Signature;

const CHALLENGE: usize = 48;
const VECTOR: usize = 5 * 256 * 20 / 8;
/// omega: the most hints.
const HINTS: usize = 55;
const POLYNOMIALS: usize = 6;
const GAMMA1: u32 = 1 << 19;
/// beta: tau times eta.
const BETA: u32 = 49 * 4;

/// Whether every coefficient of `z` is below the bound of algorithm 8, line 13, and the hints are
/// encoded as by algorithm 20.
pub(super) fn is_well_formed(signature: &[u8; Signature::LENGTH]) -> bool {
    let (vector, hints) = signature.split_at(CHALLENGE + VECTOR);
    is_short(vector.split_at(CHALLENGE).1) && are_hints(hints)
}

/// |gamma1 - encoded| < gamma1 - beta.
fn is_short(vector: &[u8]) -> bool {
    let in_range = |encoded: u32| encoded > BETA && encoded < 2 * GAMMA1 - BETA;
    vector.as_chunks().0.iter().all(|five: &[u8; 5]| {
        let [a, b, c, d, e] = five.map(u32::from);
        in_range(a | b << 8 | (c & 15) << 16) && in_range(c >> 4 | d << 4 | e << 12)
    })
}

fn are_hints(bytes: &[u8]) -> bool {
    let (positions, ends) = bytes.split_at(HINTS);
    let mut start = 0;
    for end in ends.iter().map(|end| usize::from(*end)) {
        let Some(of_polynomial) = positions.get(start..end) else {
            return false;
        };
        if !of_polynomial.is_sorted_by(|one, next| one < next) {
            return false;
        }
        start = end;
    }
    positions.iter().skip(start).all(|position| *position == 0)
}

const _: () = assert!(CHALLENGE + VECTOR + HINTS + POLYNOMIALS == Signature::LENGTH);
