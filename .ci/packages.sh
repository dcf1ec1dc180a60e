#!/bin/sh
# Installs the packages of the named groups of .ci/packages that are missing, and says so.
#
#     .ci/packages.sh GROUP…
#
# Exit 0 when all are there. Where they cannot be installed: exit 1 and the command that
# would do it. On a system without dpkg it says what is needed and goes on; the compiler
# will name what is not there.
set -u
list=$(dirname "$0")/packages
needed=$(for group in "$@"; do awk -v g="$group" '!/^#/ && $2 == g { print $1 }' "$list"; done)

if ! command -v dpkg-query >/dev/null 2>&1; then
    echo "packages: this is not a Debian system; needed are the likes of:" $needed
    exit 0
fi

find_missing() {
    missing=
    for package in $needed; do
        state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)
        [ "$state" = installed ] || missing="$missing $package"
    done
}

find_missing
[ -n "$missing" ] || exit 0

# One at a time: make asks for several groups at once.
mkdir -p build
exec 9>build/.packages-lock
flock 9
find_missing
[ -n "$missing" ] || exit 0

by_hand="apt-get update && apt-get install --no-install-recommends$missing"
if [ "$(id -u)" = 0 ]; then
    as_root=
elif command -v sudo >/dev/null 2>&1; then
    as_root=sudo
    [ -t 0 ] || as_root='sudo -n'
else
    echo "packages: missing:$missing" >&2
    echo "packages: there is no sudo; as root, run: $by_hand" >&2
    exit 1
fi

log=build/.packages.log
apt() {
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y \
        -o DPkg::Lock::Timeout=120 -o Acquire::Retries=3 "$@" >>"$log" 2>&1 </dev/null
}

echo "packages: installing$missing (what for: .ci/packages)"
: >"$log"
lists=$(ls /var/lib/apt/lists/*_Packages* 2>/dev/null)
[ -n "$lists" ] || apt update
apt install --no-install-recommends $missing ||
    { apt update && apt install --no-install-recommends $missing; }

find_missing
[ -n "$missing" ] || exit 0
tail -n 15 "$log" >&2
echo "packages: could not install:$missing" >&2
echo "packages: as root, run: $by_hand" >&2
exit 1
