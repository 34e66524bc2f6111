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
#[cfg(feature = "testing")]
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
