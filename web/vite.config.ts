import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// Where `npm run dev` finds a running Hythe.
const hythe = process.env.HYTHE_URL ?? "http://127.0.0.1:7070";

export default defineConfig({
  plugins: [react()],
  build: {
    target: "es2023",
    // The page's policy allows no data: scripts and styles, and nothing inline.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // Everything fits into one file of each kind; a second would only be a second round trip.
    cssCodeSplit: false,
    reportCompressedSize: false,
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
