// Builds the pages into build/web (or BELFRY_WEB_OUT): one script, one stylesheet and one HTML file a page.
// Nothing is inline and nothing is fetched from elsewhere, so the gateway can serve them under a strict CSP.
import { build } from 'esbuild';
import { copyFile, mkdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const out = resolve(process.env.BELFRY_WEB_OUT ?? join(here, '../../build/web'));

await mkdir(join(out, 'desk'), { recursive: true });
await build({
  absWorkingDir: here,
  entryPoints: { 'desk/desk': 'desk/main.tsx' },
  outdir: out,
  bundle: true,
  minify: true,
  format: 'esm',
  target: ['chrome100', 'firefox102', 'safari15.4'],
  jsx: 'automatic',
  jsxImportSource: 'preact',
  legalComments: 'none',
  logLevel: 'warning',
});
await build({
  absWorkingDir: here,
  entryPoints: { 'desk/desk': 'desk/desk.css' },
  outdir: out,
  bundle: true,
  minify: true,
  target: ['chrome100', 'firefox102', 'safari15.4'],
  logLevel: 'warning',
});
await copyFile(join(here, 'desk/index.html'), join(out, 'desk/index.html'));
