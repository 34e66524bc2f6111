//! Environment variables, read in this place alone.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::sync::Arc;

/// Where environment variables are read: this process, or a map of the caller's.
///
/// It is the only place in the crate that looks at the process environment, so a test never has to set a variable.
/// A value that is empty or only white space counts as unset.
///
/// ```
/// use codex_backend::transport::Environment;
///
/// let environment = Environment::from_vars([("HTTPS_PROXY", "http://proxy.internal:3128"), ("NO_PROXY", " ")]);
/// assert_eq!(environment.text("HTTPS_PROXY").as_deref(), Some("http://proxy.internal:3128"));
/// assert_eq!(environment.text("NO_PROXY"), None);
/// ```
#[derive(Clone)]
pub struct Environment {
    vars: Vars,
}

#[derive(Clone)]
enum Vars {
    Process,
    Given(Arc<HashMap<OsString, OsString>>),
}

impl Environment {
    /// The environment of this process, read when a value is asked for.
    #[must_use]
    pub fn process() -> Self {
        Self { vars: Vars::Process }
    }

    /// No variable is set.
    #[must_use]
    pub fn empty() -> Self {
        Self::from_vars::<&str, &str>([])
    }

    /// Exactly these variables are set.
    #[must_use]
    pub fn from_vars<K: Into<OsString>, V: Into<OsString>>(vars: impl IntoIterator<Item = (K, V)>) -> Self {
        let vars = vars.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Self { vars: Vars::Given(Arc::new(vars)) }
    }

    /// The value of a variable, for file paths; `None` when unset or blank.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<OsString> {
        let value = match &self.vars {
            Vars::Process => std::env::var_os(name),
            Vars::Given(vars) => vars.get(OsStr::new(name)).cloned(),
        }?;
        let blank = value.to_str().is_some_and(|text| text.trim().is_empty());
        (!blank).then_some(value)
    }

    /// What is in the variables, whatever their names, without paths: nothing of it is to be shown.
    pub(crate) fn possible_secrets(&self) -> Vec<String> {
        let values: Vec<OsString> = match &self.vars {
            Vars::Process => std::env::vars_os().map(|(_, value)| value).collect(),
            Vars::Given(vars) => vars.values().cloned().collect(),
        };
        let texts = values.into_iter().filter_map(|value| value.into_string().ok());
        texts.filter(|value| !value.starts_with('/')).collect()
    }

    /// The value of a variable as text, trimmed; `None` when unset, blank or not Unicode.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<String> {
        self.value(name)?.to_str().map(|text| text.trim().to_owned())
    }
}

impl Default for Environment {
    fn default() -> Self {
        Self::process()
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Values may be credentials.
        f.write_str(match self.vars {
            Vars::Process => "Environment(process)",
            Vars::Given(_) => "Environment(given)",
        })
    }
}
