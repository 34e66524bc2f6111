//! The plans that an account may have.

use crate::wire::open_enum;

open_enum! {
    /// A ChatGPT plan.
    ///
    /// ```
    /// use codex_backend::limits::PlanType;
    ///
    /// assert_eq!(PlanType::from("hc".to_owned()), PlanType::Enterprise);
    /// assert_eq!(PlanType::from("platinum".to_owned()).as_str(), "platinum");
    /// ```
    PlanType {
        /// No account.
        Guest = "guest",
        /// Free.
        Free = "free",
        /// Go.
        Go = "go",
        /// Plus.
        Plus = "plus",
        /// Pro.
        Pro = "pro",
        /// Pro Lite.
        ProLite = "prolite",
        /// A workspace without a plan.
        FreeWorkspace = "free_workspace",
        /// Team.
        Team = "team",
        /// Self-serve business, by usage.
        SelfServeBusinessUsageBased = "self_serve_business_usage_based",
        /// Business.
        Business = "business",
        /// Enterprise, by usage.
        EnterpriseUsageBased = "enterprise_cbp_usage_based",
        /// Enterprise.
        Enterprise = "enterprise" | "hc",
        /// Education.
        Education = "edu" | "education",
        /// Quorum.
        Quorum = "quorum",
        /// Schools.
        K12 = "k12",
    }
}

impl PlanType {
    /// The plan with this name, in upper or lower case. An unknown name is kept as it is written.
    pub(crate) fn in_any_case(name: String) -> Self {
        match Self::from(name.to_ascii_lowercase()) {
            Self::Other(_) => Self::Other(name),
            known => known,
        }
    }

    /// Whether the administrators of accounts with this plan can manage the configuration of Codex.
    #[must_use]
    pub fn has_managed_config(&self) -> bool {
        match self {
            Self::Business | Self::EnterpriseUsageBased | Self::Enterprise | Self::Education => true,
            Self::Other(name) => {
                matches!(name.as_str(), "ent26" | "enterprise_cbp_automation" | "edu_plus" | "edu_pro")
            }
            _ => false,
        }
    }

    /// Whether accounts with this plan are workspaces of several users.
    #[must_use]
    pub fn is_workspace(&self) -> bool {
        const LATER: [&str; 6] = [
            "ent26",
            "enterprise_cbp_automation",
            "self_serve_business_prolite",
            "self_serve_business_pro_lite",
            "edu_plus",
            "edu_pro",
        ];
        match self {
            Self::Team
            | Self::SelfServeBusinessUsageBased
            | Self::Business
            | Self::EnterpriseUsageBased
            | Self::Enterprise
            | Self::Education => true,
            Self::Other(name) => LATER.contains(&name.as_str()),
            _ => false,
        }
    }
}
