//! Pages for people. Each file holds the handlers of one part of the site and the markup they answer with.

mod account;
mod dashboard;
pub(super) mod health;
mod host;
mod hosts;
mod login;
mod retention;
mod users;

use super::access::Access;
use super::routes::Route;

/// The routes of all pages.
pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::page("/login/", Access::Public, login::form).and_action(login::log_in),
        Route::action("/logout/", Access::Staff, login::log_out),
        Route::page("/account/", Access::Staff, account::form).and_action(account::set_password),
        Route::page("/", Access::Staff, dashboard::show),
        Route::page("/hosts/", Access::Staff, hosts::list),
        Route::page("/hosts/{host}/", Access::Staff, host::show),
        Route::page("/hosts/{host}/retention/", Access::Staff, retention::show),
        Route::action("/hosts/{host}/discover/", Access::Staff, host::discover),
        Route::page("/users/", Access::Superuser, users::list).and_action(users::create),
        Route::action("/users/{id}/rights/", Access::Superuser, users::set_rights),
        Route::action(
            "/users/{id}/password/",
            Access::Superuser,
            users::set_password,
        ),
        Route::action("/users/tokens/", Access::Superuser, users::create_token),
        Route::action(
            "/users/tokens/{id}/revoke/",
            Access::Superuser,
            users::revoke_token,
        ),
    ]
}
