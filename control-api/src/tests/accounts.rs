//! Registering, logging in, refreshing, the own account, on each database.

use serde_json::json;

use super::errors::assert_problem;
use super::*;

pub(super) const PASSWORD: &str = "saltwater 42";

/// Somebody who is logged in.
pub(super) struct Member {
    pub(super) id: String,
    pub(super) access: String,
    pub(super) refresh: String,
}

impl Server {
    /// A request of somebody without a token, with a JSON body.
    pub(super) async fn json(&self, method: &str, path: &str, body: &Value) -> Answer {
        let request = request(method, path)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body.to_string()));
        self.send(request.expect("request")).await
    }

    /// A request of somebody with an access token, with a body where there is one.
    pub(super) async fn as_user(
        &self,
        access: &str,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> Answer {
        let mut request =
            request(method, path).header(header::AUTHORIZATION, format!("Bearer {access}"));
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let body = body.map_or(Body::empty(), |body| Body::from(body.to_string()));
        self.send(request.body(body).expect("request")).await
    }

    pub(super) async fn register(&self, name: &str) -> String {
        let email = format!("{name}@example.org");
        let body = json!({ "name": name, "email": email, "password": PASSWORD });
        let answer = self.json("POST", "/api/v1/users", &body).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        text(&answer.json()["id"])
    }

    pub(super) async fn log_in(&self, login: &str, password: &str) -> Answer {
        let body = json!({ "login": login, "password": password });
        self.json("POST", "/api/v1/session", &body).await
    }

    /// A new user who is logged in.
    pub(super) async fn member(&self, name: &str) -> Member {
        let id = self.register(name).await;
        let answer = self.log_in(name, PASSWORD).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        let tokens = answer.json();
        Member {
            id,
            access: text(&tokens["access_token"]),
            refresh: text(&tokens["refresh_token"]),
        }
    }

    pub(super) async fn refresh(&self, token: &str) -> Answer {
        let body = json!({ "refresh_token": token });
        self.json("POST", "/api/v1/session/refresh", &body).await
    }
}

