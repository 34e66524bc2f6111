//! Sealed boxes, as libsodium's `crypto_box_seal` makes them: `ephemeral public key || tag || ciphertext`, by X25519 and
//! XSalsa20-Poly1305. Put together from its parts, because the crate that has it whole does not erase the private key.

use blake2::digest::consts::U24;
use blake2::{Blake2b, Digest};
use crypto_secretbox::aead::Aead;
use crypto_secretbox::aead::generic_array::GenericArray;
use crypto_secretbox::{Kdf, KeyInit, Nonce, XSalsa20Poly1305};
use curve25519_dalek::MontgomeryPoint;
use salsa20::Salsa20;
use secrecy::zeroize::Zeroizing;

const KEY_BYTES: usize = 32;

/// What the box holds, if it was sealed to the public key that belongs to this private one.
pub(super) fn open(sealed: &[u8], private: &[u8; KEY_BYTES]) -> Option<Zeroizing<Vec<u8>>> {
    let (ephemeral, ciphertext) = sealed.split_at_checked(KEY_BYTES)?;
    let ephemeral = MontgomeryPoint(ephemeral.try_into().ok()?);
    let nonce = nonce(&ephemeral, &MontgomeryPoint::mul_base_clamped(*private));
    let opened = cipher(&ephemeral, private)?.decrypt(&nonce, ciphertext).ok()?;
    Some(Zeroizing::new(opened))
}

/// Seals a text to a public key, with an ephemeral private key that is used for nothing else.
#[cfg(any(feature = "testing", test))]
pub(crate) fn seal(text: &[u8], recipient: &[u8; KEY_BYTES], ephemeral: &[u8; KEY_BYTES]) -> Option<Vec<u8>> {
    let recipient = MontgomeryPoint(*recipient);
    let public = MontgomeryPoint::mul_base_clamped(*ephemeral);
    let ciphertext = cipher(&recipient, ephemeral)?.encrypt(&nonce(&public, &recipient), text).ok()?;
    Some([&public.0[..], &ciphertext].concat())
}

/// `None` for a public key of low order, with which no secret can be shared.
fn cipher(public: &MontgomeryPoint, private: &[u8; KEY_BYTES]) -> Option<XSalsa20Poly1305> {
    let shared = Zeroizing::new(public.mul_clamped(*private));
    if shared.0 == [0; KEY_BYTES] {
        return None;
    }
    let key = Zeroizing::new(Salsa20::kdf(GenericArray::from_slice(&shared.0), &GenericArray::default()));
    Some(XSalsa20Poly1305::new(&key))
}

fn nonce(ephemeral: &MontgomeryPoint, recipient: &MontgomeryPoint) -> Nonce {
    Blake2b::<U24>::new().chain_update(ephemeral.0).chain_update(recipient.0).finalize()
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;

    use super::*;

    /// libsodium's own numbers for the seed of 32 sevens and the ephemeral key of 32 nines.
    #[test]
    fn the_keys_and_the_box_are_those_of_libsodium() {
        let signing = SigningKey::from_bytes(&[7; 32]);
        let private = signing.to_scalar_bytes();
        let public = MontgomeryPoint::mul_base_clamped(private);
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(hex(&public.0), "761d88ec830413919dfe9d4d1d56f17e653c8c994082df5b137b90a0ae6edf74");
        assert_eq!(signing.verifying_key().to_montgomery(), public);
        let sealed = seal(b"task-123", &public.0, &[9; 32]).unwrap();
        let expected = "57db4b359f23ae5e146e4e2512056704722506348c150c14753d0c933d04d421\
                        e5ea428de689114b8dc00ddfe80d136d8f1b68a4a86c9091";
        assert_eq!(hex(&sealed), expected);
        assert_eq!(open(&sealed, &private).unwrap().as_slice(), b"task-123");
    }

    #[test]
    fn a_public_key_of_low_order_opens_and_seals_nothing() {
        let mut sealed = [0; 64];
        assert!(open(&sealed, &[7; 32]).is_none());
        sealed[0] = 1;
        assert!(open(&sealed, &[7; 32]).is_none());
        assert!(seal(b"x", &[0; 32], &[9; 32]).is_none());
        assert!(open(&[0; 31], &[7; 32]).is_none());
    }
}
