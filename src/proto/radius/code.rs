//! Packet codes: RFC 2865 §3, RFC 2866 §3, RFC 5176 §2.3, RFC 5997 §3.

/// The first octet of a packet. Unknown codes survive: what to do with them is the reader's rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Code(pub u8);

impl Code {
    /// A log-in attempt (RFC 2865 §4.1).
    pub const ACCESS_REQUEST: Self = Self(1);
    /// Let in (RFC 2865 §4.2).
    pub const ACCESS_ACCEPT: Self = Self(2);
    /// Refused (RFC 2865 §4.3).
    pub const ACCESS_REJECT: Self = Self(3);
    /// Start, Interim, Stop, On or Off (RFC 2866 §4.1).
    pub const ACCOUNTING_REQUEST: Self = Self(4);
    /// The record is kept (RFC 2866 §4.2).
    pub const ACCOUNTING_RESPONSE: Self = Self(5);
    /// One more round is wanted (RFC 2865 §4.4).
    pub const ACCESS_CHALLENGE: Self = Self(11);
    /// Are you alive (RFC 5997).
    pub const STATUS_SERVER: Self = Self(12);
    /// End a connection (RFC 5176 §2.1).
    pub const DISCONNECT_REQUEST: Self = Self(40);
    /// It is ended.
    pub const DISCONNECT_ACK: Self = Self(41);
    /// It is not; Error-Cause says why.
    pub const DISCONNECT_NAK: Self = Self(42);
    /// Change a connection (RFC 5176 §2.2).
    pub const COA_REQUEST: Self = Self(43);
    /// It is changed.
    pub const COA_ACK: Self = Self(44);
    /// It is not; Error-Cause says why.
    pub const COA_NAK: Self = Self(45);

    /// The name in the RFCs, or `Unknown`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ACCESS_REQUEST => "Access-Request",
            Self::ACCESS_ACCEPT => "Access-Accept",
            Self::ACCESS_REJECT => "Access-Reject",
            Self::ACCOUNTING_REQUEST => "Accounting-Request",
            Self::ACCOUNTING_RESPONSE => "Accounting-Response",
            Self::ACCESS_CHALLENGE => "Access-Challenge",
            Self::STATUS_SERVER => "Status-Server",
            Self::DISCONNECT_REQUEST => "Disconnect-Request",
            Self::DISCONNECT_ACK => "Disconnect-ACK",
            Self::DISCONNECT_NAK => "Disconnect-NAK",
            Self::COA_REQUEST => "CoA-Request",
            Self::COA_ACK => "CoA-ACK",
            Self::COA_NAK => "CoA-NAK",
            _ => "Unknown",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Code;

    #[test]
    fn names_what_it_knows() {
        assert_eq!(Code::ACCESS_REQUEST.name(), "Access-Request");
        assert_eq!(Code(99).name(), "Unknown");
    }
}
