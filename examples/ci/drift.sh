#!/usr/bin/env bash
# Fails when the database is no longer what was last applied, or the main branch was never applied. Runs on the backup
# server, every night; a failed job is what tells people.
#
#   ci/drift.sh ENV
set -euo pipefail
env=${1:?name an environment, such as prod}
worst=0
pobsync drift "$env.kdl" --detailed-exitcode --color never || worst=$?
case $worst in
    0) ;;
    2) echo "$env has drifted: take it over with 'pobsync drift --adopt $env.kdl', or let the next apply undo it." >&2 ;;
    *) exit "$worst" ;;
esac
code=0
pobsync plan "$env.kdl" --detailed-exitcode --color never || code=$?
case $code in
    0) ;;
    2 | 3)
        echo "$env is not as $(git rev-parse --short HEAD) says." >&2
        worst=$code
        ;;
    *) exit "$code" ;;
esac
exit "$worst"
