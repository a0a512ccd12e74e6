use std::time::Duration;

use serde_json::{Value, json};
use vaultyard_target_kubernetes::kind::POD;
use vaultyard_target_kubernetes::pods::waits;

use crate::place::{Place, in_a_place, within};

/// An image that no registry has.
const NO_IMAGE: &str = "10.99.0.1:5000/no-such-image:1";

/// Waits until the pod's words are these.
async fn comes_to_say(place: &Place, name: &str, expected: &str) {
    let object = place.object(POD, name);
    let look = async {
        loop {
            let pod = place.api.get(&object).await.unwrap().unwrap();
            let events = place.api.events_about(&object).await.unwrap();
            let words = waits(&pod, &events).map(|why| why.to_string()).unwrap_or_default();
            if words.contains(expected) {
                return;
            }
            println!("{name} {words}");
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    };
    within(Duration::from_secs(40), look).await;
}

async fn pod(place: &Place, name: &str, mut spec: Value) {
    let container = json!({"name": "server", "image": NO_IMAGE});
    if spec["containers"].is_null() {
        spec["containers"] = json!([container]);
    }
    spec["terminationGracePeriodSeconds"] = 0.into();
    place.put(&place.object(POD, name), json!({"spec": spec})).await;
}

#[tokio::test]
async fn pods_say_what_they_wait_for() {
    in_a_place(async |place| {
        pod(&place, "image", json!({})).await;
        pod(&place, "zone", json!({"nodeSelector": {"topology.kubernetes.io/zone": "no-such"}}))
            .await;
        let large = json!({"requests": {"memory": "900Gi"}});
        let container = json!({"name": "server", "image": NO_IMAGE, "resources": large});
        pod(&place, "large", json!({"containers": [container]})).await;
        let mounts = json!([{"name": "certificates", "mountPath": "/c"}]);
        let container = json!({"name": "server", "image": NO_IMAGE, "volumeMounts": mounts});
        let volume =
            json!({"name": "certificates", "secret": {"secretName": "vault-server-certificates"}});
        pod(&place, "secret", json!({"containers": [container], "volumes": [volume]})).await;
        let mounts = json!([{"name": "data", "mountPath": "/d"}]);
        let container = json!({"name": "server", "image": NO_IMAGE, "volumeMounts": mounts});
        let volume = json!({"name": "data", "persistentVolumeClaim": {"claimName": "no-such"}});
        pod(&place, "claim", json!({"containers": [container], "volumes": [volume]})).await;

        comes_to_say(&place, "image", &format!("the image {NO_IMAGE} cannot be pulled: ")).await;
        comes_to_say(&place, "zone", "no node takes it (3 outside the zones").await;
        comes_to_say(&place, "large", "no node takes it (3 too little memory)").await;
        comes_to_say(&place, "secret", "waits for the Secret vault-server-certificates").await;
        comes_to_say(&place, "claim", "its claim has no volume: ").await;
    })
    .await;
}
