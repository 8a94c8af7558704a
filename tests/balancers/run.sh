#!/usr/bin/env bash
# Runs HAProxy and nginx, as deploy/ configures them, in front of four servers each: see balancers.py.
# Usage: tests/balancers/run.sh [STEP…]; the steps are install (what is missing) and test, by default both.
# The test needs the program: `cargo build`, or another one that MULTICONN names.
set -euo pipefail
cd "$(dirname "$0")/../.."

install() {
    local packages=()
    command -v python3 >/dev/null || packages+=(python3)
    [[ -x /usr/sbin/haproxy ]] || packages+=(haproxy)
    [[ -x /usr/sbin/nginx && -e /usr/share/nginx/modules/ngx_stream_module.so ]] || packages+=(nginx libnginx-mod-stream)
    ((${#packages[@]} > 0)) || return 0
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}"
}

test() {
    python3 tests/balancers/balancers.py
}

(($# > 0)) || set -- install test
for step; do
    "$step"
done
