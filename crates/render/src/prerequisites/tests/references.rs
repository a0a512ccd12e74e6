//! What Terraform is given is of its language, and names nothing that it does not declare. What the
//! provider makes of it only Google can show.

use std::collections::BTreeSet;

use hcl_edit::expr::{Expression, Traversal, TraversalOperator};
use hcl_edit::structure::{Block, Body};
use hcl_edit::visit::{Visit, visit_traversal};

use super::{matrix, terraform};

/// What a file refers to, as `var.region`, `google_kms_key_ring.keys` and `data.google_project.gke`.
#[derive(Default)]
struct References(BTreeSet<String>);

impl Visit for References {
    fn visit_traversal(&mut self, traversal: &Traversal) {
        if let Expression::Variable(root) = &traversal.expr {
            let names = traversal.operators.iter().map_while(|operator| match operator.value() {
                TraversalOperator::GetAttr(name) => Some(name.as_str()),
                _ => None,
            });
            let parts = if root.as_str() == "data" { 3 } else { 2 };
            let path: Vec<_> = [root.as_str()].into_iter().chain(names).take(parts).collect();
            self.0.insert(path.join("."));
        }
        visit_traversal(self, traversal);
    }
}

fn declared(block: &Block) -> Vec<String> {
    let labels: Vec<_> = block.labels.iter().map(|label| label.as_str()).collect();
    let labels = labels.join(".");
    match block.ident.as_str() {
        "resource" => vec![labels],
        "variable" => vec![format!("var.{labels}")],
        "locals" => {
            block.body.attributes().map(|local| format!("local.{}", local.key.as_str())).collect()
        }
        kind => vec![format!("{kind}.{labels}")],
    }
}

/// What is declared twice, what is meant and not declared, and what is declared that only others could
/// mean and nobody does.
fn mistakes(text: &str) -> Vec<String> {
    let body: Body = text.parse().unwrap_or_else(|error| panic!("{error}\n{text}"));
    let mut references = References::default();
    references.visit_body(&body);
    let mut there = BTreeSet::new();
    let mut found = Vec::new();
    for name in body.blocks().flat_map(declared) {
        let meant = references.0.contains(&name);
        if !meant && ["var.", "local.", "data."].iter().any(|kind| name.starts_with(kind)) {
            found.push(format!("{name} is not used"));
        }
        if !there.insert(name.clone()) {
            found.push(format!("{name} is declared twice"));
        }
    }
    found.extend(references.0.difference(&there).map(|name| format!("{name} is not declared")));
    found
}

#[test]
fn what_terraform_is_given_names_what_it_declares() {
    for (name, cluster) in matrix() {
        assert_eq!(mistakes(&terraform(&cluster)), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn mistakes_would_be_found() {
    let text = "variable \"a\" {}\nvariable \"a\" {}\nlocals { b = \"x/${var.c}\" }\n\
                resource \"d\" \"e\" { f = data.g.h.id }\n";
    let all = [
        "var.a is not used",
        "var.a is not used",
        "var.a is declared twice",
        "local.b is not used",
        "data.g.h is not declared",
        "var.c is not declared",
    ];
    assert_eq!(mistakes(text), all);
}