scratch::on_each_database! {
    async fn somebody_registers_logs_in_and_sees_the_own_account(scratch) {
        let server = Server::open(scratch, |_| {}).await;
        let body = json!({ "name": "Mona", "email": "mona@Example.org", "password": PASSWORD });
        let answer = server.json("POST", "/api/v1/users", &body).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        let account = answer.json();
        let id = text(&account["id"]);
        assert_eq!(answer.header(header::LOCATION), format!("/api/v1/users/{id}"));
        assert_eq!(
            account,
            json!({
                "id": id, "name": "Mona", "email": "mona@Example.org", "role": "viewer",
                "disabled": false, "display_name": "", "bio": "",
                "created_at": account["created_at"],
            })
        );
        for login in ["Mona", "mONA", "MONA@example.org"] {
            let answer = server.log_in(login, PASSWORD).await;
            assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
            assert!(!answer.headers.contains_key(header::SET_COOKIE));
            let tokens = answer.json();
            assert_eq!((&tokens["token_type"], &tokens["expires_in"]), (&json!("Bearer"), &json!(900)));
            let access = text(&tokens["access_token"]);
            let me = server.as_user(&access, "GET", "/api/v1/me", None).await;
            assert_eq!(me.json(), account);
        }
    }

    async fn every_faulty_field_is_named_at_once(scratch) {
        let server = Server::open(scratch, |_| {}).await;
        for (body, fields) in [
            (json!({}), vec!["name", "email", "password"]),
            (
                json!({ "name": "a b", "email": "nobody", "password": "short" }),
                vec!["name", "email", "password"],
            ),
            (
                json!({ "name": "mona", "email": "a@b.example", "password": "lettersonly" }),
                vec!["password"],
            ),
        ] {
            let answer = server.json("POST", "/api/v1/users", &body).await;
            let problem = assert_problem(&answer, 422, "invalid_fields");
            let errors = problem["errors"].as_array().expect("errors");
            let named: Vec<String> = errors.iter().map(|error| text(&error["field"])).collect();
            assert_eq!(named, fields, "{problem}");
            assert!(!answer.text.contains("lettersonly"), "{problem}");
        }
        let odd = json!({ "name": "mona", "is_admin": true });
        let answer = server.json("POST", "/api/v1/users", &odd).await;
        assert_problem(&answer, 400, "invalid_request");
        let answer = server.json("POST", "/api/v1/session", &json!({})).await;
        assert_problem(&answer, 422, "invalid_fields");
    }

    async fn a_name_and_an_address_are_taken_whatever_their_case(scratch) {
        let server = Server::open(scratch, |_| {}).await;
        server.register("mona").await;
        for (name, email, fields) in [
            ("MONA", "new@example.org", vec!["name"]),
            ("new", "Mona@Example.org", vec!["email"]),
            ("Mona", "MONA@example.org", vec!["name", "email"]),
        ] {
            let body = json!({ "name": name, "email": email, "password": PASSWORD });
            let answer = server.json("POST", "/api/v1/users", &body).await;
            let problem = assert_problem(&answer, 409, "taken");
            let errors = problem["errors"].as_array().expect("errors");
            let named: Vec<String> = errors.iter().map(|error| text(&error["field"])).collect();
            assert_eq!(named, fields);
        }
    }

    async fn an_unknown_user_and_a_wrong_password_are_answered_alike(scratch) {
        let server = Server::open(scratch, |_| {}).await;
        server.register("mona").await;
        let mut answers = Vec::new();
        for (login, password) in [
            ("mona", "wrong password 1"),
            ("nobody", PASSWORD),
            ("no name at all", PASSWORD),
            ("mona", ""),
        ] {
            let answer = server.log_in(login, password).await;
            assert_problem(&answer, 401, "wrong_credentials");
            answers.push(answer.text);
        }
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    }

    async fn registration_keeps_to_its_setting(scratch) {
        let scratch = Arc::new(scratch);
        let body = |name: &str, invitation: Option<&str>| {
            let email = format!("{name}@example.org");
            let mut body = json!({ "name": name, "email": email, "password": PASSWORD });
            if let Some(code) = invitation {
                body["invitation"] = json!(code);
            }
            body
        };
        let closed = Server::open(scratch.clone(), |it| it.registration = Registration::Closed).await;
        let answer = closed.json("POST", "/api/v1/users", &body("ada", None)).await;
        assert_problem(&answer, 403, "registration_closed");
        let made = closed.admin_json("POST", "/api/v1/users", body("ada", None).to_string()).await;
        assert_eq!(made.status, StatusCode::CREATED, "{made:?}");

        let server = Server::open(scratch, |it| it.registration = Registration::Invitation).await;
        let answer = server.json("POST", "/api/v1/users", &body("bea", None)).await;
        assert_problem(&answer, 403, "invitation_required");
        let invited = server.admin_json("POST", "/api/v1/invitations", r#"{"role": "streamer"}"#);
        let invited = invited.await;
        assert_eq!(invited.status, StatusCode::CREATED, "{invited:?}");
        let code = text(&invited.json()["code"]);
        for wrong in ["", "guess", "mri_guess", &format!("{code}x")] {
            let answer = server.json("POST", "/api/v1/users", &body("bea", Some(wrong))).await;
            assert_problem(&answer, 403, "invitation_invalid");
        }
        // Who has an account is told to nobody who has no invitation.
        let guess = "mri_aaaabbbbccccddddeeeeffffgggghhhh";
        let answer = server.json("POST", "/api/v1/users", &body("ada", Some(guess))).await;
        assert_problem(&answer, 403, "invitation_invalid");
        let answer = server.json("POST", "/api/v1/users", &body("ada", Some(&code))).await;
        assert_problem(&answer, 409, "taken");
        let used = server.json("POST", "/api/v1/users", &body("bea", Some(&code))).await;
        assert_eq!(used.json()["role"], "streamer");
        let again = server.json("POST", "/api/v1/users", &body("cleo", Some(&code))).await;
        assert_problem(&again, 403, "invitation_invalid");
    }

    async fn refresh_tokens_rotate_and_a_stolen_one_ends_the_session(scratch) {
        let server = Server::open(scratch, |_| {}).await;
        let mona = server.member("mona").await;
        let answer = server.refresh(&mona.refresh).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        let next = answer.json();
        let second = text(&next["refresh_token"]);
        assert_ne!(second, mona.refresh);
        let me = server.as_user(&text(&next["access_token"]), "GET", "/api/v1/me", None).await;
        assert_eq!(me.json()["id"], json!(mona.id));
        for token in [&mona.refresh, &second, "mrr_guess", ""] {
            let answer = server.refresh(token).await;
            assert_problem(&answer, 401, "refresh_refused");
        }
        let answer = server.stranger("POST", "/api/v1/session/refresh").await;
        assert_problem(&answer, 401, "refresh_refused");
    }

    async fn who_logs_out_cannot_refresh(scratch) {
        let server = Server::open(scratch, |_| {}).await;
        let mona = server.member("mona").await;
        let answer = server.as_user(&mona.access, "DELETE", "/api/v1/session", None).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{answer:?}");
        assert_problem(&server.refresh(&mona.refresh).await, 401, "refresh_refused");
        // By the refresh token alone, as where the access token has expired.
        let tokens = server.log_in("mona", PASSWORD).await.json();
        let refresh = text(&tokens["refresh_token"]);
        let body = json!({ "refresh_token": refresh });
        let answer = server.json("DELETE", "/api/v1/session", &body).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT);
        assert_problem(&server.refresh(&refresh).await, 401, "refresh_refused");
        let answer = server.stranger("DELETE", "/api/v1/session").await;
        assert_problem(&answer, 401, "unauthorized");
        let answer = server.admin("DELETE", "/api/v1/session").await;
        assert_problem(&answer, 403, "no_account");
    }

    async fn the_own_profile_is_changed_and_the_role_is_not(scratch) {
        let server = Server::open(scratch, |_| {}).await;
        server.register("kurt").await;
        let mona = server.member("mona").await;
        let change = |body| server.as_user(&mona.access, "PATCH", "/api/v1/me", Some(body));
        let body = json!({ "display_name": "Möna <b>", "bio": "two\nlines", "email": "m@example.net" });
        let answer = change(body).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        let me = answer.json();
        assert_eq!(me["display_name"], "Möna <b>");
        assert_eq!((&me["bio"], &me["email"]), (&json!("two\nlines"), &json!("m@example.net")));
        assert_eq!(change(json!({})).await.json(), me);
        let answer = change(json!({ "email": "KURT@example.org" })).await;
        assert_problem(&answer, 409, "taken");
        let answer = change(json!({ "email": "x", "display_name": "a\nb", "bio": "\u{7}" })).await;
        let problem = assert_problem(&answer, 422, "invalid_fields");
        assert_eq!(problem["errors"].as_array().map(Vec::len), Some(3));
        for body in [json!({ "role": "admin" }), json!({ "bio": null }), json!({ "name": "new" })] {
            assert_problem(&change(body).await, 400, "invalid_request");
        }
        for (method, path) in [("GET", "/api/v1/me"), ("PATCH", "/api/v1/me"), ("PUT", "/api/v1/me/password")] {
            assert_problem(&server.stranger(method, path).await, 401, "unauthorized");
            assert_problem(&server.admin(method, path).await, 403, "no_account");
        }
    }

    async fn a_new_password_ends_all_sessions(scratch) {
        let server = Server::open(scratch, |_| {}).await;
        let mona = server.member("mona").await;
        let change = |current: &str, new: &str| {
            let body = json!({ "current_password": current, "new_password": new });
            server.as_user(&mona.access, "PUT", "/api/v1/me/password", Some(body))
        };
        let answer = change("wrong one 1", "another good 1").await;
        let problem = assert_problem(&answer, 422, "invalid_fields");
        assert_eq!(problem["errors"][0]["field"], "current_password");
        let answer = change(PASSWORD, "bad").await;
        let problem = assert_problem(&answer, 422, "invalid_fields");
        assert_eq!(problem["errors"][0]["field"], "new_password");
        assert_eq!(change(PASSWORD, "another good 1").await.status, StatusCode::NO_CONTENT);
        assert_problem(&server.refresh(&mona.refresh).await, 401, "refresh_refused");
        assert_problem(&server.log_in("mona", PASSWORD).await, 401, "wrong_credentials");
        assert_eq!(server.log_in("mona", "another good 1").await.status, StatusCode::OK);
    }
}
