# Shared by the setup scripts; to be sourced.

# The repository's root, wherever the caller stands.
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

say() { printf '%s\n' "$*" >&2; }

fail() {
    say "error: $*"
    exit 1
}

# Installs Debian packages that are not there yet; asks apt for nothing where all of them are.
# Usage: need_packages PACKAGE...
need_packages() {
    local package missing=() as_root=()
    command -v dpkg-query >/dev/null || fail "this is no Debian or Ubuntu; install what matches these packages: $*"
    for package in "$@"; do
        # A removed package may still be known; "installed" is the only state that counts.
        [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || missing+=("$package")
    done
    ((${#missing[@]})) || return 0

    if ((EUID != 0)); then
        command -v sudo >/dev/null ||
            fail "packages are missing; run as root: apt-get update && apt-get install -y --no-install-recommends ${missing[*]}"
        as_root=(sudo)
    fi
    say "installing ${missing[*]}"
    "${as_root[@]}" apt-get update -qq
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2 ||
        fail "apt-get could not install ${missing[*]}; its own words stand above"
}
