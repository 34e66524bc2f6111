//! Which credentials an application accepts.

use std::collections::BTreeSet;

use super::AuthMode;
use crate::error::{AuthError, AuthErrorKind};

/// Which credentials an application accepts: the workspaces they may be for, and the way they may have been obtained.
///
/// Credentials that are not allowed are an error, and are left where they are. They are checked when they are loaded, and
/// each time that a server or a host application gives new ones. CredentialRestrictions only ever add up: a second list of
/// workspaces allows what is on both.
///
/// ```
/// use codex_backend::auth::{AuthSources, CredentialRestrictions, SignInMethod};
///
/// let ours = CredentialRestrictions::default().sign_in_method(SignInMethod::ChatGpt).workspaces(["acct-1", "acct-2"]);
/// let sources = AuthSources::default().restrict(ours);
/// # let _ = sources;
/// ```
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct CredentialRestrictions {
    workspaces: Option<BTreeSet<String>>,
    sign_in_method: Option<SignInMethod>,
    /// Two sign-in methods have been demanded, which nothing can meet.
    contradictory: bool,
}

/// The ways in which credentials are obtained, as policies name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums)]
pub enum SignInMethod {
    /// `chatgpt`: whatever opens the Codex backend.
    ChatGpt,
    /// `api`: keys of an API.
    Api,
}

impl SignInMethod {
    fn of(mode: AuthMode) -> Self {
        if mode.uses_codex_backend() { Self::ChatGpt } else { Self::Api }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::ChatGpt => "chatgpt",
            Self::Api => "api",
        }
    }
}

impl CredentialRestrictions {
    /// Allows these workspaces (account ids) and no others; blank ones do not count. An empty list allows none. API keys
    /// are for no workspace, and are not affected.
    #[must_use]
    pub fn workspaces<W: Into<String>>(mut self, account_ids: impl IntoIterator<Item = W>) -> Self {
        let given = account_ids.into_iter().map(|id| id.into().trim().to_owned()).filter(|id| !id.is_empty());
        let given: BTreeSet<String> = given.collect();
        self.workspaces = Some(match self.workspaces {
            None => given,
            Some(before) => before.intersection(&given).cloned().collect(),
        });
        self
    }

    /// Allows credentials that were obtained in this way, and no others.
    #[must_use]
    pub fn sign_in_method(mut self, method: SignInMethod) -> Self {
        self.contradictory |= self.sign_in_method.is_some_and(|before| before != method);
        self.sign_in_method = Some(method);
        self
    }

    /// What both allow.
    pub(super) fn and(mut self, other: Self) -> Self {
        if let Some(workspaces) = other.workspaces {
            self = self.workspaces(workspaces);
        }
        if let Some(method) = other.sign_in_method {
            self = self.sign_in_method(method);
        }
        self.contradictory |= other.contradictory;
        self
    }

    /// Whether credentials of this mode are allowed, for this account if it is known.
    pub(super) fn check(&self, mode: AuthMode, account_id: Option<&str>) -> Result<(), AuthError> {
        let refuse = |message: String| Err(AuthError::new(AuthErrorKind::NotAllowed, message));
        if self.contradictory {
            return refuse("no credentials are allowed here: two sign-in methods are demanded".to_owned());
        }
        if let Some(method) = self.sign_in_method
            && method != SignInMethod::of(mode)
        {
            return refuse(format!(
                "credentials of the kind `{mode}` are not allowed here: the sign-in method must be `{}`",
                method.as_str()
            ));
        }
        let Some(workspaces) = self.workspaces.as_ref().filter(|_| mode.uses_codex_backend()) else { return Ok(()) };
        match account_id {
            Some(account_id) if workspaces.contains(account_id) => Ok(()),
            Some(account_id) => refuse(format!("credentials for the workspace {account_id:?} are not allowed here")),
            None => refuse("only some workspaces are allowed here, and the credentials do not tell theirs".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(restrictions: &CredentialRestrictions, mode: AuthMode, account_id: Option<&str>) -> bool {
        restrictions.check(mode, account_id).is_ok()
    }

    #[test]
    fn workspaces_add_up_and_do_not_concern_keys() {
        let ours = CredentialRestrictions::default().workspaces([" acct-1 ", "acct-2", " "]);
        assert!(allows(&ours, AuthMode::ChatGpt, Some("acct-1")));
        assert!(!allows(&ours, AuthMode::ChatGpt, Some("acct-3")));
        assert!(!allows(&ours, AuthMode::Headers, None));
        assert!(allows(&ours, AuthMode::OpenAiKey, None));
        let both = ours.workspaces(["acct-2", "acct-3"]);
        assert!(allows(&both, AuthMode::Agent, Some("acct-2")));
        assert!(!allows(&both, AuthMode::Agent, Some("acct-1")));
        let none = CredentialRestrictions::default().workspaces::<String>([]);
        assert!(!allows(&none, AuthMode::PersonalToken, Some("acct-1")));
    }

    #[test]
    fn one_sign_in_method_excludes_the_other_and_two_exclude_all() {
        let chatgpt = CredentialRestrictions::default().sign_in_method(SignInMethod::ChatGpt);
        assert!(allows(&chatgpt, AuthMode::ChatGpt, None) && !allows(&chatgpt, AuthMode::OpenAiKey, None));
        let none = chatgpt.sign_in_method(SignInMethod::Api);
        assert!(!allows(&none, AuthMode::ChatGpt, None) && !allows(&none, AuthMode::OpenAiKey, None));
    }
}
