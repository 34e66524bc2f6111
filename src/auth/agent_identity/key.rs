use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use blake2::digest::Digest;
use ed25519_dalek::{Sha512, Signer, SigningKey};
use ring::rand::{SecureRandom, SystemRandom};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};

use super::sealed_box;
use crate::error::{AgentIdentityError, AuthError};

/// What is hashed before the random bytes of a new key.
const GENERATION_CONTEXT: &[u8] = b"codex-agent-identity-ed25519-v1";
const SSH_ALGORITHM: &[u8] = b"ssh-ed25519";

/// What stands before the seed in PKCS#8 of version 1 and 2, and between seed and public key in version 2. These are all
/// the encodings there are: lengths and algorithm are fixed, and DER leaves no choice.
const V1_HEAD: &[u8] = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";
const V2_HEAD: &[u8] = b"\x30\x51\x02\x01\x01\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";
const V2_MIDDLE: &[u8] = b"\x81\x21\x00";
const V2_BYTES: usize = 83;

/// An agent's private key (Ed25519). Clones share it; it is erased when the last one is dropped.
///
/// ```
/// use codex_backend::auth::AgentKey;
///
/// let key = AgentKey::generate()?;
/// let kept = key.to_pkcs8_base64();
/// assert_eq!(AgentKey::from_pkcs8_base64(kept)?.ssh_public_key(), key.ssh_public_key());
/// assert!(key.ssh_public_key().starts_with("ssh-ed25519 "));
/// # Ok::<(), codex_backend::AuthError>(())
/// ```
#[derive(Clone)]
pub struct AgentKey {
    signing: Arc<SigningKey>,
}

impl AgentKey {
    /// A new key, from the operating system's randomness. Blocks where the system has none yet.
    ///
    /// # Errors
    ///
    /// When the system has no randomness to give.
    pub fn generate() -> Result<Self, AuthError> {
        let mut random = Zeroizing::new([0; 64]);
        let filled = SystemRandom::new().fill(&mut *random);
        filled.map_err(|_| AuthError::transient("the system has no randomness for a new key"))?;
        Ok(Self::from_random(&random))
    }

    /// The key that [`generate`](Self::generate) makes of these random bytes: its seed is the first half of
    /// `SHA-512("codex-agent-identity-ed25519-v1" || random)`, as in the official tool.
    #[must_use]
    pub fn from_random(random: &[u8; 64]) -> Self {
        let mut hash = Zeroizing::new([0; 64]);
        let digest = Sha512::new().chain_update(GENERATION_CONTEXT).chain_update(random);
        digest.finalize_into((&mut *hash).into());
        let mut seed = Zeroizing::new([0; 32]);
        seed.copy_from_slice(&hash[..32]);
        Self { signing: Arc::new(SigningKey::from_bytes(&seed)) }
    }

    /// From the form in which keys are kept: standard base64, with padding, of PKCS#8 DER in version 1 (48 bytes, without
    /// the public key) or 2 (83 bytes, with it). White space around it is ignored.
    ///
    /// # Errors
    ///
    /// When it is no base64, no Ed25519 key in PKCS#8, or its public key does not belong to the private one.
    pub fn from_pkcs8_base64(text: impl Into<SecretString>) -> Result<Self, AuthError> {
        let text = text.into();
        let der = BASE64_STANDARD.decode(text.expose_secret().trim()).map(Zeroizing::new);
        let der = der.map_err(|_| AgentIdentityError::PrivateKeyBase64)?;
        let (seed, public) = split_pkcs8(&der).ok_or(AgentIdentityError::PrivateKeyPkcs8)?;
        let signing = SigningKey::from_bytes(seed);
        if public.is_some_and(|public| signing.verifying_key().as_bytes() != public) {
            return Err(AgentIdentityError::PrivateKeyPkcs8.into());
        }
        Ok(Self { signing: Arc::new(signing) })
    }

    /// The form in which keys are kept: standard base64 of PKCS#8 DER in version 2, as the official tool writes it.
    /// Whoever has it is the agent.
    ///
    #[must_use]
    pub fn to_pkcs8_base64(&self) -> SecretString {
        let mut der = Zeroizing::new(Vec::with_capacity(V2_BYTES));
        for part in [V2_HEAD, self.signing.as_bytes(), V2_MIDDLE, &self.public_key()] {
            der.extend_from_slice(part);
        }
        BASE64_STANDARD.encode(&*der).into()
    }

    /// The public key as an SSH line without a comment, which is how agents are registered.
    #[must_use]
    pub fn ssh_public_key(&self) -> String {
        let public = self.public_key();
        let mut blob = Vec::with_capacity(51);
        for part in [SSH_ALGORITHM, &public] {
            blob.extend_from_slice(&(part.len() as u32).to_be_bytes());
            blob.extend_from_slice(part);
        }
        format!("ssh-ed25519 {}", BASE64_STANDARD.encode(blob))
    }

    /// The public key.
    #[must_use]
    pub fn public_key(&self) -> [u8; 32] {
        self.signing.verifying_key().to_bytes()
    }

    /// The signature of a text, in standard base64.
    pub(super) fn sign(&self, text: &str) -> String {
        BASE64_STANDARD.encode(self.signing.sign(text.as_bytes()).to_bytes())
    }

    /// What a box sealed to this agent holds. The X25519 key that opens it follows from the private key.
    pub(super) fn open(&self, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        sealed_box::open(sealed, &Zeroizing::new(self.signing.to_scalar_bytes()))
    }
}

/// The seed, and the public key where the encoding holds one.
fn split_pkcs8(der: &[u8]) -> Option<(&[u8; 32], Option<&[u8; 32]>)> {
    if let Some(seed) = der.strip_prefix(V1_HEAD) {
        return Some((seed.try_into().ok()?, None));
    }
    let (seed, rest) = der.strip_prefix(V2_HEAD)?.split_first_chunk()?;
    Some((seed, Some(rest.strip_prefix(V2_MIDDLE)?.try_into().ok()?)))
}

impl fmt::Debug for AgentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentKey").field("ssh_public_key", &self.ssh_public_key()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use secrecy::zeroize::ZeroizeOnDrop;

    use super::*;

    #[test]
    fn what_is_secret_is_erased_when_dropped() {
        fn is_erased<T: ZeroizeOnDrop>(_: &T) {}
        let key = AgentKey::from_random(&[7; 64]);
        is_erased(&*key.signing);
        is_erased(&Zeroizing::new(key.signing.to_scalar_bytes()));
        is_erased(&key.to_pkcs8_base64());
    }
}
