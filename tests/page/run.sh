#!/usr/bin/env bash
# Checks the page: formatting and lints of its JavaScript, then its tests, in Node.js and in headless Chromium.
# Usage: tests/page/run.sh [STEP…]; the steps are install (what is missing), check, and test, by default all of them.
# The tests need the program: `cargo build`, or another one that MULTICONN names. PICTURES=FOLDER keeps screenshots.
set -euo pipefail
cd "$(dirname "$0")/../.."

install() {
    local packages=()
    command -v node >/dev/null || packages+=(nodejs)
    command -v chromium-headless-shell >/dev/null || command -v chromium >/dev/null || packages+=(chromium-headless-shell)
    if ((${#packages[@]} > 0)); then
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends ca-certificates "${packages[@]}"
    fi
    local npm=(npm)
    if ! command -v npm >/dev/null; then
        # Debian's npm comes in 390 packages, its own archive in one file.
        [[ -d target/npm/package ]] || fetch_npm
        npm=(node "$PWD/target/npm/package/bin/npm-cli.js")
    fi
    (cd tests/page && "${npm[@]}" ci --silent --no-audit --no-fund)
}

fetch_npm() {
    python3 - <<'END'
import hashlib, io, tarfile, urllib.request
archive = urllib.request.urlopen("https://registry.npmjs.org/npm/-/npm-10.9.4.tgz").read()
expected = "3a7506f37e85c1ba1021baad79f0cd9724748131f321fc117c4dc3ba235ec01b" \
    "e7327584a41d15117c01945560aa9373220628fcc1e1dddd877a5fe9b336a900"
if hashlib.sha512(archive).hexdigest() != expected:
    raise SystemExit("npm's archive is not the expected one")
tarfile.open(fileobj=io.BytesIO(archive)).extractall("target/npm")
END
}

check() {
    # --write instead of --check formats them.
    tests/page/node_modules/.bin/prettier --check --log-level warn --print-width 120 --tab-width 4 \
        src/admin/page/*.{js,css} src/http/*.css src/cli/call/getfile/form/page/*.{js,css} tests/page/*.mjs
    tests/page/node_modules/.bin/eslint --config tests/page/eslint.config.mjs --max-warnings 0 src/admin/page \
        src/cli/call/getfile/form/page tests/page
}

test() {
    node --test tests/page/*.test.mjs
}

(($# > 0)) || set -- install check test
for step; do
    "$step"
done
