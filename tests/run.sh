#!/bin/sh
# Install what the tests need and run them all. As root everything runs; otherwise the tests of the kernel say why not.
#
#   sh tests/run.sh [PYTEST ARGUMENTS]
#
# Uses the virtual environment that is active, else makes .venv beside this checkout's README.
set -eu
cd "$(dirname "$0")/.."

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    packages=$(grep -v '^#' tests/packages.txt)
    missing=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' $packages python3-venv 2>/dev/null |
        awk '$2 == "installed" { print $1 }' | { have=$(cat); for p in $packages; do
            printf '%s\n' "$have" | grep -qx "$p" || echo "$p"; done; })
    if [ -n "$missing" ]; then
        echo "installing:" $missing
        apt-get update -q >/dev/null
        # Peers' daemons are started by the tests themselves, on sockets of their own: none may start now.
        [ -e /usr/sbin/policy-rc.d ] || { printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d
            chmod 755 /usr/sbin/policy-rc.d; trap 'rm -f /usr/sbin/policy-rc.d' EXIT; }
        DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing >/dev/null
    fi
fi

if [ -z "${VIRTUAL_ENV:-}" ]; then
    sh samples/environment.sh
    VIRTUAL_ENV=$PWD/.venv
fi
"$VIRTUAL_ENV/bin/python" -m pip install -q -e '.[test]'
"$VIRTUAL_ENV/bin/doit" -v 2 test ${1:+--arguments "$*"}
