#!/usr/bin/env bash
# Puts the plan into one comment of the change, which is updated from then on. A change that does nothing gets none.
#
#   ci/comment.sh ENV CHANGE    after ci/plan.sh ENV; see ci/forge.sh for what it needs in the environment
set -euo pipefail
env=${1:?name an environment, such as prod} change=${2:?name the number of the change}
# shellcheck source=examples/ci/forge.sh
. "$(dirname "$0")/forge.sh"
out=ci-out

comment=$(mktemp)
trap 'rm -f "$comment"' EXIT
{
    marker "$env"
    cat "$out/$env.md"
    # shellcheck disable=SC2016
    printf '\n%s, planned for `%s`.\n' "$env" "$(git rev-parse --short HEAD)"
} >"$comment"

ours=$(forge_ours "$change" "$env")
if [ -n "$ours" ]; then
    id=$(jq -r .id <<<"$ours")
    forge_comment "$change" "$id" "$comment"
    echo "Updated comment $id."
elif [ "$(jq -r .outcome "$out/$env.json")" = no-changes ] && [ "$(jq '.refusals | length' "$out/$env.json")" -eq 0 ]; then
    echo "Nothing to say: this change does nothing to $env."
else
    forge_comment "$change" - "$comment"
    echo "Commented on $change."
fi
