import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';

// What a page costs when it is first opened: its HTML, style and script with all that they import at once, and the largest of the
// languages, of which one is fetched. Counted as sent: each file by itself, gzipped.
const out = resolve(process.env.BELFRY_WEB_OUT ?? join(process.env.BELFRY_WEB_SOURCES!, '../../build/web'));
const size = (path: string): number => gzipSync(readFileSync(join(out, path)), { level: 9 }).length;

function scripts(path: string, found = new Set<string>()): Set<string> {
  if (found.has(path)) return found;
  found.add(path);
  const text = readFileSync(join(out, path), 'utf8');
  for (const [, name] of text.matchAll(/(?:\bfrom|\bimport)\s*"\.\/([^"]+\.js)"/g)) scripts(join(path, '..', name!), found);
  return found;
}
// Chunks of an older build may lie beside those of this one: only what the entry's scripts name counts.
function largestLanguage(page: string, from: Set<string>): number {
  const named = [...from].map((path) => readFileSync(join(out, path), 'utf8')).join();
  const files = readdirSync(join(out, page)).filter((name) => /^(en|es|pt|ru|ar)-\w+\.js$/.test(name) && named.includes(name));
  const weigh = (name: string): number => [...scripts(`${page}/${name}`)].filter((path) => !from.has(path)).reduce((sum, path) => sum + size(path), 0);
  return Math.max(0, ...files.map(weigh));
}

const kKilo = 1024;
for (const [page, budget] of Object.entries({ widget: 25, desk: 90, console: 130 })) {
  const skip = existsSync(join(out, page, 'index.html')) ? false : `${page} is not built`;
  test(`${page} weighs at most ${budget} KB`, { skip }, (context) => {
    const code = scripts(`${page}/${page}.js`);
    const all = [`${page}/index.html`, `${page}/${page}.css`, ...code].reduce((sum, path) => sum + size(path), largestLanguage(page, code));
    context.diagnostic(`${page}: ${all} octets`);
    assert.ok(all <= budget * kKilo, `${all} octets`);
  });
}
test('the loader weighs at most 2 KB', { skip: existsSync(join(out, 'widget.js')) ? false : 'the loader is not built' }, (context) => {
  context.diagnostic(`loader: ${size('widget.js')} octets`);
  assert.ok(size('widget.js') <= 2 * kKilo, `${size('widget.js')} octets`);
});
