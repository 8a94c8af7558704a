// The rules for the JavaScript of the page and of its tests.

import js from "@eslint/js";

const readonly = (names) => Object.fromEntries(names.split(" ").map((name) => [name, "readonly"]));

/** Peers' text must never become markup. */
const MARKUP = ["innerHTML", "outerHTML", "insertAdjacentHTML", "srcdoc", "setHTMLUnsafe", "createContextualFragment"];

export default [
    { ignores: ["**/node_modules/"] },
    js.configs.recommended,
    {
        languageOptions: { ecmaVersion: 2023, sourceType: "module" },
        linterOptions: { reportUnusedDisableDirectives: "error" },
        rules: {
            curly: "error",
            eqeqeq: "error",
            "no-else-return": "error",
            "no-implicit-coercion": "error",
            "no-shadow": "error",
            "no-use-before-define": ["error", { functions: false, variables: false }],
            "no-var": "error",
            "object-shorthand": "error",
            "prefer-const": "error",
            "prefer-template": "error",
            "no-restricted-properties": [
                "error",
                ...MARKUP.map((property) => ({ property, message: "Use textContent." })),
            ],
            "no-restricted-globals": ["error", "event", "name", "status"],
        },
    },
    {
        files: ["src/admin/page/*.js"],
        languageOptions: {
            globals: readonly(
                "document location matchMedia getComputedStyle devicePixelRatio innerWidth innerHeight performance " +
                    "requestAnimationFrame setTimeout clearTimeout EventSource ResizeObserver",
            ),
        },
    },
    {
        files: ["src/cli/call/getfile/form/page/*.js"],
        languageOptions: { globals: readonly("document fetch navigator getSelection EventSource") },
    },
    {
        files: ["tests/page/*.mjs"],
        languageOptions: { globals: readonly("process Buffer console URL setTimeout") },
    },
];
