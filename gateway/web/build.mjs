// Builds the pages into build/web (or BELFRY_WEB_OUT): scripts, one stylesheet and one HTML file a page.
// Nothing is inline and nothing is fetched from elsewhere, so the gateway can serve them under a strict CSP.
import { build } from 'esbuild';
import { copyFile, mkdir, rm } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { words } from './words_plugin.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const out = resolve(process.env.BELFRY_WEB_OUT ?? join(here, '../../build/web'));
const always = {
  absWorkingDir: here,
  outdir: out,
  bundle: true,
  minify: true,
  target: ['chrome100', 'firefox102', 'safari15.4'],
  jsx: 'automatic',
  jsxImportSource: 'preact',
  plugins: [words],
  legalComments: 'none',
  logLevel: 'warning',
};

// A page is a folder with main.tsx, <page>.css and index.html. What it imports by import() becomes a file of its own beside it.
for (const page of ['desk', 'console', 'widget'].filter((name) => existsSync(join(here, name, 'main.tsx')))) {
  await rm(join(out, page), { recursive: true, force: true }); // chunks of an earlier build have other names
  await mkdir(join(out, page), { recursive: true });
  // Modules are always read as UTF-8, so Cyrillic and Arabic need no escapes.
  await build({ ...always, charset: 'utf8', entryPoints: { [`${page}/${page}`]: `${page}/main.tsx` }, format: 'esm', splitting: true, chunkNames: `${page}/[name]-[hash]` });
  await build({ ...always, entryPoints: { [`${page}/${page}`]: `${page}/${page}.css` } });
  await copyFile(join(here, page, 'index.html'), join(out, page, 'index.html'));
}
// The loader stands alone on a stranger's page: one classic script, no names of its own outside.
if (existsSync(join(here, 'widget/loader.ts'))) {
  await build({ ...always, entryPoints: { widget: 'widget/loader.ts' }, format: 'iife' });
}
