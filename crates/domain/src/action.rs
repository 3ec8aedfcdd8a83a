//! What a key may do: the operations of the backend API, one by one or by the group they stand in.

/// The group of the operators' own operations: no key but one of theirs can use them.
pub const OPERATORS: &str = "admin";

/// The group of an environment's own keys.
const KEYS: &str = "api-keys";

/// What operators do with the keys of environments: a new environment comes with its first one.
const OF_OPERATORS: [&str; 3] = ["createProjectEnvironment", "createEnvironmentApiKey", "revokeEnvironmentApiKey"];

/// One operation of the backend API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// Its id in the document of the API, such as `listUsers`.
    pub id: String,
    /// What it belongs to: the first segment of its path, such as `users`.
    pub group: String,
    /// Whether it changes nothing.
    pub reads: bool,
}

impl Operation {
    /// Whether it makes, changes or ends API keys: nothing for a secret that is being replaced.
    pub fn manages_keys(&self) -> bool {
        !self.reads && (self.group == KEYS || OF_OPERATORS.contains(&self.id.as_str()))
    }

    /// The action that allows it together with its like: `users:read` or `users:write`.
    pub fn action(&self) -> String {
        of_group(&self.group, self.reads)
    }
}

/// The action of a group.
pub fn of_group(group: &str, reads: bool) -> String {
    format!("{group}:{}", if reads { "read" } else { "write" })
}

/// What a key may do: everything, or what these actions name and nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actions(Option<Vec<String>>);

impl Actions {
    /// Everything, whatever is added one day.
    pub const ALL: Self = Self(None);

    /// What these actions name; a repeated one counts once.
    pub fn only(names: impl IntoIterator<Item = String>) -> Self {
        let mut kept: Vec<String> = Vec::new();
        for name in names {
            if !kept.contains(&name) {
                kept.push(name);
            }
        }
        Self(Some(kept))
    }

    /// The names, unless it is everything.
    pub fn named(&self) -> Option<&[String]> {
        self.0.as_deref()
    }

    /// Whether an operation is among them.
    pub fn allow(&self, operation: &Operation) -> bool {
        let action = operation.action();
        self.0.as_ref().is_none_or(|names| names.iter().any(|name| *name == operation.id || *name == action))
    }
}

/// Every operation there is.
#[derive(Debug, Clone, Default)]
pub struct Catalogue(Vec<Operation>);

impl Catalogue {
    /// A catalogue of these.
    pub fn new(operations: Vec<Operation>) -> Self {
        Self(operations)
    }

    /// The operations.
    pub fn operations(&self) -> &[Operation] {
        &self.0
    }

    fn operation(&self, id: &str) -> Option<&Operation> {
        self.0.iter().find(|operation| operation.id == id)
    }

    /// The group that an action is about; none when it names nothing there is.
    pub fn group_of(&self, action: &str) -> Option<&str> {
        if let Some(operation) = self.operation(action) {
            return Some(&operation.group);
        }
        let (group, access) = action.split_once(':')?;
        let known = self.0.iter().find(|operation| operation.group == group)?;
        ["read", "write"].contains(&access).then_some(&known.group)
    }

    /// Whether whoever may do `held` may do all of `wanted`.
    ///
    /// A whole group is more than all of its operations of today: one that is added tomorrow belongs to it.
    pub fn covers(&self, held: &Actions, wanted: &Actions) -> bool {
        let (Some(held), wanted) = (&held.0, &wanted.0) else { return true };
        let Some(wanted) = wanted else { return false };
        wanted.iter().all(|action| {
            let group = self.operation(action).map(Operation::action);
            held.iter().any(|has| has == action || Some(has) == group.as_ref())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(id: &str, group: &str, reads: bool) -> Operation {
        Operation { id: id.to_owned(), group: group.to_owned(), reads }
    }

    fn catalogue() -> Catalogue {
        Catalogue::new(vec![
            operation("listUsers", "users", true),
            operation("getUser", "users", true),
            operation("createUser", "users", false),
            operation("createActorToken", "actor-tokens", false),
        ])
    }

    fn only(names: &[&str]) -> Actions {
        Actions::only(names.iter().map(|name| (*name).to_owned()))
    }

    #[test]
    fn an_action_is_an_operation_or_a_group() {
        let all = catalogue();
        for known in ["listUsers", "users:read", "users:write", "actor-tokens:write", "actor-tokens:read"] {
            assert!(all.group_of(known).is_some(), "{known}");
        }
        for unknown in
            ["", ":", "users", "users:", "users:delete", "Users:read", "nobody:read", "listusers", "*", "users:*"]
        {
            assert!(all.group_of(unknown).is_none(), "{unknown}");
        }
    }

    #[test]
    fn a_key_may_do_what_it_names() {
        let (list, create) = (operation("listUsers", "users", true), operation("createUser", "users", false));
        for (held, may_list, may_create) in [
            (Actions::ALL, true, true),
            (only(&["users:read"]), true, false),
            (only(&["users:write"]), false, true),
            (only(&["createUser"]), false, true),
            (only(&["getUser", "actor-tokens:write"]), false, false),
            (only(&[]), false, false),
        ] {
            assert_eq!((held.allow(&list), held.allow(&create)), (may_list, may_create), "{held:?}");
        }
    }

    #[test]
    fn nobody_gives_more_than_there_is_to_give() {
        let all = catalogue();
        let (read, both) = (only(&["users:read"]), only(&["users:read", "users:write"]));
        for (held, wanted, may) in [
            (&Actions::ALL, &Actions::ALL, true),
            (&Actions::ALL, &both, true),
            (&both, &Actions::ALL, false),
            (&both, &read, true),
            (&read, &both, false),
            (&read, &only(&["getUser", "listUsers"]), true),
            (&read, &only(&["createUser"]), false),
            (&only(&["listUsers", "getUser"]), &read, false),
            (&read, &only(&["noSuchOperation"]), false),
            (&only(&["gone"]), &only(&["gone"]), true),
            (&only(&[]), &only(&[]), true),
        ] {
            assert_eq!(all.covers(held, wanted), may, "{held:?} {wanted:?}");
        }
    }
}
