import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { compileMessage } from "@lingui/message-utils/compileMessage";
import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

const outDir = "../static/console";

/** Compiles the catalogue's ICU messages at build time, so that no parser travels to the browser. */
function texts(): Plugin {
  return {
    name: "texts",
    enforce: "pre",
    load(id) {
      if (!id.endsWith(".texts.json")) return null;
      const source = JSON.parse(readFileSync(id, "utf8")) as Record<string, string>;
      const compiled = Object.fromEntries(Object.entries(source).map(([key, text]) => [key, compileMessage(text)]));
      // Pretending to be a module of its own keeps the JSON plugin away from the result.
      return { code: `export default ${JSON.stringify(compiled)}`, moduleType: "js" };
    },
  };
}

/** Lays a brotli and a gzip copy beside each asset. gzip's header would carry the time: Node writes none. */
function precompress(): Plugin {
  return {
    name: "precompress",
    apply: "build",
    closeBundle() {
      const dir = join(import.meta.dirname, outDir, "assets");
      for (const name of readdirSync(dir).filter((n) => /\.(js|css|svg)$/.test(n))) {
        const body = readFileSync(join(dir, name));
        const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: body.length };
        writeFileSync(join(dir, `${name}.br`), brotliCompressSync(body, { params }));
        writeFileSync(join(dir, `${name}.gz`), gzipSync(body, { level: 9 }));
      }
    },
  };
}

/**
 * Few files instead of many small ones, which compress badly: what every page needs, the controls, the overlays. What is
 * not named here is cut by route.
 */
const GROUPS = [
  { name: "vendor", test: /node_modules\/(react|react-dom|scheduler|@emotion|stylis|@lingui|openapi-fetch|@tanstack\/(react-router|router-core|history|react-query|query-core)|@mui\/(system|utils(?!\/useRovingTabIndex)|styled-engine|private-theming))\//, priority: 3 },
  { name: "controls", test: /@mui\/material\/(esm\/)?(Button|ButtonBase|IconButton|CircularProgress|Skeleton|OutlinedInput|InputBase|InputLabel|FormControl|TextareaAutosize|styles|utils|colors|className|zero-styled)\//, priority: 2 },
  { name: "overlays", test: /@mui\/material\/(esm\/)?(Modal|Dialog\w*|Backdrop|Fade|Paper|Portal|Unstable_TrapFocus|FormControlLabel|Checkbox|internal\/SwitchBase|Typography|Alert)\//, priority: 1 },
  { name: "samples", test: /src\/(live\/(useSamples|samples)|i18n\/live|parts\/(PauseButton|Stale))/, priority: 0 },
  { name: "shared", test: /src\/(api|auth\/(?!factors|webauthn|providers)|i18n\/(index|en)|keys|live\/(?!useSamples|samples|exchange\/(local|exchange|channel|socket))|theme|parts\/(basics|Icon|states|Field|toast|Meter|use\w+|parts\.module|meter\.module))/, priority: 1 },
];

const hub = process.env.SIGNALBOX_HUB ?? "http://127.0.0.1:8080";

export default defineConfig({
  plugins: [texts(), react(), precompress()],
  build: {
    outDir,
    emptyOutDir: true,
    target: ["chrome125", "firefox128", "safari17.5"],
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    chunkSizeWarningLimit: 600,
    rolldownOptions: { output: { codeSplitting: { groups: GROUPS } } },
  },
  worker: { format: "es" },
  server: { proxy: { "/api": hub, "/connection": { target: hub, ws: true } } },
  test: { environment: "node", include: ["src/**/*.test.ts"] },
} as Parameters<typeof defineConfig>[0]);
