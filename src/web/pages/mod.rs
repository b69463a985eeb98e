//! Pages for people. Each file holds the handlers of one part of the site and the markup they answer with.

mod account;
mod audit;
mod configuration;
mod dashboard;
mod files;
pub(super) mod health;
mod host;
mod host_actions;
mod hosts;
mod login;
mod plan;
mod plans;
mod retention;
mod run;
mod run_log;
mod runs;
mod snapshot;
mod snapshots;
mod users;

use super::access::Access;
use super::routes::Route;

/// The routes of all pages.
pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::page("/login/", Access::Public, login::form).and_action(login::log_in),
        Route::action("/logout/", Access::Account, login::log_out),
        Route::page("/account/", Access::Staff, account::form).and_action(account::set_password),
        Route::page("/", Access::Staff, dashboard::show),
        Route::page("/hosts/", Access::Staff, hosts::list),
        Route::page("/hosts/{host}/", Access::Staff, host::show),
        Route::page("/hosts/{host}/retention/", Access::Staff, retention::show),
        Route::action(
            "/hosts/{host}/discover/",
            Access::Staff,
            host_actions::discover,
        ),
        Route::action(
            "/hosts/{host}/backup/",
            Access::Staff,
            host_actions::back_up,
        ),
        Route::action("/hosts/{host}/pause/", Access::Staff, host_actions::pause),
        Route::action("/hosts/{host}/resume/", Access::Staff, host_actions::resume),
        Route::action(
            "/hosts/{host}/ack/",
            Access::Staff,
            host_actions::acknowledge,
        ),
        Route::page("/hosts/{host}/snapshots/", Access::Staff, snapshots::list),
        Route::page(
            "/hosts/{host}/snapshots/{kind}/{name}/",
            Access::Staff,
            snapshot::show,
        ),
        Route::action(
            "/hosts/{host}/snapshots/{kind}/{name}/hold/",
            Access::Staff,
            snapshot::hold,
        ),
        Route::action(
            "/hosts/{host}/snapshots/{kind}/{name}/unhold/",
            Access::Staff,
            snapshot::unhold,
        ),
        Route::page(
            "/hosts/{host}/snapshots/{kind}/{name}/files/",
            Access::Staff,
            files::show,
        ),
        Route::page(
            "/hosts/{host}/snapshots/{kind}/{name}/files/{*path}",
            Access::Staff,
            files::show,
        ),
        Route::page("/runs/", Access::Staff, runs::list),
        Route::page("/runs/{run}/", Access::Staff, run::show),
        Route::action("/runs/{run}/cancel/", Access::Staff, run::cancel),
        Route::page("/runs/{run}/log/", Access::Staff, run_log::follow),
        Route::page("/runs/{run}/log.txt", Access::Staff, run_log::whole),
        Route::page("/plans/", Access::Staff, plans::list),
        Route::page("/plans/{plan}/", Access::Staff, plan::show),
        Route::page("/plans/{plan}/page.html", Access::Staff, plan::whole),
        Route::page("/configuration/", Access::Staff, configuration::show),
        Route::page("/audit/", Access::Staff, audit::list),
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
