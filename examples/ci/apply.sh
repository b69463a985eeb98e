#!/usr/bin/env bash
# Applies what was merged, if it still does what was reviewed. Runs on the backup server, which has the database.
#
#   ci/apply.sh ENV                  with the fingerprint from the comment on the merged change
#   ci/apply.sh ENV FINGERPRINT      with one that a person gives, after looking at a plan
#
#   POBSYNC_APPLY   more words for `pobsync apply`, such as --prune; without it the next night prunes within its limits
#
# Ends as `pobsync apply` does: 10 refused by a guard, 11 not the plan that was reviewed. 14: nobody reviewed a plan.
set -euo pipefail
env=${1:?name an environment, such as prod} fingerprint=${2:-}
here=$(dirname "$0")
commit=$(git rev-parse HEAD)
export POBSYNC_REVISION=$commit

code=0
plan=$(pobsync plan "$env.kdl" --detailed-exitcode --color never) || code=$?
case $code in
    0)
        echo "$env is as $commit says: nothing to apply."
        exit 0
        ;;
    2 | 3) ;;
    *)
        printf '%s\n' "$plan"
        exit "$code"
        ;;
esac

[ -n "$fingerprint" ] || fingerprint=$("$here/reviewed.sh" "$env" "$commit")
if [ -z "$fingerprint" ]; then
    printf '%s\n' "$plan"
    echo "No plan of this was reviewed. If the one above is right, apply it by its fingerprint:" >&2
    pobsync plan "$env.kdl" --format json | jq -r '"  ci/apply.sh '"$env"' " + .fingerprint' >&2
    exit 14
fi
code=0
# Words of the operator's own, split on purpose.
# shellcheck disable=SC2086
pobsync apply "$env.kdl" --yes --expect "$fingerprint" --color never ${POBSYNC_APPLY:-} || code=$?
if [ "$code" -eq 11 ]; then
    printf '%s\n' "$plan"
    echo "This is not what was reviewed: something was merged or changed since. If the plan above is right, apply it by its fingerprint:" >&2
    pobsync plan "$env.kdl" --format json | jq -r '"  ci/apply.sh '"$env"' " + .fingerprint' >&2
fi
exit "$code"
