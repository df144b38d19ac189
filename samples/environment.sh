#!/bin/sh
# Make the virtual environment .venv with mydocker in it, where there is none yet.
set -eu
cd "$(dirname "$0")/.."
[ -x .venv/bin/mydocker ] && exit 0
python=$(command -v python3) || { echo "python3 is missing: apt-get install python3 python3-venv" >&2; exit 1; }
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    { echo "$("$python" -V) is too old: mydocker needs Python 3.11 or newer" >&2; exit 1; }
if ! "$python" -c 'import ensurepip' 2>/dev/null; then
    # Debian and Ubuntu ship venv in a package of its own.
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        apt-get update -q >/dev/null && DEBIAN_FRONTEND=noninteractive apt-get install -y -q python3-venv >/dev/null
    else
        echo "Python's venv is missing: apt-get install python3-venv" >&2; exit 1
    fi
fi
echo "making .venv"
"$python" -m venv .venv
.venv/bin/python -m pip install -q -e .
