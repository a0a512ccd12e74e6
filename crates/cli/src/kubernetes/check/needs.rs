//! Which rights a person's `up` takes. Pure.

use serde_json::Value;
use vaultyard_render::kubernetes::{Names, Object};
use vaultyard_target_kubernetes::Reference;
use vaultyard_target_kubernetes::access_review::Act;
use vaultyard_target_kubernetes::kind::{EVENT, POD, VAULT_CLUSTER};

use super::facts::{Seen, Standing};

/// To apply what is installed, and to follow what becomes of it.
pub(super) fn of_up<'a>(installed: impl Iterator<Item = &'a Seen>, names: &Names) -> Vec<Act> {
    let apply = |seen: &Seen| {
        let Seen { reference, standing } = seen;
        let create = matches!(standing, Standing::Absent | Standing::Hidden);
        let verbs: &[&str] = if create { &["get", "patch", "create"] } else { &["get", "patch"] };
        let act =
            |verb: &&str| Act::on(verb, reference.kind(), namespace(reference), name(reference));
        verbs.iter().map(act).collect::<Vec<_>>()
    };
    let own = (Some(names.namespace()), Some(names.cluster()));
    let follow = ["list", "watch"].map(|verb| Act::on(verb, VAULT_CLUSTER, own.0, own.1));
    let look = [names.namespace(), names.operations()]
        .into_iter()
        .flat_map(|place| [POD, EVENT].map(|kind| Act::on("list", kind, Some(place), None)));
    installed.flat_map(apply).chain(follow).chain(look).collect()
}

/// To delete what the document does not ask for any more, where it stands and is ours.
pub(super) fn to_retire<'a>(unwanted: impl Iterator<Item = &'a Seen>) -> Vec<Act> {
    let ours = unwanted.filter(|seen| seen.standing == Standing::Ours);
    let references = ours.map(|seen| &seen.reference);
    let act = |it: &Reference| Act::on("delete", it.kind(), namespace(it), name(it));
    references.map(act).collect()
}

fn namespace(reference: &Reference) -> Option<&str> {
    reference.namespace()
}

fn name(reference: &Reference) -> Option<&str> {
    Some(reference.name())
}

/// Nobody hands on rights that he has not, unless he may do just that.
pub(super) struct HandingOn {
    /// What lets him.
    pub(super) licence: Vec<Act>,
    /// What is handed on.
    pub(super) rights: Vec<Act>,
}

/// What it takes to write this Role; `None` when it is no Role.
pub(super) fn to_hand_on(object: &Object) -> Option<HandingOn> {
    let plural = match object.kind.as_str() {
        "Role" => "roles",
        "ClusterRole" => "clusterroles",
        _ => return None,
    };
    let licence = ["escalate", "bind"].map(|verb| Act {
        verb: verb.to_owned(),
        group: "rbac.authorization.k8s.io".to_owned(),
        resource: plural.to_owned(),
        namespace: object.namespace.clone(),
        name: Some(object.name.clone()),
    });
    let texts = |list: &Value| -> Vec<String> {
        let list = list.as_array().into_iter().flatten();
        list.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let mut rights = Vec::new();
    for rule in object.body["rules"].as_array().into_iter().flatten() {
        for group in texts(&rule["apiGroups"]) {
            for resource in texts(&rule["resources"]) {
                rights.extend(texts(&rule["verbs"]).into_iter().map(|verb| Act {
                    verb,
                    group: group.clone(),
                    resource: resource.clone(),
                    namespace: object.namespace.clone(),
                    name: None,
                }));
            }
        }
    }
    rights.sort();
    rights.dedup();
    Some(HandingOn { licence: licence.into(), rights })
}

#[cfg(test)]
mod tests {
    use vaultyard_render::kubernetes::{Release, installation};
    use vaultyard_target_kubernetes::kind::Kind;

    use super::*;
    use crate::document;

    fn installed() -> (Names, Vec<Object>) {
        let document = document::built_in(vaultyard_manifest::Target::Kubernetes);
        let Ok(document) = document else { panic!("the built-in document is refused") };
        let release = Release { vaultyard: String::new(), server: String::new() };
        let all = installation(&document.cluster, &release, &Value::Null, &Value::Null);
        let known = all.into_iter().filter(|object| Reference::try_from(object).is_ok());
        (Names::of(&document.cluster), known.collect())
    }

    #[test]
    fn what_stands_need_not_be_created() {
        let (names, all) = installed();
        let verbs = |standing: Standing| {
            let seen = all.iter().map(|object| Seen {
                reference: Reference::try_from(object).unwrap(),
                standing: standing.clone(),
            });
            let seen: Vec<_> = seen.collect();
            let acts = of_up(seen.iter(), &names).into_iter();
            acts.filter(|act| act.resource == "namespaces").map(|act| act.verb).collect::<Vec<_>>()
        };
        assert_eq!(verbs(Standing::Ours), ["get", "patch", "get", "patch"]);
        assert_eq!(verbs(Standing::Absent).iter().filter(|verb| *verb == "create").count(), 2);
    }

    #[test]
    fn only_what_is_ours_is_to_be_deleted() {
        let ingress = Kind::find("networking.k8s.io/v1", "Ingress").unwrap();
        let seen = |name, standing| Seen {
            reference: Reference::within(ingress, "vault", name),
            standing,
        };
        let all = [
            seen("vault", Standing::Ours),
            seen("a", Standing::Foreign("Helm".to_owned())),
            seen("b", Standing::Absent),
        ];
        let expected = Act::on("delete", ingress, Some("vault"), Some("vault"));
        assert_eq!(to_retire(all.iter()), [expected]);
    }

    #[test]
    fn a_role_takes_a_licence_or_what_it_gives() {
        let (names, all) = installed();
        let role = |object: &&Object| object.kind == "Role" && object.name == names.unsealer();
        let handing = to_hand_on(all.iter().find(role).unwrap()).unwrap();
        assert_eq!(handing.licence.len(), 2);
        let of_keys = handing.rights.iter().filter(|act| act.resource == "secrets");
        let verbs: Vec<_> = of_keys.map(|act| act.verb.as_str()).collect();
        assert_eq!(verbs, ["create", "delete", "get", "patch"], "each once");
        let namespace = all.iter().find(|object| object.kind == "Namespace").unwrap();
        assert!(to_hand_on(namespace).is_none());
    }
}
