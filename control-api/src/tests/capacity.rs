//! What the machine can encode, and why a stream's publisher was refused.

use serde_json::json;

use super::*;

scratch::on_each_database! {
    async fn admins_see_what_the_machine_can_encode_and_what_is_left_out(scratch) {
        let server = Server::on(scratch).await;
        let capacity = server.admin("GET", "/api/v1/capacity").await;
        assert_eq!(capacity.status, StatusCode::OK);
        assert_eq!(capacity.json(), json!({
            "cores": 8,
            "megapixels_per_core_s": 92.4,
            "needed_cores": null,
            "cores_max": 7.6,
            "admission": "refuse",
            "shed": "top_rung",
        }));
    }

    async fn an_owner_sees_why_and_when_a_publisher_was_refused(scratch) {
        let server = Server::on(scratch).await;
        let mona = server.new_streamer("mona").await;
        let id = server.stream_of(&mona, json!({ "title": "Harbour" })).await;
        let path = format!("/api/v1/streams/{id}");
        let ask = || async { server.as_user(&mona.access, "GET", &path, None).await.json() };
        assert_eq!(ask().await["last_refusal"], Value::Null);
        let refusal = LastRefusal {
            reason: "overloaded",
            detail: "too small".into(),
            at: SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600),
        };
        let stream = StreamId::new(&id).expect("id");
        server.broadcasts.refused.lock().expect("lock").insert(stream, refusal);
        assert_eq!(ask().await["last_refusal"], json!({
            "reason": "overloaded",
            "detail": "too small",
            "at": "2026-01-01T00:00:00.000Z",
        }));
    }
}
