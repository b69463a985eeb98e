# shellcheck shell=bash
# What the other scripts ask a forge for: comments on a change, and the change that a commit came from.
# Sourced, not run. Needs bash, curl and jq.
#
#   FORGE        github, forgejo or gitlab
#   FORGE_API    where its API is: https://api.github.com, https://HOST/api/v1, https://HOST/api/v4
#   FORGE_REPO   owner/name; on GitLab the number of the project
#   FORGE_TOKEN  may read changes and write comments
#   FORGE_USER   whose comments are ours. Anybody can write our marker, so only this author's comments count.

: "${FORGE:?}" "${FORGE_API:?}" "${FORGE_REPO:?}" "${FORGE_TOKEN:?}"

# api METHOD PATH [FILE]: the answer's body. The token goes through a file descriptor: arguments can be seen by others.
api() {
    local method=$1 path=$2 header data=()
    case $FORGE in
        gitlab) header="PRIVATE-TOKEN: $FORGE_TOKEN" ;;
        *) header="Authorization: token $FORGE_TOKEN" ;;
    esac
    [ $# -lt 3 ] || data=(--data-binary "@$3" --header 'Content-Type: application/json')
    curl --silent --show-error --fail-with-body --max-time 60 --retry 3 --request "$method" "${data[@]}" \
        --header @<(printf '%s\n' "$header") "$FORGE_API/$path"
}

# Every page of a list, as one array.
api_all() {
    local path=$1 page=1 answer all='[]' known
    while :; do
        answer=$(api GET "$path?per_page=100&limit=100&page=$page") || return
        known=$(jq length <<<"$all")
        all=$(jq -cs 'add | unique_by(.id)' <<<"$all$answer") || return
        # Forgejo answers some lists whole, whatever page is asked for: then the next brings nothing new.
        if [ "$(jq length <<<"$answer")" -lt 100 ] || [ "$(jq length <<<"$all")" -eq "$known" ]; then break; fi
        page=$((page + 1))
    done
    printf '%s\n' "$all"
}

forge_user() {
    if [ -n "${FORGE_USER:-}" ]; then
        printf '%s\n' "$FORGE_USER"
    else
        api GET user | jq -er '.login // .username' || {
            echo "This token cannot say whose it is: set FORGE_USER." >&2
            return 1
        }
    fi
}

# forge_comments CHANGE: our own comments as an array of {id, body}, oldest first.
forge_comments() {
    local user path
    user=$(forge_user) || return
    case $FORGE in
        gitlab) path="projects/$FORGE_REPO/merge_requests/$1/notes" ;;
        *) path="repos/$FORGE_REPO/issues/$1/comments" ;;
    esac
    api_all "$path" | jq -c --arg user "$user" \
        'map(select((.user.login // .author.username) == $user) | {id, body})'
}

# forge_comment CHANGE ID|- FILE: writes a comment, a new one where the id is -.
forge_comment() {
    local change=$1 id=$2 body
    body=$(mktemp) || return
    jq -Rs '{body: .}' <"$3" >"$body"
    case $FORGE,$id in
        gitlab,-) api POST "projects/$FORGE_REPO/merge_requests/$change/notes" "$body" ;;
        gitlab,*) api PUT "projects/$FORGE_REPO/merge_requests/$change/notes/$id" "$body" ;;
        *,-) api POST "repos/$FORGE_REPO/issues/$change/comments" "$body" ;;
        *) api PATCH "repos/$FORGE_REPO/issues/comments/$id" "$body" ;;
    esac >/dev/null
    local code=$?
    rm -f "$body"
    return $code
}

# forge_change_of COMMIT: the number of the merged change that brought it; nothing if none did.
forge_change_of() {
    case $FORGE in
        github)
            api GET "repos/$FORGE_REPO/commits/$1/pulls" |
                jq -r '[.[] | select(.merged_at != null)][0].number // empty'
            ;;
        gitlab)
            api GET "projects/$FORGE_REPO/repository/commits/$1/merge_requests" |
                jq -r '[.[] | select(.state == "merged")][0].iid // empty'
            ;;
        forgejo)
            api GET "repos/$FORGE_REPO/pulls?state=closed&sort=recentupdate&limit=50" |
                jq -r --arg commit "$1" \
                    '[.[] | select(.merged == true and .merge_commit_sha == $commit)][0].number // empty'
            ;;
    esac
}

# The first line of our comment about an environment: one comment for each, whatever else is said there.
marker() {
    printf '<!-- pobsync:comment env=%s -->\n' "$1"
}

# forge_ours CHANGE ENV: our comment about that environment as {id, body}; nothing if there is none.
forge_ours() {
    local all
    all=$(forge_comments "$1") || return
    jq -c --arg marker "$(marker "$2")" '[.[] | select(.body | startswith($marker))][0] // empty' <<<"$all"
}
