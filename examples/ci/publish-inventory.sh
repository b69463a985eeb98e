#!/usr/bin/env bash
# Publishes what plans are made from, so that CI can plan without the database: ENV.json on the branch pobsync-inventory.
# Runs on the backup server, after each apply and every night. Whoever may read the repository can read it: names of
# hosts, their settings and the times of their snapshots. No secret is in it.
#
#   ci/publish-inventory.sh ENV
set -euo pipefail
env=${1:?name an environment, such as prod}
branch=pobsync-inventory
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
pobsync inventory --out "$work/inventory.json"
blob=$(git hash-object -w "$work/inventory.json")

# The servers of other environments write to the same branch: put ours beside theirs, and again if one came in between.
for _ in 1 2 3 4 5; do
    old=$(git ls-remote origin "refs/heads/$branch" | cut -f1)
    rm -f "$work/index"
    if [ -n "$old" ]; then
        git fetch --quiet --no-tags --depth 1 origin "$branch"
        GIT_INDEX_FILE=$work/index git read-tree "$old"
    fi
    GIT_INDEX_FILE=$work/index git update-index --add --cacheinfo "100644,$blob,$env.json"
    tree=$(GIT_INDEX_FILE=$work/index git write-tree)
    # A commit without a parent: the branch holds the newest inventories and no history of the fleet.
    new=$(git -c user.name=pobsync -c user.email=pobsync@localhost commit-tree -m "inventory of $env" "$tree")
    if git push --quiet --force-with-lease="$branch:$old" origin "$new:refs/heads/$branch"; then
        echo "Published the inventory of $env."
        exit 0
    fi
done
echo "Could not publish the inventory of $env." >&2
exit 1
