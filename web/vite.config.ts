import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";
import { firstLoad } from "./build/firstLoad.mjs";

// Where `npm run dev` finds a running Hythe.
const hythe = process.env.HYTHE_URL ?? "http://127.0.0.1:7070";

// What every page has in common with what is around it.
const BASE =
  /\/src\/(api\/(client|deleted|first|http|problem)|live\/\w+|parts\/(Button|CopyButton|Notice|Skeleton|Small)|format\/(clock|moment|span|text))\./;
// What the list of apps and others have in common, and what is shared by pages where things are changed.
const SHOWN =
  /\/src\/(parts\/(Mark|Outcome|Refusal|useFocusBack|Choice|Field|NameField|Section|Table)|deployment\/passage)\./;
const CHANGED =
  /\/useBlocker\.|\/src\/(api\/(?!client|deleted|first|http|problem)\w+|parts\/(Asking|Confirm|Switch|useDraft|Save|Unsaved|AskForm|SecretField|Warning)|format\/(health|lines|size|argv|long)|app\/(current|Source|Version|Files)|deployment\/(useDeployment|RollBack)|log\/clean)\./;

export default defineConfig({
  plugins: [react(), firstLoad()],
  resolve: {
    alias: {
      // The router's store asks for the one that also does for React before 18.
      "use-sync-external-store/shim/with-selector": "use-sync-external-store/with-selector",
    },
  },
  build: {
    target: "es2023",
    // The page's policy allows no data: scripts and styles, and nothing inline.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // All styles fit into one file; a second would only be a second round trip.
    cssCodeSplit: false,
    reportCompressedSize: false,
    rolldownOptions: {
      output: {
        codeSplitting: {
          // Else a group has whatever its files need, and so most of the dashboard.
          includeDependenciesRecursively: false,
          groups: [
            // The same after most upgrades, so browsers keep it.
            { name: "vendor", test: /node_modules\/(?!.*\/useBlocker\.)/, priority: 3 },
            // Small files that many pages share: together they are one request, and fewer bytes.
            { name: "base", test: BASE, minShareCount: 2, priority: 2 },
            { name: "shown", test: SHOWN, minShareCount: 2, priority: 2 },
            { name: "changed", test: CHANGED, minShareCount: 2, priority: 1 },
          ],
        },
      },
    },
  },
  test: {
    // Of tests that show pages: they ask for `/api/…`, as in a browser.
    environmentOptions: { happyDOM: { url: "http://hythe.test/" } },
  },
  server: {
    port: 5173,
    proxy: { "/api": { target: hythe, ws: true, changeOrigin: true } },
  },
});
