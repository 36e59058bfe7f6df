// The widget and the desk in Debian's Chromium against one real belfryd: a citizen on an agency's page of another origin writes, the agent
// answers, each sees what the other does; and the gateway is killed in the middle.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createSocket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const top = resolve(here, '../..');
const bin = resolve(process.env.BELFRY_BIN_DIR ?? join(top, 'build/release/bin'));
const pages = resolve(process.env.BELFRY_WEB_OUT ?? join(top, 'build/web'));
const shots = join(top, 'build/screenshots');
const chromiumPath = process.env.CHROMIUM ?? '/usr/bin/chromium';
const kPatienceMs = 30_000;
const missing = [chromiumPath, join(pages, 'widget/index.html'), join(pages, 'desk/index.html'), join(here, 'node_modules/playwright-core'),
  ...['belfryd', 'belfryctl'].map((name) => join(bin, name))].filter((path) => !existsSync(path));
const skip = missing.length > 0 ? `missing: ${missing.join(', ')}` : false;

const freePort = () => new Promise((done) => {
  const server = createSocket().listen(0, '127.0.0.1', () => {
    const { port } = server.address();
    server.close(() => done(port));
  });
});

class Gateway {
  async begin(origins) {
    this.dir = mkdtempSync(join(tmpdir(), 'belfry-chat-'));
    this.port = await freePort();
    this.config = join(this.dir, 'belfry.toml');
    this.origin = `http://127.0.0.1:${this.port}`;
    writeFileSync(join(this.dir, 'password'), 'correct horse battery\n', { mode: 0o600 });
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
    execFileSync(join(bin, 'belfryctl'), ['--config', this.config, 'agent', 'add', '--login', 'ana', '--name', 'Ana', '--queue', 'hall',
      '--password-file', join(this.dir, 'password')], { timeout: 20_000 });
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
}

// The agency's own page, elsewhere.
async function agency(gateway) {
  const page = () => `<!doctype html><title>City</title><h1>City of Mill</h1><script async src="${gateway.origin}/widget.js" data-inbox="portal"></script>`;
  const server = createServer((_, response) => response.setHeader('content-type', 'text/html').end(page()));
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  return { origin: `http://127.0.0.1:${server.address().port}`, close: () => server.close() };
}

test('a citizen on an agency’s page, an agent at the desk, and a gateway that falls between them', { skip, timeout: 240_000 }, async () => {
  const { chromium } = await import('playwright-core');
  mkdirSync(shots, { recursive: true });
  const gateway = new Gateway();
  const city = await agency(gateway);
  const browser = await chromium.launch({ executablePath: chromiumPath, headless: true, args: ['--no-sandbox', '--disable-dev-shm-usage'] });
  try {
    await gateway.begin([city.origin]);
    const desk = await (await browser.newContext({ locale: 'en-GB', viewport: { width: 1280, height: 800 } })).newPage();
    desk.setDefaultTimeout(kPatienceMs);
    await desk.goto(`${gateway.origin}/desk/`);
    await desk.locator('input[name=login]').fill('ana');
    await desk.locator('input[name=password]').fill('correct horse battery');
    await desk.keyboard.press('Enter');
    await desk.getByRole('radio', { name: 'Ready' }).check();

    const host = await (await browser.newContext({ locale: 'en-GB', viewport: { width: 420, height: 700 } })).newPage();
    host.setDefaultTimeout(kPatienceMs);
    await host.goto(city.origin);
    // The launcher lives in a closed shadow root: it is reached as a citizen reaches it, by the keyboard.
    await host.waitForFunction(() => globalThis.Belfry !== undefined);
    await host.keyboard.press('Tab');
    await host.keyboard.press('Enter');
    const frame = () => host.frames().find((each) => each.url().startsWith(gateway.origin));
    for (const end = Date.now() + kPatienceMs; frame() === undefined;) {
      assert.ok(Date.now() < end, 'the conversation’s frame never came');
      await new Promise((done) => setTimeout(done, 50));
    }
    const chat = frame();
    await chat.locator('input[name=name]').fill('Grace');
    await host.keyboard.press('Enter');
    await chat.locator('textarea').fill('There is no water in Mill Street');
    await host.keyboard.press('Enter');
    const log = chat.getByRole('log');
    await log.getByText('There is no water in Mill Street').waitFor();

    await desk.locator('.offer .primary').first().click();
    await desk.locator('.line').first().click();
    await desk.getByRole('log').getByText('There is no water in Mill Street').waitFor();
    await desk.getByRole('heading', { name: 'Grace' }).first().waitFor();
    const reply = desk.getByRole('textbox', { name: 'Your reply' });
    await reply.fill('A team is on its way');
    await desk.keyboard.press('Enter');
    await log.getByText('A team is on its way').waitFor();
    await desk.locator('.message.is-out .receipt.is-read').waitFor(); // his page shows it, so it is read

    // It falls, and both sides write while it is away: all of it arrives, once.
    await gateway.kill();
    await chat.locator('textarea').fill('Are you there?');
    await host.keyboard.press('Enter');
    await gateway.start();
    await desk.getByRole('log').getByText('Are you there?').waitFor({ timeout: 90_000 });
    await reply.fill('Yes, we are');
    await desk.keyboard.press('Enter');
    await log.getByText('Yes, we are').waitFor({ timeout: 90_000 });
    for (const words of ['There is no water in Mill Street', 'Are you there?']) {
      assert.equal(await desk.getByRole('log').getByText(words).count(), 1, words);
      assert.equal(await log.getByText(words).count(), 1, words);
    }
    await host.screenshot({ path: join(shots, 'chat-agency.png') });
    await desk.screenshot({ path: join(shots, 'chat-desk.png') });
  } finally {
    await browser.close();
    city.close();
    await gateway.end();
  }
});
