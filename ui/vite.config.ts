import optimizeLocales from "@react-aria/optimize-locales-plugin";
import react from "@vitejs/plugin-react";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

// The app speaks to the Core that serves it; while developing, Vite hands those paths on.
const core = process.env.KOMODO_UI_CORE ?? "http://127.0.0.1:9120";
const api = { target: core, ws: true };

/** Parts of the page bring their styles in any order; this line, first in each of them, keeps the order of the layers. */
const layerOrder: Plugin = {
  name: "layer-order",
  enforce: "pre",
  transform: (code, id) => (id.endsWith(".css") ? `@layer tokens, base, parts, pages;\n${code}` : null),
};

export default defineConfig({
  plugins: [layerOrder, react(), { ...optimizeLocales.vite({ locales: ["en-US", "zh-CN"] }), enforce: "pre" }],
  build: {
    // `light-dark()` and OKLCH colours are written once and must not be expanded.
    target: ["chrome125", "firefox128", "safari17.5"],
    cssTarget: ["chrome125", "firefox128", "safari17.5"],
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: {
    proxy: { "/auth": api, "/read": api, "/write": api, "/execute": api, "/user": api, "/version": api, "/ws": api },
  },
  test: {
    environment: "happy-dom",
    include: ["src/**/*.test.{ts,tsx}"],
    css: { modules: { classNameStrategy: "non-scoped" } },
  },
});
