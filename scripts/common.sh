# What the scripts share. Sourced, from the root of the project.
# shellcheck shell=bash

# counts NAME PASSED FAILED SKIPPED: the closing line of every suite; scripts/test adds them up.
counts() {
    echo "$1: $2 passed, $3 failed, $4 skipped"
}

# skip SUITE REASON: a skip that nobody overlooks, and that the summary of `make test` repeats. Continuous integration
# (CI=true) is there to run everything: it fails instead.
skip() {
    notice "SKIPPED: $1: $2"
    if [ "${CI:-}" = true ]; then
        echo "CI=true: what is skipped elsewhere fails here."
        return 1
    fi
}

notice() {
    printf '\n%s\n%s\n%s\n\n' "$(printf '!%.0s' {1..100})" "$1" "$(printf '!%.0s' {1..100})"
}

have() {
    command -v "$1" >/dev/null 2>&1
}

# number PATTERN FILE: adds up the numbers that the sed expression PATTERN finds in FILE.
number() {
    sed -nE "s/$1/\\1/p" "$2" | awk '{ sum += $1 } END { print sum + 0 }'
}
