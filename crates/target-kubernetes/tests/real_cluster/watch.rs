use std::pin::pin;
use std::time::Duration;

use futures_util::StreamExt;
use serde_json::json;
use vaultyard_target_kubernetes::kind::CONFIG_MAP;
use vaultyard_target_kubernetes::watch::watch;

use crate::place::{in_a_place, within};

#[tokio::test]
async fn an_object_is_followed_from_before_it_is_made_until_after_it_is_gone() {
    in_a_place(async |place| {
        let (api, object) = (&place.api, place.object(CONFIG_MAP, "a"));
        let mut seen = pin!(watch(api.clone(), object.clone()));
        let mut next =
            async || within(Duration::from_secs(10), seen.next()).await.unwrap().unwrap();
        assert_eq!(next().await, None);
        place.put(&place.object(CONFIG_MAP, "other"), json!({})).await;
        let made = place.put(&object, json!({"data": {"x": "1"}})).await;
        assert_eq!(next().await.unwrap()["data"], json!({"x": "1"}), "others are not told");
        place.put(&object, json!({"data": {"x": "2"}})).await;
        let changed = next().await.unwrap();
        assert_eq!(changed["data"], json!({"x": "2"}));
        assert_eq!(changed["kind"], "ConfigMap");
        api.delete(&object, made["metadata"]["uid"].as_str().unwrap()).await.unwrap();
        assert_eq!(next().await, None);
    })
    .await;
}

#[tokio::test]
async fn an_object_that_is_there_already_is_told_at_once_and_whole() {
    in_a_place(async |place| {
        let object = place.object(CONFIG_MAP, "a");
        let made = place.put(&object, json!({"data": {"x": "1"}})).await;
        let mut seen = pin!(watch(place.api.clone(), object));
        let first = within(Duration::from_secs(10), seen.next()).await;
        assert_eq!(first.unwrap().unwrap(), Some(made));
    })
    .await;
}
