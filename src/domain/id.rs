//! Identities of the nouns: one newtype per table, so that a user's id is never taken for an account's.

macro_rules! id {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub i64);

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(formatter)
            }
        }
    )*};
}

id! {
    /// A user row (not the Telegram id).
    UserId,
    /// An account row.
    AccountId,
    /// A group row.
    GroupId,
    /// A router row.
    RouterId,
    /// A nas row.
    NasId,
    /// A session row.
    SessionId,
    /// A connection row.
    ConnectionId,
    /// A prompt row.
    PromptId,
    /// An operator row.
    OperatorId,
    /// A rule row.
    RuleId,
    /// A want row.
    WantId,
    /// An order row.
    OrderId,
}
