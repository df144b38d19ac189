#!/bin/sh
# From nothing to a running container: environment, image, container, a look inside, and away with it.
set -eu
cd "$(dirname "$0")/../.."
[ "$(id -u)" = 0 ] || exec sudo sh "$0"
sh samples/environment.sh
PATH=$PWD/.venv/bin:$PATH

say() { echo "\$ $*"; "$@"; }
mydocker remove --force quickstart 2>/dev/null || true
say mydocker build -f samples/quickstart/dockerfile -t quickstart:0.01
say mydocker images
say mydocker run -d -name quickstart -image quickstart:0.01
say mydocker exec quickstart ls -l / /home
say mydocker ps
say mydocker stop --time 1 quickstart
say mydocker remove quickstart
echo
echo "It works. Next: .venv/bin/mydocker run -ti --entrypoint sh quickstart:0.01, or --help."
