// Runs the unit tests: esbuild turns each tests/*.test.ts into one file, Node's own runner does the rest.
import { build } from 'esbuild';
import { spawn } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { words } from './words_plugin.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const names = (await readdir(join(here, 'tests'))).filter((name) => name.endsWith('.test.ts'));
const out = await mkdtemp(join(tmpdir(), 'belfry-web-'));
try {
  await build({
    absWorkingDir: here,
    entryPoints: names.map((name) => join('tests', name)),
    outdir: out,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node18',
    jsx: 'automatic',
    jsxImportSource: 'preact',
    plugins: [words],
    sourcemap: 'inline',
    logLevel: 'warning',
  });
  const files = names.map((name) => join(out, name.replace(/\.ts$/, '.mjs')));
  const child = spawn(process.execPath, ['--enable-source-maps', '--test', '--test-reporter=spec', ...files], {
    stdio: 'inherit',
    env: { ...process.env, BELFRY_WEB_SOURCES: here },
  });
  process.exitCode = await new Promise((resolve) => child.on('exit', (code) => resolve(code ?? 1)));
} finally {
  await rm(out, { recursive: true, force: true });
}
