#!/usr/bin/env bash
# What merging this change would do, from the published inventory: no database, no secrets, no way to the backup server.
#
#   ci/plan.sh ENV     plans ENV.kdl into ci-out/ENV.{txt,md,json} and ENV.gitlab.json
#
#   POBSYNC_TARGET     the branch it will be merged into, such as main: what is planned is the result of the merge
#   POBSYNC_INVENTORY  a file; else ENV.json on the branch pobsync-inventory, where the server publishes it
#
# Ends with 0 when there is a plan, whatever it lists; what forbids it (65 invalid, 1 failed) fails the job.
set -euo pipefail
env=${1:?name an environment, such as prod}
out=ci-out
mkdir -p "$out"

if [ -n "${POBSYNC_TARGET:-}" ]; then
    git fetch --quiet --no-tags origin "+refs/heads/$POBSYNC_TARGET:refs/remotes/origin/$POBSYNC_TARGET" || true
    if ! git -c user.name=pobsync -c user.email=pobsync@localhost merge --quiet --no-edit "origin/$POBSYNC_TARGET" >&2; then
        echo "This change conflicts with $POBSYNC_TARGET: rebase it, so that what is reviewed is what will be applied." >&2
        exit 1
    fi
fi

inventory=${POBSYNC_INVENTORY:-}
if [ -z "$inventory" ]; then
    branch=pobsync-inventory
    git fetch --quiet --no-tags origin "+refs/heads/$branch:refs/remotes/origin/$branch" || true
    inventory=$out/$env.inventory.json
    if ! git show "origin/$branch:$env.json" >"$inventory"; then
        echo "There is no inventory of $env: run ci/publish-inventory.sh $env on its backup server first." >&2
        exit 1
    fi
fi

code=0
pobsync plan "$env.kdl" --inventory "$inventory" --detailed-exitcode --color never \
    --json-into "$out/$env.json" --markdown-into "$out/$env.md" >"$out/$env.txt" || code=$?
cat "$out/$env.txt"
case $code in 0 | 2 | 3) ;; *) exit "$code" ;; esac

# What GitLab shows beside the merge request (artifacts:reports:terraform).
jq '{create: .summary.create, update: (.summary.update + .summary.rename), delete: (.summary.retire + .summary.delete_by_change)}' \
    "$out/$env.json" >"$out/$env.gitlab.json"
