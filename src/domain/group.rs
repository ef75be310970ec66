//! The group: accounts that share reply attributes and policy.

use super::id::GroupId;

/// The word for no group, where a group is named.
pub const NO_GROUP: &str = "none";
/// The most characters of a name.
const NAME_CHARACTERS: usize = 64;

/// Accounts that share reply attributes and policy. An account is in at most one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The row.
    pub id: GroupId,
    /// The name as the operator wrote it.
    pub name: String,
}

/// A name as an operator types it: 1 to 64 characters, no control characters, no blanks at its ends, not `none`.
///
/// # Errors
/// What is wrong, for whoever typed it.
pub fn group_name(typed: &str) -> Result<String, &'static str> {
    let name = typed.trim();
    if name.is_empty() {
        return Err("the group's name is empty");
    }
    if name.chars().count() > NAME_CHARACTERS || name.chars().any(char::is_control) {
        return Err("the group's name must have at most 64 characters and no control characters");
    }
    if name.eq_ignore_ascii_case(NO_GROUP) {
        return Err("none is the word for no group");
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        assert_eq!(group_name(" Field staff ").as_deref(), Ok("Field staff"));
        assert_eq!(group_name(&"ж".repeat(64)).map(|name| name.len()), Ok(128));
        for wrong in ["", "  ", "None", "a\tb", &"x".repeat(65)] {
            assert!(group_name(wrong).is_err(), "{wrong:?}");
        }
    }
}
