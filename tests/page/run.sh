#!/usr/bin/env bash
# The formatter and the linter for the page's JavaScript, and the tests of the page, in Node.js and in headless Chromium. The program
# must be built: `cargo build`. MULTICONN names another one. PICTURES=FOLDER keeps screenshots.
set -euo pipefail
cd "$(dirname "$0")/../.."

if ! command -v node >/dev/null || ! command -v npm >/dev/null || ! command -v chromium >/dev/null; then
    packages=()
    command -v node >/dev/null || packages+=(nodejs)
    command -v npm >/dev/null || packages+=(npm)
    command -v chromium >/dev/null || packages+=(chromium)
    apt-get update -qq && apt-get install -y -qq --no-install-recommends "${packages[@]}"
fi

(cd tests/page && npm ci --silent --no-audit --no-fund)
# --write instead of --check formats them.
tests/page/node_modules/.bin/prettier --check --log-level warn --print-width 120 --tab-width 4 \
    src/admin/page/*.{js,css} src/http/*.css src/cli/call/getfile/form/page/*.{js,css} tests/page/*.mjs
tests/page/node_modules/.bin/eslint --config tests/page/eslint.config.mjs --max-warnings 0 src/admin/page \
    src/cli/call/getfile/form/page tests/page
node --test tests/page/*.test.mjs
