//! An RSA key that signs JWTs. It is made anew for each server, and only when it is needed: that takes some dozens of
//! modular powers of 1,024 bits, which an unoptimised build does in about a second.

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use num_bigint::BigUint;
use ring::rand::{SecureRandom, SystemRandom};
use ring::rsa::{KeyPair, KeyPairComponents, PublicKeyComponents};
use ring::signature::RSA_PKCS1_SHA256;
use serde_json::{Value, json};

const PUBLIC_EXPONENT: u32 = 65_537;
const PRIME_BYTES: usize = 128;

pub(super) struct JwtKey {
    id: String,
    pair: KeyPair,
    modulus: Vec<u8>,
}

impl JwtKey {
    pub(super) fn generate(id: String) -> Option<Self> {
        let (one, public) = (BigUint::from(1_u32), BigUint::from(PUBLIC_EXPONENT));
        let (first, second) = (prime()?, prime()?);
        let (p, q) = if first > second { (first, second) } else { (second, first) };
        let (p_less_one, q_less_one) = (&p - &one, &q - &one);
        let modulus = (&p * &q).to_bytes_be();
        let private = public.modinv(&(&p_less_one * &q_less_one))?;
        let pair = KeyPair::from_components(&KeyPairComponents {
            public_key: PublicKeyComponents { n: &modulus, e: &public.to_bytes_be() },
            d: &private.to_bytes_be(),
            p: &p.to_bytes_be(),
            q: &q.to_bytes_be(),
            dP: &(&private % &p_less_one).to_bytes_be(),
            dQ: &(&private % &q_less_one).to_bytes_be(),
            qInv: &q.modinv(&p)?.to_bytes_be(),
        });
        Some(Self { id, pair: pair.ok()?, modulus })
    }

    /// The public key, as one of a set.
    pub(super) fn jwk(&self) -> Value {
        let number = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        let exponent = BigUint::from(PUBLIC_EXPONENT).to_bytes_be();
        json!({
            "kty": "RSA", "kid": self.id, "use": "sig", "alg": "RS256", "n": number(&self.modulus), "e": number(&exponent),
        })
    }

    pub(super) fn sign(&self, claims: &Value) -> Option<String> {
        let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&json!({ "typ": "JWT", "alg": "RS256", "kid": self.id })), part(claims));
        let mut signature = vec![0; self.pair.public().modulus_len()];
        self.pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature).ok()?;
        Some(format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature)))
    }
}

/// A number of 1,024 bits, the two highest of them set, that passes Fermat's test and is one that the public exponent has
/// an inverse for. For random numbers of this size that is as good as prime.
fn prime() -> Option<BigUint> {
    const WINDOW: usize = 4096;
    let small = small_primes();
    let (one, two) = (BigUint::from(1_u32), BigUint::from(2_u32));
    loop {
        let mut bytes = [0; PRIME_BYTES];
        SystemRandom::new().fill(&mut bytes).ok()?;
        bytes[0] |= 0xc0;
        bytes[PRIME_BYTES - 1] |= 1;
        let start = BigUint::from_bytes_be(&bytes);
        // Marks `start + 2 * index` where a small prime divides it.
        let mut divisible = vec![false; WINDOW];
        for prime in &small {
            let rest = (&start % *prime).iter_u32_digits().next().unwrap_or(0) as usize;
            let prime = *prime as usize;
            let to_multiple = (prime - rest) % prime;
            let first = if to_multiple.is_multiple_of(2) { to_multiple / 2 } else { (to_multiple + prime) / 2 };
            divisible.iter_mut().skip(first).step_by(prime).for_each(|mark| *mark = true);
        }
        for index in (0..WINDOW).filter(|index| !divisible[*index]) {
            let candidate = &start + BigUint::from(2 * index);
            let less_one = &candidate - &one;
            if two.modpow(&less_one, &candidate) == one && &less_one % PUBLIC_EXPONENT != BigUint::ZERO {
                return Some(candidate);
            }
        }
    }
}

/// The odd primes below 2^15.
fn small_primes() -> Vec<u32> {
    const END: usize = 1 << 15;
    let mut composite = vec![false; END];
    let mut primes = Vec::new();
    for number in (3..END).step_by(2) {
        if !composite[number] {
            primes.push(number as u32);
            composite.iter_mut().skip(number * number).step_by(number).for_each(|mark| *mark = true);
        }
    }
    primes
}

impl fmt::Debug for JwtKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtKey").field("id", &self.id).finish_non_exhaustive()
    }
}
