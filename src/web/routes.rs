//! Every route of the site, each with who may take it: a handler cannot be reached without.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::handler::Handler;
use axum::middleware;
use axum::routing::{MethodRouter, get, post};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::timeout::TimeoutLayer;

use super::access::{self, Access};
use super::app::App;
use super::{api, failure, headers, layout, metrics, pages};
use crate::core::model::TokenScope;

/// A form is a few hundred bytes.
const LARGEST_FORM: usize = 64 * 1024;
/// No use case that a page waits for takes longer, but for a database that is held by somebody.
const SLOWEST: std::time::Duration = std::time::Duration::from_secs(60);

/// One path, how it may be asked for, and by whom.
pub(super) struct Route {
    pub(super) path: &'static str,
    pub(super) access: Access,
    handlers: MethodRouter<App>,
    body: usize,
}

impl Route {
    /// A page that is looked at.
    pub(super) fn page<H, T>(path: &'static str, access: Access, handler: H) -> Self
    where
        H: Handler<T, App>,
        T: 'static,
    {
        Self {
            path,
            access,
            handlers: get(handler),
            body: 0,
        }
    }

    /// Something that is done.
    pub(super) fn action<H, T>(path: &'static str, access: Access, handler: H) -> Self
    where
        H: Handler<T, App>,
        T: 'static,
    {
        Self {
            path,
            access,
            handlers: post(handler),
            body: LARGEST_FORM,
        }
    }

    /// The same, with a body of at most so many bytes.
    pub(super) fn of_at_most(self, body: usize) -> Self {
        Self { body, ..self }
    }

    /// The same path, posted to.
    pub(super) fn and_action<H, T>(self, handler: H) -> Self
    where
        H: Handler<T, App>,
        T: 'static,
    {
        Self {
            handlers: self.handlers.post(handler),
            body: LARGEST_FORM,
            ..self
        }
    }
}

/// The table.
pub(super) fn all() -> Vec<Route> {
    let mut routes = vec![
        Route::page("/static/{file}", Access::Public, layout::static_file),
        Route::page("/healthz", Access::Public, pages::health::alive),
        Route::page("/readyz", Access::Public, pages::health::ready),
        Route::page("/metrics", Access::Api(TokenScope::Read), metrics::show),
    ];
    routes.extend(pages::routes());
    routes.extend(api::routes());
    routes
}

/// The site.
pub(super) fn router(app: App) -> Router {
    let mut router = Router::new();
    for route in all() {
        let guard = middleware::from_fn_with_state((app.clone(), route.access), access::check);
        let handlers = route
            .handlers
            .route_layer(guard)
            .layer(RequestBodyLimitLayer::new(route.body));
        router = router.route(route.path, handlers);
    }
    router
        .layer(middleware::from_fn(api::only_if_changed))
        // Each route has a limit of its own.
        .layer(DefaultBodyLimit::disable())
        .layer(middleware::from_fn_with_state(app.clone(), access::is_ours))
        .layer(TimeoutLayer::with_status_code(
            axum::http::StatusCode::SERVICE_UNAVAILABLE,
            SLOWEST,
        ))
        .layer(CatchPanicLayer::new())
        .layer(middleware::from_fn(failure::show))
        .layer(middleware::from_fn_with_state(app.clone(), headers::set))
        .with_state(app)
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use axum::body::Body;
    use axum::http::{Method, Request, StatusCode};
    use axum::response::Response;
    use tower::ServiceExt as _;

    use super::*;
    use crate::core::model::TokenScopes;
    use crate::ops::{self, Context, LogIn};
    use crate::store::AccountRights;
    use crate::web::origin::Origin;

    struct Site {
        context: Context,
        router: Router,
        cookie: String,
        /// Of somebody who was staff when they logged in.
        outsider: String,
        _folder: tempfile::TempDir,
    }

    const PASSWORD: &str = "a long enough password";

    /// A site with a superuser, somebody who is none, and somebody who is not staff any more; the cookie is of the second.
    fn site() -> Site {
        let folder = tempfile::tempdir().unwrap();
        let path = camino::Utf8PathBuf::from_path_buf(folder.path().join("p.db")).unwrap();
        let context = Context::create(&path).unwrap();
        for (name, is_superuser) in [("root", true), ("bob", false)] {
            ops::create_account(&context, &name.parse().unwrap(), PASSWORD, is_superuser).unwrap();
        }
        let LogIn::Welcome(_, secret) = ops::log_in(&context, "bob", PASSWORD, "::1").unwrap()
        else {
            panic!("refused");
        };
        let context = context.acting_as("root".to_owned());
        let eve = ops::create_account(&context, &"eve".parse().unwrap(), PASSWORD, true).unwrap();
        let LogIn::Welcome(_, outsider) = ops::log_in(&context, "eve", PASSWORD, "::1").unwrap()
        else {
            panic!("refused");
        };
        let none = AccountRights {
            is_active: true,
            is_staff: false,
            is_superuser: false,
        };
        ops::set_rights(&context, "root", eve, none).unwrap();
        let address: SocketAddr = "127.0.0.1:8000".parse().unwrap();
        let origin = Origin::of_listener(address, false);
        Site {
            router: router(App::new(
                context.acting_as("root".to_owned()),
                origin,
                Vec::new(),
                chrono_tz::Tz::UTC,
            )),
            cookie: format!("pobsync={secret}"),
            outsider: format!("pobsync={outsider}"),
            context,
            _folder: folder,
        }
    }

    impl Site {
        /// What a program with a token of these scopes sends.
        fn token(&self, scopes: &[TokenScope]) -> String {
            let scopes = TokenScopes::new(scopes.iter().copied()).unwrap();
            let name = "ci".parse().unwrap();
            let made = ops::create_token(&self.context, "root", &name, &scopes, None);
            format!("Bearer {}", made.unwrap().1)
        }

        async fn ask(&self, method: &Method, path: &str, headers: &[(&str, &str)]) -> Response {
            let mut request = Request::builder().method(method).uri(path);
            if !headers.iter().any(|(name, _)| *name == "host") {
                request = request.header("host", "localhost:8000");
            }
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let request = request.body(Body::empty()).unwrap();
            self.router.clone().oneshot(request).await.unwrap()
        }
    }

    fn concrete(route: &Route) -> String {
        let parts = route.path.split('/');
        let filled = parts.map(|part| if part.starts_with('{') { "1" } else { part });
        filled.collect::<Vec<_>>().join("/")
    }

    fn block_on<T>(work: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.unwrap().block_on(work)
    }

    #[test]
    fn without_a_session_no_route_but_the_public_ones_answers() {
        let site = site();
        block_on(async {
            for route in all().iter().filter(|route| route.access != Access::Public) {
                let path = concrete(route);
                for method in [Method::GET, Method::POST] {
                    let ours = [("origin", "http://localhost:8000")];
                    let status = site.ask(&method, &path, &ours).await.status();
                    let is_refused = matches!(
                        status,
                        StatusCode::UNAUTHORIZED
                            | StatusCode::SEE_OTHER
                            | StatusCode::METHOD_NOT_ALLOWED
                            | StatusCode::FORBIDDEN
                    );
                    assert!(is_refused, "{method} {path}: {status}");
                }
            }
        });
    }

    #[test]
    fn an_account_that_is_not_staff_is_refused_everywhere_and_may_log_out() {
        let site = site();
        let of_eve = ops::create_token(
            &site.context,
            "eve",
            &"old".parse().unwrap(),
            &TokenScopes::new(TokenScope::ALL.iter().copied()).unwrap(),
            None,
        );
        let of_eve = format!("Bearer {}", of_eve.unwrap().1);
        block_on(async {
            let mut refused = 0;
            for route in all().iter().filter(|route| route.access != Access::Public) {
                let path = concrete(route);
                for method in [Method::GET, Method::HEAD, Method::POST] {
                    let mut asked = vec![vec![
                        ("origin", "http://localhost:8000"),
                        ("cookie", site.outsider.as_str()),
                    ]];
                    if matches!(route.access, Access::Api(_)) {
                        asked.push(vec![("authorization", of_eve.as_str())]);
                    }
                    for headers in asked {
                        let status = site.ask(&method, &path, &headers).await.status();
                        if status == StatusCode::METHOD_NOT_ALLOWED {
                            continue;
                        }
                        if route.access == Access::Account {
                            // It gets as far as the form, which this request has not.
                            assert_ne!(status, StatusCode::FORBIDDEN, "{method} {path}");
                            continue;
                        }
                        assert_eq!(status, StatusCode::FORBIDDEN, "{method} {path}");
                        refused += 1;
                    }
                }
            }
            assert!(refused > 60, "{refused}");
            let headers = [("cookie", site.outsider.as_str())];
            let page = site.ask(&Method::GET, "/", &headers).await;
            let body = axum::body::to_bytes(page.into_body(), 100_000).await;
            let text = String::from_utf8(body.unwrap().to_vec()).unwrap();
            assert!(text.contains("not staff") && text.contains("action=\"/logout/\""));
            assert!(!text.contains("Dashboard"), "{text}");
        });
    }

    #[test]
    fn a_token_opens_what_its_scope_is_about_and_nothing_else() {
        let site = site();
        let tokens = TokenScope::ALL
            .iter()
            .map(|scope| (*scope, site.token(&[*scope])));
        let tokens: Vec<(TokenScope, String)> = tokens.collect();
        let everything = site.token(TokenScope::ALL);
        block_on(async {
            let mut seen = 0;
            for route in all() {
                let path = concrete(&route);
                for method in [Method::GET, Method::POST] {
                    for (scope, token) in &tokens {
                        let bearer = [("authorization", token.as_str())];
                        let status = site.ask(&method, &path, &bearer).await.status();
                        let may = match route.access {
                            Access::Public => continue,
                            Access::Api(wanted) => wanted == *scope,
                            Access::Account | Access::Staff | Access::Superuser => false,
                        };
                        let is_refused = matches!(
                            status,
                            StatusCode::FORBIDDEN
                                | StatusCode::UNAUTHORIZED
                                | StatusCode::SEE_OTHER
                        );
                        let is_other_method = status == StatusCode::METHOD_NOT_ALLOWED;
                        assert!(
                            is_other_method || is_refused != may,
                            "{method} {path} with {scope}: {status}"
                        );
                        seen += usize::from(!is_other_method);
                    }
                }
            }
            assert!(seen > 30, "{seen}");
            // What is refused is refused for its scope, and not because the token is unknown.
            for (path, wrong) in [
                ("/api/plan/", "read"),
                ("/api/apply/", "plan"),
                ("/api/", "plan"),
            ] {
                let token = tokens.iter().find(|(scope, _)| scope.as_str() == wrong);
                let bearer = [("authorization", token.unwrap().1.as_str())];
                let method = if path == "/api/" {
                    Method::GET
                } else {
                    Method::POST
                };
                let status = site.ask(&method, path, &bearer).await.status();
                assert_eq!(status, StatusCode::FORBIDDEN, "{path}");
                let bearer = [("authorization", everything.as_str())];
                let status = site.ask(&method, path, &bearer).await.status();
                assert_ne!(status, StatusCode::FORBIDDEN, "{path}");
            }
        });
    }

    #[test]
    fn junk_in_a_query_of_the_api_is_told() {
        let site = site();
        let token = site.token(&[TokenScope::Read]);
        let bearer = [("authorization", token.as_str())];
        block_on(async {
            let mut seen = 0;
            for route in all()
                .iter()
                .filter(|r| r.access == Access::Api(TokenScope::Read) && r.path != "/metrics")
            {
                let path = format!("{}?junk=1", concrete(route));
                let status = site.ask(&Method::GET, &path, &bearer).await.status();
                assert_eq!(status, StatusCode::BAD_REQUEST, "{path}");
                seen += 1;
            }
            assert!(seen > 10);
            for path in [
                "/api/runs/?limit=0",
                "/api/runs/?limit=501",
                "/api/runs/?limit=x",
                "/api/runs/?after=-1",
                "/api/runs/?limit=1&limit=2",
                "/api/runs/?host=a/b",
                "/api/snapshots/?all=maybe",
                "/api/hosts/1/retention/?kind=weekly",
            ] {
                let response = site.ask(&Method::GET, path, &bearer).await;
                assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{path}");
                assert_eq!(
                    response.headers()["content-type"],
                    "application/problem+json"
                );
            }
        });
    }

    #[test]
    fn an_answer_that_has_not_changed_is_not_sent_again() {
        let site = site();
        let token = site.token(&[TokenScope::Read]);
        block_on(async {
            let bearer = [("authorization", token.as_str())];
            let first = site.ask(&Method::GET, "/api/plans/", &bearer).await;
            let tag = first.headers()["etag"].to_str().unwrap().to_owned();
            for method in [Method::GET, Method::HEAD] {
                let again = [
                    ("authorization", token.as_str()),
                    ("if-none-match", tag.as_str()),
                ];
                let second = site.ask(&method, "/api/plans/", &again).await;
                assert_eq!(second.status(), StatusCode::NOT_MODIFIED, "{method}");
                assert_eq!(second.headers()["etag"], tag.as_str());
                let body = axum::body::to_bytes(second.into_body(), 1000)
                    .await
                    .unwrap();
                assert!(body.is_empty());
                let other = [
                    ("authorization", token.as_str()),
                    ("if-none-match", "\"x\""),
                ];
                let other = site.ask(&method, "/api/plans/", &other).await;
                assert_eq!(other.status(), StatusCode::OK, "{method}");
            }
        });
    }

    #[test]
    fn who_is_no_superuser_is_kept_out_of_what_is_for_superusers() {
        let site = site();
        block_on(async {
            let mut seen = 0;
            for route in all()
                .iter()
                .filter(|route| route.access == Access::Superuser)
            {
                for method in [Method::GET, Method::POST] {
                    let headers = [
                        ("origin", "http://localhost:8000"),
                        ("cookie", site.cookie.as_str()),
                    ];
                    let status = site.ask(&method, &concrete(route), &headers).await.status();
                    assert!(
                        matches!(
                            status,
                            StatusCode::FORBIDDEN | StatusCode::METHOD_NOT_ALLOWED
                        ),
                        "{}: {status}",
                        route.path
                    );
                    seen += usize::from(status == StatusCode::FORBIDDEN);
                }
            }
            assert!(seen > 3);
        });
    }

    #[test]
    fn what_another_site_sends_is_refused_on_every_route() {
        let site = site();
        block_on(async {
            for route in all() {
                let path = concrete(&route);
                for foreign in [
                    [("origin", "http://evil.example.net"), ("accept", "*/*")],
                    [("origin", "null"), ("accept", "*/*")],
                    [("sec-fetch-site", "cross-site"), ("accept", "*/*")],
                    [("accept", "*/*"), ("accept-language", "en")],
                ] {
                    let mut headers = foreign.to_vec();
                    headers.push(("cookie", site.cookie.as_str()));
                    let status = site.ask(&Method::POST, &path, &headers).await.status();
                    assert_eq!(status, StatusCode::FORBIDDEN, "{path} {foreign:?}");
                }
            }
        });
    }

    #[test]
    fn a_form_without_the_token_of_the_session_changes_nothing() {
        let site = site();
        block_on(async {
            let mut seen = 0;
            for route in all().iter().filter(|route| route.access == Access::Staff) {
                let headers = [
                    ("origin", "http://localhost:8000"),
                    ("cookie", site.cookie.as_str()),
                    ("content-type", "application/x-www-form-urlencoded"),
                ];
                let status = site
                    .ask(&Method::POST, &concrete(route), &headers)
                    .await
                    .status();
                seen += usize::from(status != StatusCode::METHOD_NOT_ALLOWED);
                assert!(status.is_client_error(), "{}: {status}", route.path);
            }
            assert!(seen > 1);
        });
    }

    #[test]
    fn another_name_for_this_server_is_not_answered() {
        let site = site();
        block_on(async {
            for path in ["/", "/login/", "/healthz", "/api/"] {
                let response = site.ask(&Method::GET, path, &[("host", "rebound.example.net")]);
                assert_eq!(
                    response.await.status(),
                    StatusCode::MISDIRECTED_REQUEST,
                    "{path}"
                );
            }
        });
    }

    #[test]
    fn every_answer_carries_the_headers_of_trust() {
        let site = site();
        block_on(async {
            for path in [
                "/",
                "/login/",
                "/nowhere/",
                "/api/",
                "/api/nowhere/",
                "/static/1",
            ] {
                let response = site.ask(&Method::GET, path, &[]).await;
                let policy = &response.headers()["content-security-policy"];
                assert!(
                    policy.to_str().unwrap().starts_with("default-src 'none'"),
                    "{path}"
                );
                assert_eq!(
                    response.headers()["x-content-type-options"],
                    "nosniff",
                    "{path}"
                );
            }
        });
    }

    #[test]
    fn the_api_answers_problems_as_json_and_pages_as_pages() {
        let site = site();
        block_on(async {
            let kind = |response: &Response| {
                response.headers()["content-type"]
                    .to_str()
                    .unwrap()
                    .to_owned()
            };
            let api = site.ask(&Method::GET, "/api/status/", &[]).await;
            assert_eq!(api.status(), StatusCode::UNAUTHORIZED);
            assert_eq!(kind(&api), "application/problem+json");
            assert!(api.headers().contains_key("www-authenticate"));
            let page = site.ask(&Method::GET, "/nowhere/", &[]).await;
            assert_eq!(page.status(), StatusCode::NOT_FOUND);
            assert!(kind(&page).starts_with("text/html"));
        });
    }
}
