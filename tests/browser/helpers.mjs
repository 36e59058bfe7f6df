// What the browser tests share: where things lie, how to wait, what every page must hold, and a belfryd of one's own.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer as createSocket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export const here = dirname(fileURLToPath(import.meta.url));
export const top = resolve(here, '../..');
export const bin = resolve(process.env.BELFRY_BIN_DIR ?? join(top, 'build/release/bin'));
export const pages = resolve(process.env.BELFRY_WEB_OUT ?? join(top, 'build/web'));
export const shots = join(top, 'build/screenshots');
const chromiumPath = process.env.CHROMIUM ?? '/usr/bin/chromium';

// Why a test of these pages and programs cannot run here, or false.
export function lacks(pageNames, programs = []) {
  const missing = [
    [chromiumPath, 'Debian package chromium'],
    ...pageNames.map((name) => [join(pages, name, 'index.html'), 'npm run build in gateway/web']),
    [join(here, 'node_modules/playwright-core'), 'npm ci in tests/browser'],
    ...programs.map((name) => [join(bin, name), './dev build']),
  ].filter(([path]) => !existsSync(path)).map(([path, how]) => `${path} is missing (${how})`);
  return missing.length > 0 ? missing.join('; ') : false;
}

export async function launch() {
  const { chromium } = await import('playwright-core');
  mkdirSync(shots, { recursive: true });
  return chromium.launch({ executablePath: chromiumPath, headless: true, args: ['--no-sandbox', '--disable-dev-shm-usage'] });
}

// A page that remembers what it must never do: throw, break its policy, or ask another origin for anything.
export async function visit(browser, address, patienceMs, options = {}) {
  const { origin } = new URL(address);
  const context = await browser.newContext({ locale: 'en-GB', viewport: { width: 1280, height: 800 }, ...options });
  context.setDefaultTimeout(patienceMs);
  await context.addInitScript({ path: createRequire(import.meta.url).resolve('axe-core/axe.min.js') });
  await context.addInitScript(() => {
    globalThis.violations = [];
    document.addEventListener('securitypolicyviolation', (event) => globalThis.violations.push(`${event.violatedDirective} ${event.blockedURI}`));
  });
  const page = await context.newPage();
  const wrong = [];
  page.on('pageerror', (error) => wrong.push(error.message));
  page.on('request', (request) => {
    if (!request.url().startsWith(origin) && !/^(data|blob):/.test(request.url())) wrong.push(`asked ${request.url()}`);
  });
  await page.goto(address);
  const done = async () => {
    assert.deepEqual(wrong, []);
    assert.deepEqual(await page.evaluate(() => globalThis.violations), []);
    await context.close();
  };
  return { page, done };
}

// `more`: rules besides those of WCAG 2.2 AA.
export async function accessible(page, where, more = ['best-practice']) {
  const found = await page.evaluate(async (besides) => {
    const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', ...besides];
    const result = await globalThis.axe.run(document, { runOnly: { type: 'tag', values: tags }, resultTypes: ['violations'] });
    if (result.passes.length < 10) throw new Error('axe checked next to nothing');
    return result.violations.map((each) => `${each.id}: ${each.help}: ${each.nodes.map((node) => node.target.join(' ')).join(' | ')}`);
  }, more);
  assert.deepEqual(found, [], where);
}

export async function fitsItsWidth(page, where) {
  const [wide, shown] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
  assert.ok(wide <= shown, `${where}: ${wide} px in ${shown} px`);
}

export async function until(what, check, patienceMs = 15_000) {
  const end = Date.now() + patienceMs;
  while (!(await check())) {
    if (Date.now() > end) assert.fail(`never: ${what}`);
    await new Promise((done) => setTimeout(done, 25));
  }
}

const freePort = () => new Promise((done) => {
  const server = createSocket().listen(0, '127.0.0.1', () => {
    const { port } = server.address();
    server.close(() => done(port));
  });
});

export const kPassword = 'correct horse battery';

// A belfryd in a directory of its own, with one queue `hall` and one inbox `portal`.
export class Gateway {
  async begin(origins = []) {
    this.dir = mkdtempSync(join(tmpdir(), 'belfry-browser-'));
    this.port = await freePort();
    this.config = join(this.dir, 'belfry.toml');
    this.origin = `http://127.0.0.1:${this.port}`;
    writeFileSync(join(this.dir, 'password'), `${kPassword}\n`, { mode: 0o600 });
    writeFileSync(this.config, `
[server]
state_dir = "${this.dir}/state"
public_url = "${this.origin}"
shards = 1
[listen]
public = ["${this.origin}"]
admin = "http://127.0.0.1:0"
[[queue]]
id = "hall"
name = "Town hall"
[[web]]
id = "portal"
origins = ${JSON.stringify(origins)}
languages = ["en", "ar"]
queue = "hall"
form = ["name"]
`);
    await this.start();
  }
  hire(login, name, ...roles) {
    execFileSync(join(bin, 'belfryctl'), ['--config', this.config, 'agent', 'add', '--login', login, '--name', name, '--queue', 'hall',
      '--password-file', join(this.dir, 'password'), ...roles.flatMap((role) => ['--role', role])], { timeout: 20_000 });
  }
  async start() {
    this.process = spawn(join(bin, 'belfryd'), ['--config', this.config], { stdio: ['ignore', 'pipe', 'ignore'], env: { ...process.env, BELFRY_WEB_DIR: pages } });
    this.ended = new Promise((done) => this.process.once('exit', done));
    await new Promise((ready, failed) => {
      createInterface({ input: this.process.stdout }).on('line', (line) => line.startsWith('listening ') && ready());
      this.process.once('exit', (code) => failed(new Error(`belfryd ended with ${code}`)));
    });
  }
  async kill() {
    this.process.kill('SIGKILL');
    await this.ended;
  }
  async end() {
    this.process.kill('SIGTERM');
    await this.ended;
    rmSync(this.dir, { recursive: true, force: true });
  }

  // A visitor of the web chat who says one thing, over HTTP.
  async citizen(name, text) {
    const say = async (frame, token) => {
      const response = await fetch(`${this.origin}/chat/portal/frames`, {
        method: 'POST', body: JSON.stringify(frame),
        headers: { 'content-type': 'application/json', origin: this.origin, ...(token ? { authorization: `Bearer ${token}` } : {}) },
      });
      assert.ok(response.ok, `${frame.t}: ${response.status} ${await response.clone().text()}`);
      return response.status === 204 ? {} : response.json();
    };
    const welcome = await say({ t: 'hello', inbox: 'portal' });
    const formed = await say({ t: 'form', client_id: randomUUID(), fields: { name } }, welcome.token);
    await say({ t: 'message', client_id: randomUUID(), text }, formed.token ?? welcome.token);
  }
}

export async function signIn(page, login, password = kPassword) {
  await page.locator('input[name=login]').fill(login);
  await page.locator('input[name=password]').fill(password);
  await page.keyboard.press('Enter');
}
