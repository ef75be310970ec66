//! Why a dial is refused: the word for SQL, metrics and logs, the sentence for people, and who may read it.

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $word:literal, $text:literal;)*) => {
        /// Why a dial was refused.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Reason { $($(#[$doc])* $name),* }

        impl Reason {
            /// All reasons.
            pub const ALL: &[Reason] = &[$(Self::$name),*];

            /// The word in SQL, metrics and logs.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$name => $word),* }
            }

            /// The sentence for operators.
            pub const fn text(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }
        }
    };
}

reasons! {
    /// Step 4: Service-Type.
    NotVpn = "not_vpn", "not a VPN log-in";
    /// Step 4: a Service-Type that cannot be one.
    BadServiceType = "bad_service_type", "Service-Type is not 4 octets";
    /// Step 4: no such account.
    UnknownName = "unknown_name", "no account has this name";
    /// Step 4: the proof does not fit.
    WrongPassword = "wrong_password", "wrong password";
    /// Step 4: no proof that we take.
    NoProof = "no_proof", "no password of a kind that is taken (PAP, CHAP, MS-CHAPv1, MS-CHAPv2, EAP-MSCHAPv2)";
    /// Step 4: a password that cannot be one.
    BadPassword = "bad_user_password", "User-Password is not 16, 32, … 128 octets";
    /// Step 4: a CHAP response that cannot be one.
    BadChapPassword = "bad_chap_password", "CHAP-Password is not 17 octets";
    /// Step 4: a CHAP challenge that cannot be one.
    BadChapChallenge = "bad_chap_challenge", "CHAP-Challenge is shorter than 5 octets";
    /// Step 4: an MS-CHAP response that cannot be one.
    BadMsChapResponse = "bad_ms_chap_response", "the MS-CHAP response is not 50 octets";
    /// Step 4: an MS-CHAP challenge that cannot be one.
    BadMsChapChallenge = "bad_ms_chap_challenge", "MS-CHAP-Challenge is not as long as the version of MS-CHAP wants it";
    /// Step 4: an MS-CHAP response to nothing.
    NoMsChapChallenge = "no_ms_chap_challenge", "an MS-CHAP response without MS-CHAP-Challenge";
    /// Step 4: MS-CHAPv1 with the LM response alone.
    LmResponse = "lm_response", "only an LM response, which is not taken: the client is too old";
    /// Step 4: several proofs.
    SeveralProofs = "several_proofs", "several passwords in one request";
    /// Step 4: an attribute that may stand once.
    Repeated = "repeated_attribute", "an attribute stands several times that may stand once";
    /// Step 4: a vendor's attribute without room for one.
    VendorShort = "vendor_too_short", "a Vendor-Specific attribute of less than 7 octets";
    /// Step 4: a vendor's attributes that do not fill their place.
    VendorOverrun = "vendor_overrun", "the lengths inside a Vendor-Specific attribute of Microsoft or MikroTik do not fit";
    /// Step 4: a proof of EAP-MSCHAPv2 that cannot be one.
    BadEapProof = "bad_eap_proof", "the client's EAP-MSCHAPv2 response is not in order";
    /// Step 4: CHAP with only the NT hash kept.
    HashOnly = "hash_only", "only the NT hash of this password is kept: CHAP cannot be checked, use MS-CHAPv2";
    /// Step 4: EAP without a method in common.
    EapMethod = "eap_method", "the client offers no EAP method that is taken (EAP-MSCHAPv2)";
    /// Step 4: EAP that goes on with what is not, or no longer, known.
    EapState = "eap_state", "the EAP log-in is not known: begun too long ago, or with another server";
    /// Step 4: the client did not finish EAP.
    EapUnwilling = "eap_unwilling", "the client did not take our proof: its password is another, or it speaks EAP differently";
    /// Step 4: too many wrong passwords.
    Guessing = "guessing", "too many wrong passwords from this caller or for this account";
    /// Step 4: the password lives on a home server, and the router has none.
    NoHome = "no_home", "the account's password is kept by a home server (User Manager), and none is set for this router";
    /// Step 4: EAP, and the password lives on a home server.
    EapAtHome = "eap_at_home", "the account's password is kept by a home server (User Manager), which is not asked about EAP";
    /// Step 4: Access-Challenge of the home server.
    HomeChallenge = "home_challenge", "the home server asks for more than the password, which a VPN log-in cannot give";
    /// Step 5: bound to nobody.
    Unbound = "unbound", "the account is bound to nobody";
    /// Step 5: the application is open.
    UserPending = "user_pending", "the person's application is not decided yet";
    /// Step 5: refused.
    UserRejected = "user_rejected", "the person's application was rejected";
    /// Step 5: shut out.
    UserBlocked = "user_blocked", "the person is blocked";
    /// Step 5: switched off.
    AccountDisabled = "account_disabled", "the account is disabled";
    /// Step 5: locked.
    AccountLocked = "account_locked", "the account is locked after \"not me\"; an operator can unlock it";
    /// Step 5: not on this router.
    RouterNotAllowed = "router_not_allowed", "the account may not use this router";
    /// Step 5: not now.
    OutsideHours = "outside_hours", "outside the allowed hours";
    /// Step 5: not from there.
    OutsideNetworks = "outside_networks", "outside the allowed source networks";
    /// Step 6: nothing granted.
    NoSession = "no_session", "no session: the person has not asked for access";
    /// Step 6: a session, but not for this caller.
    NewCaller = "new_caller", "the session is for another address";
    /// Step 6: as good as over.
    SessionEnding = "session_ending", "the session ends in a moment";
    /// Step 6: `allow` without its conditions.
    AllowNotTied = "allow_not_tied", "without_session = allow needs an account without a person and source networks";
    /// Step 6: held, and the person said no.
    NotLetIn = "not_let_in", "the person did not let the connection in";
    /// Step 6: held, and nobody answered.
    Unanswered = "unanswered", "the person did not answer in time; a late yes lets the next dial in";
    /// Step 6: held, and given up.
    Redialled = "redialled", "the same caller has dialled again: that dial is the one that waits";
    /// Step 7: the limit.
    TooMany = "too_many", "too many simultaneous connections";
}

impl Reason {
    /// Whether the router's log may name the reason: up to step 4 every refusal reads the same, so that nobody learns
    /// which names exist.
    pub const fn is_told(self) -> bool {
        !matches!(
            self,
            Self::NotVpn
                | Self::BadServiceType
                | Self::UnknownName
                | Self::WrongPassword
                | Self::NoProof
                | Self::BadPassword
                | Self::BadChapPassword
                | Self::BadChapChallenge
                | Self::BadMsChapResponse
                | Self::BadMsChapChallenge
                | Self::NoMsChapChallenge
                | Self::LmResponse
                | Self::SeveralProofs
                | Self::Repeated
                | Self::VendorShort
                | Self::VendorOverrun
                | Self::BadEapProof
                | Self::HashOnly
                | Self::EapMethod
                | Self::EapState
                | Self::EapUnwilling
                | Self::Guessing
                | Self::NoHome
                | Self::EapAtHome
                | Self::HomeChallenge
        )
    }

    /// Whether it is told of a password that was not proven, or that was not looked at any more because of such. What only
    /// an account of a home server can be refused for is one: else it would show which names those are.
    pub const fn is_guess(self) -> bool {
        matches!(
            self,
            Self::UnknownName
                | Self::WrongPassword
                | Self::HashOnly
                | Self::Guessing
                | Self::NoHome
                | Self::EapAtHome
                | Self::HomeChallenge
        )
    }

    /// From the word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|reason| reason.word() == word)
    }
}
