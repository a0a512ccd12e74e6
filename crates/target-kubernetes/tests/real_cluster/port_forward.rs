//! Connections to pods, through the API server.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use vaultyard_target_kubernetes::error::Refused;
use vaultyard_target_kubernetes::kind::POD;
use vaultyard_target_kubernetes::{Reason, Reference};

use crate::place::{Place, in_a_place, within};

const PORT: u16 = 8200;

/// A pod that answers HTTP on [`PORT`].
async fn answering(place: &Place) -> Reference {
    let image = std::env::var("VAULTYARD_SERVER_IMAGE");
    let image = image.expect("needs VAULTYARD_SERVER_IMAGE: `cargo xtask cluster images` names it");
    let pod = place.object(POD, "answers");
    let listen = format!("-dev-listen-address=0.0.0.0:{PORT}");
    let container = json!({
        "name": "server", "image": image,
        "command": ["bao", "server", "-dev", "-dev-no-store-token", listen],
        "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1},
    });
    let spec = json!({"containers": [container], "terminationGracePeriodSeconds": 0});
    place.put(&pod, json!({"spec": spec})).await;
    let ready = async {
        loop {
            let now = place.api.get(&pod).await.unwrap().unwrap();
            if now["status"]["containerStatuses"][0]["ready"] == true {
                return;
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    };
    within(Duration::from_secs(60), ready).await;
    pod
}

#[tokio::test]
async fn a_pod_answers_over_a_connection_through_the_api_server() {
    in_a_place(async |place| {
        let pod = answering(&place).await;
        let mut connection = place.api.connect(&pod, PORT).await.unwrap();
        // Two requests, one after the other, as a client that keeps its connection makes them.
        for end in ["keep-alive", "close"] {
            let request = format!(
                "GET /v1/sys/health HTTP/1.1\r\nHost: localhost\r\nConnection: {end}\r\n\r\n"
            );
            connection.write_all(request.as_bytes()).await.unwrap();
            let mut head = [0; 15];
            let read = within(Duration::from_secs(10), connection.read_exact(&mut head)).await;
            read.unwrap();
            assert_eq!(&head, b"HTTP/1.1 200 OK");
            let mut body = Vec::new();
            while !body.ends_with(b"}\n") {
                body.push(connection.read_u8().await.unwrap());
            }
        }
        let mut rest = Vec::new();
        within(Duration::from_secs(10), connection.read_to_end(&mut rest)).await.unwrap();
        assert_eq!(rest, b"");

        // Where nobody listens, it ends.
        let mut deaf = place.api.connect(&pod, PORT + 99).await.unwrap();
        let read = within(Duration::from_secs(10), deaf.read_to_end(&mut rest)).await;
        assert_eq!(read.unwrap_or_default(), 0);

        let nobody = place.as_account(place.names.namespace(), "nobody").await;
        let error = nobody.connect(&pod, PORT).await.err().unwrap();
        let Reason::Forbidden { refused, .. } = &error.reason else { panic!("{error}") };
        assert_eq!(*refused, Refused::Rights, "{error}");
        let missing = place.api.connect(&place.object(POD, "no-such"), PORT).await.err().unwrap();
        assert_eq!(missing.reason, Reason::NotFound, "{missing}");
    })
    .await;
}
