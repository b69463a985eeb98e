#!/usr/bin/env bash
# Prints the fingerprint of the plan that was reviewed with the change that a commit came from. Prints nothing where the
# change had no plan, and fails where its plan was cut: what nobody could see whole, nobody has reviewed.
#
#   ci/reviewed.sh ENV COMMIT
set -euo pipefail
env=${1:?name an environment, such as prod} commit=${2:?name a commit}
# shellcheck source=examples/ci/forge.sh
. "$(dirname "$0")/forge.sh"

change=$(forge_change_of "$commit")
[ -n "$change" ] || exit 0
ours=$(forge_ours "$change" "$env")
[ -n "$ours" ] || exit 0
head=$(jq -r .body <<<"$ours" | tr -d '\r' | sed -n 2p)
fields='^<!-- pobsync:plan v=1 fingerprint=(sha256:[0-9a-f]{64}) truncated=([01]) -->$'
if ! [[ $head =~ $fields ]]; then
    echo "The comment on $change about $env is not one that this script can read." >&2
    exit 1
fi
if [ "${BASH_REMATCH[2]}" = 1 ]; then
    echo "The plan on $change about $env was cut to fit a comment. Look at the whole plan of the job, then apply it by its fingerprint." >&2
    exit 1
fi
printf '%s\n' "${BASH_REMATCH[1]}"
