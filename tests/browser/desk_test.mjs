// The desk page in Debian's Chromium: first against the fake gateway, which does on command what a real one does rarely, then
// against a real belfryd with a belfry-sim town around it. Accessibility by axe-core; screenshots go to build/screenshots.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const top = resolve(here, '../..');
const bin = process.env.BELFRY_BIN_DIR ?? join(top, 'build/release/bin');
const pages = resolve(process.env.BELFRY_WEB_OUT ?? join(top, 'build/web'));
const shots = join(top, 'build/screenshots');
const chromiumPath = process.env.CHROMIUM ?? '/usr/bin/chromium';
const kPatienceMs = 15_000;

const missing = [
  [chromiumPath, 'Debian package chromium'],
  [join(pages, 'desk/index.html'), 'npm run build in gateway/web'],
  [join(here, 'node_modules/playwright-core'), 'npm ci in tests/browser'],
].filter(([path]) => !existsSync(path)).map(([path, how]) => `${path} is missing (${how})`);
const missingTown = [join(top, 'loadtest/town'), ...['belfryd', 'belfryctl', 'belfry-sim'].map((name) => join(bin, name))]
  .filter((path) => !existsSync(path)).map((path) => `${path} is missing`);
const skip = missing.length > 0 ? missing.join('; ') : false;
const skipTown = skip || (missingTown.length > 0 ? missingTown.join('; ') : false);

let browser;
let axePath;
let Fake;
before(async () => {
  if (skip) return;
  const { chromium } = await import('playwright-core');
  axePath = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
  Fake = await import('./fake_gateway.mjs');
  mkdirSync(shots, { recursive: true });
  browser = await chromium.launch({ executablePath: chromiumPath, headless: true, args: ['--no-sandbox', '--disable-dev-shm-usage'] });
});
after(() => browser?.close());

// A page that remembers what it must never do: throw, break the CSP, or ask another origin for anything.
async function visit(origin, options = {}) {
  const context = await browser.newContext({ locale: 'en-GB', ignoreHTTPSErrors: true, viewport: { width: 1280, height: 800 }, ...options });
  context.setDefaultTimeout(kPatienceMs);
  await context.addInitScript({ path: axePath });
  await context.addInitScript(() => {
    globalThis.violations = [];
    document.addEventListener('securitypolicyviolation', (event) => globalThis.violations.push(`${event.violatedDirective} ${event.blockedURI}`));
  });
  const page = await context.newPage();
  const wrong = [];
  page.on('pageerror', (error) => wrong.push(error.message));
  page.on('request', (request) => {
    if (!request.url().startsWith(origin) && !request.url().startsWith('data:')) wrong.push(`asked ${request.url()}`);
  });
  await page.goto(`${origin}/desk/`);
  const done = async () => {
    assert.deepEqual(wrong, []);
    assert.deepEqual(await page.evaluate(() => globalThis.violations), []);
    await context.close();
  };
  return { page, done };
}

async function signIn(page, login, password) {
  await page.locator('input[name=login]').fill(login);
  await page.locator('input[name=password]').fill(password);
  await page.keyboard.press('Enter');
}

async function accessible(page, where) {
  const found = await page.evaluate(async () => {
    const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
    const result = await globalThis.axe.run(document, { runOnly: { type: 'tag', values: tags }, resultTypes: ['violations'] });
    if (result.passes.length < 10) throw new Error('axe checked next to nothing');
    return result.violations.map((each) => `${each.id}: ${each.help}: ${each.nodes.map((node) => node.target.join(' ')).join(' | ')}`);
  });
  assert.deepEqual(found, [], where);
}

const fitsItsWidth = async (page, where) => {
  const [wide, shown] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
  assert.ok(wide <= shown, `${where}: ${wide} px in ${shown} px`);
};
const atItsEnd = (log) => log.evaluate((box) => box.scrollHeight - box.scrollTop - box.clientHeight < 5);
const until = async (what, check) => {
  const end = Date.now() + kPatienceMs;
  while (!(await check())) {
    if (Date.now() > end) assert.fail(`never: ${what}`);
    await new Promise((done) => setTimeout(done, 25));
  }
};

async function withFake(use) {
  const gateway = new Fake.FakeGateway();
  await gateway.listen();
  try {
    await use(gateway);
  } finally {
    await gateway.close();
  }
}

test('a day at the desk, by keyboard', { skip, timeout: 120_000 }, () => withFake(async (gateway) => {
  const world = Fake.town(gateway);
  const { page, done } = await visit(gateway.origin);

  await signIn(page, 'ana', 'wrong');
  await page.getByText('The login or the password is wrong.').waitFor();
  await accessible(page, 'the door');
  await signIn(page, 'ana', 'correct horse');
  await page.getByRole('status').filter({ hasText: 'Connected' }).waitFor();
  await page.locator('.line').nth(3).waitFor();
  assert.deepEqual(await page.locator('.line .who bdi').allTextContents(), ['سلمى الحداد', 'João Pereira', 'Анна Соколова', 'Luis Ortega']);
  await accessible(page, 'the list');

  await page.getByRole('radio', { name: 'Ready' }).focus();
  await page.keyboard.press('Space');
  await until('availability', () => gateway.availability === 'ready');

  // Alt+A accepts; the composer has the focus; Shift+Enter is a new line, Enter sends.
  await page.keyboard.press('Alt+KeyA');
  await page.getByRole('heading', { name: 'Grace Muller' }).waitFor();
  const words = page.getByRole('textbox', { name: 'Your reply' });
  await words.waitFor();
  await until('focus in the composer', () => words.evaluate((area) => area === document.activeElement));
  await page.keyboard.type('Please call 112.');
  await page.keyboard.press('Shift+Enter');
  await page.keyboard.type('Help is on its way.');
  await page.keyboard.press('Enter');
  const reply = page.locator('.message.is-out').last();
  await reply.getByText('Queued').waitFor();
  assert.equal(await reply.locator('.words').textContent(), 'Please call 112.\nHelp is on its way.');
  assert.ok(gateway.frames.some((frame) => frame.t === 'typing' && frame.conversation === world.hall.id));
  gateway.receipt(world.hall.id, 2, 'delivered');
  await reply.getByText('Delivered').waitFor();
  gateway.receipt(world.hall.id, 2, 'sent');
  gateway.receipt(world.hall.id, 2, 'read');
  await reply.getByText('Read').waitFor();

  gateway.typing(world.hall.id);
  await page.getByText('Grace Muller is typing…').first().waitFor();
  gateway.write(world.hall.id, { text: 'Thank you!' });
  await page.getByRole('log').getByText('Thank you!').waitFor();
  await until('the page says it was read', () => gateway.frames.some((frame) => frame.t === 'read' && frame.message === 'msg_hall.3'));

  // A refusal is shown beside the message, in the gateway's words, with a way on.
  gateway.refuseNext = { title: 'busy', status: 503, code: 'store_away', detail: 'The store is away; nothing was kept.' };
  await words.fill('Are you safe?');
  await page.keyboard.press('Control+Enter');
  await page.getByRole('alert').filter({ hasText: 'nothing was kept' }).waitFor();
  await accessible(page, 'a refused reply');
  await page.getByRole('button', { name: 'Retry' }).press('Enter');
  await until('the retried reply', () => world.hall.log.some((each) => each.text === 'Are you safe?' && each.dir === 'out'));
  await page.getByRole('button', { name: 'Retry' }).waitFor({ state: 'detached' });

  // Alt+E resolves; what is left is still here.
  await page.keyboard.press('Alt+KeyE');
  await page.getByText('Resolved.').waitFor();
  await page.getByText('This conversation is closed.').waitFor();
  assert.equal(world.hall.state, 'closed');
  await until('the title has the focus', () => page.locator('#thread-title').evaluate((title) => title === document.activeElement));
  await page.keyboard.press('Alt+KeyJ');
  await page.getByRole('heading', { name: 'سلمى الحداد' }).waitFor();
  // The composer takes the focus a moment after the heading is there; a key pressed in between would be its.
  await until('the composer has the focus', () => page.evaluate(() => document.activeElement?.tagName === 'TEXTAREA'));

  await page.getByRole('button', { name: 'Sign out' }).press('Enter');
  await page.locator('input[name=login]').waitFor();
  assert.equal(gateway.sessions.size, 0);
  await done();
}));

test('everything a thread can hold', { skip, timeout: 60_000 }, () => withFake(async (gateway) => {
  Fake.town(gateway);
  const { page, done } = await visit(gateway.origin);
  await signIn(page, 'ana', 'correct horse');
  await page.locator('.line', { hasText: 'João' }).click();
  const log = page.getByRole('log');
  await log.getByText('A que horas, mais ou menos?').waitFor();
  await log.getByText('edited').waitFor();
  assert.equal(await log.getByText('A que hora?').count(), 0, 'the edited words replace the old ones');
  await log.locator('.reactions', { hasText: '♥' }).waitFor();
  await log.getByText('131026: the phone cannot receive this message').waitFor();
  assert.equal(await log.locator('.day').count(), 2);
  assert.equal(await log.locator('img').evaluate((image) => image.decode().then(() => image.naturalWidth)), 480);
  await until('the end is in view, below the picture that came late', () => atItsEnd(log));
  assert.equal(await log.locator('.words').first().getAttribute('dir'), 'auto');
  await accessible(page, 'the thread');

  // The window of this conversation is over: replies are locked and say why, notes are not.
  await page.locator('.line', { hasText: 'Luis' }).click();
  await page.getByText('only an approved template').waitFor();
  assert.equal(await page.getByRole('textbox', { name: 'Your reply' }).evaluate((area) => area.readOnly), true);
  await accessible(page, 'a locked composer');
  await page.getByRole('radio', { name: 'Note' }).check();
  await page.getByRole('textbox', { name: 'A note' }).fill('Call back on Monday');
  await page.keyboard.press('Enter');
  await log.locator('.is-note').getByText('Call back on Monday').waitFor();
  gateway.write('conv_old', { text: '¿Hola?' });
  await page.getByRole('radio', { name: 'Reply' }).check();
  await page.getByText('left to answer freely').waitFor();

  assert.equal(gateway.conversations.get('conv_old').log.at(-2).dir, 'note');
  await done();
}));

test('nothing is lost when the line is: resend, replay, gap, reset, reload', { skip, timeout: 90_000 }, () => withFake(async (gateway) => {
  const { bus } = Fake.town(gateway);
  const { page, done } = await visit(gateway.origin);
  await signIn(page, 'ana', 'correct horse');
  await page.locator('.line', { hasText: 'Анна' }).click();
  const log = page.getByRole('log');
  const words = page.getByRole('textbox', { name: 'Your reply' });
  const sent = (text) => bus.log.filter((each) => each.text === text).length;

  // The answer to a reply is lost with the socket: it is said again and kept once.
  gateway.holdAcks = true;
  gateway.swallow = 1;
  await words.fill('once and only once');
  await page.keyboard.press('Enter');
  await until('the reply', () => sent('once and only once') === 1);
  await log.getByText('Sending…').waitFor();
  gateway.holdAcks = false;
  gateway.drop();
  await log.getByText('Sending…').waitFor({ state: 'detached' });
  assert.equal(sent('once and only once'), 1);
  assert.equal(await log.getByText('once and only once').count(), 1);

  // Words said while the line is down go out when it is back; what the citizen said meanwhile is replayed.
  gateway.away = true;
  gateway.drop();
  await page.getByText('Connecting…').first().waitFor();
  await words.fill('said in the dark');
  await page.keyboard.press('Enter');
  gateway.write(bus.id, { text: 'сказано в темноте' });
  await new Promise((done) => setTimeout(done, 700));
  gateway.away = false;
  await log.getByText('сказано в темноте').waitFor();
  await until('the reply said in the dark', () => sent('said in the dark') === 1);

  // An event that never arrived is noticed by the next one and replayed.
  const hellos = () => gateway.frames.filter((frame) => frame.t === 'hello');
  let before = hellos().length;
  gateway.swallow = 1;
  gateway.write(bus.id, { text: 'потеряно' });
  gateway.write(bus.id, { text: 'после' });
  await log.getByText('потеряно').waitFor();
  assert.equal(hellos().length, before + 1);
  assert.match(hellos().at(-1).last_id, /^\d+$/);

  // Too far behind: the gateway says so, and the log is fetched.
  gateway.away = true;
  gateway.drop();
  await page.getByText('Connecting…').first().waitFor();
  for (let at = 0; at < 5; at += 1) gateway.write(bus.id, { text: `пока никого не было ${at}` });
  gateway.lost = gateway.events.length;
  gateway.away = false;
  await log.getByText('пока никого не было 4').waitFor();
  assert.equal(await log.getByText('пока никого не было').count(), 5);

  // A reload keeps the draft and the place.
  await words.fill('half a sentence');
  await page.reload();
  await words.waitFor();
  assert.equal(await words.inputValue(), 'half a sentence');
  await log.getByText('пока никого не было 4').waitFor();
  const text = await log.locator('.words').allTextContents();
  assert.equal(new Set(text).size, text.length, 'nothing is shown twice');
  await done();
}));

test('offers: declined, withdrawn, taken by somebody faster', { skip, timeout: 60_000 }, () => withFake(async (gateway) => {
  const ask = (id, name) => {
    gateway.add({ id, name, owner: undefined, state: 'queued', channel: 'sms' });
    gateway.write(id, { text: `a question of ${name}` }, true);
  };
  const { page, done } = await visit(gateway.origin);
  await signIn(page, 'ana', 'correct horse');
  await page.getByText('You have no conversations.').waitFor();
  await accessible(page, 'an empty desk');
  ask('conv_1', 'Eva');
  gateway.offer('conv_1');
  await page.getByRole('button', { name: 'Decline Eva' }).press('Enter');
  await page.locator('.offer').waitFor({ state: 'detached' });
  await until('the list has the focus', () => page.locator('nav.list').evaluate((list) => list === document.activeElement));
  await until('declined', () => gateway.conversations.get('conv_1').state === 'queued');

  ask('conv_2', 'Omar');
  gateway.offer('conv_2');
  await page.getByText('Answer within').waitFor();
  gateway.rescind('conv_2', 'agent_lost');
  await page.getByText('The offer was withdrawn.').waitFor();
  gateway.offer('conv_2');
  await page.getByText('Answer within').waitFor();
  gateway.rescind('conv_2', 'timeout');
  await page.getByRole('alert').filter({ hasText: 'You let an offer pass' }).waitFor();
  await accessible(page, 'a missed offer');
  await page.getByRole('radio', { name: 'Ready' }).check();
  await page.getByText('Offer missed').waitFor({ state: 'detached' });

  ask('conv_3', 'Mia');
  gateway.offer('conv_3');
  await page.getByRole('button', { name: 'Accept Mia' }).waitFor();
  Object.assign(gateway.conversations.get('conv_3'), { gen: 9, state: 'active', owner: 'agent_leo' });
  await page.getByRole('button', { name: 'Accept Mia' }).click();
  await page.getByRole('alert').filter({ hasText: 'Already taken by a colleague.' }).waitFor();
  await page.locator('.offer').waitFor({ state: 'detached' });
  await done();
}));

test('a long log opens at its end and gives its older pages on demand', { skip, timeout: 60_000 }, () => withFake(async (gateway) => {
  gateway.add({ id: 'conv_long', name: 'Iris' });
  for (let at = 1; at <= 300; at += 1) gateway.write('conv_long', { dir: at % 3 ? 'in' : 'out', text: `line ${at}`, state: 'stored' }, true);
  const { page, done } = await visit(gateway.origin);
  await signIn(page, 'ana', 'correct horse');
  await page.locator('.line').click();
  const log = page.getByRole('log');
  await log.getByText('line 300').waitFor();
  await until('the end is in view', () => atItsEnd(log));
  assert.equal(await log.locator('.message').count(), 50);
  await log.evaluate((box) => { box.scrollTop = 0; });
  const place = () => log.getByText('line 251', { exact: true }).evaluate((words) => words.getBoundingClientRect().top);
  const before = await place();
  await page.getByRole('button', { name: 'Older messages' }).click();
  await log.getByText('line 201', { exact: true }).waitFor();
  assert.ok(Math.abs(await place() - before) < 60, 'the reader keeps his place');
  gateway.write('conv_long', { text: 'line 301' });
  await log.getByText('line 301').waitFor();
  assert.ok(Math.abs(await place() - before) < 60, 'a new message does not move him either');
  await page.getByRole('button', { name: 'To the newest message' }).click();
  await until('the end is in view', () => atItsEnd(log));
  await done();
}));

for (const [name, options] of Object.entries({
  'wide-light-en': { locale: 'en-GB', colorScheme: 'light', viewport: { width: 1280, height: 800 } },
  'wide-dark-ar': { locale: 'ar', colorScheme: 'dark', viewport: { width: 1280, height: 800 } },
  'middle-dark-ru': { locale: 'ru', colorScheme: 'dark', viewport: { width: 800, height: 700 } },
  'narrow-light-es': { locale: 'es', colorScheme: 'light', viewport: { width: 320, height: 640 }, hasTouch: true },
  'narrow-dark-pt': { locale: 'pt', colorScheme: 'dark', viewport: { width: 320, height: 640 }, hasTouch: true },
  'narrow-light-ar': { locale: 'ar', colorScheme: 'light', viewport: { width: 320, height: 640 }, hasTouch: true },
})) {
  test(`how it looks: ${name}`, { skip, timeout: 60_000 }, () => withFake(async (gateway) => {
    Fake.town(gateway);
    const { page, done } = await visit(gateway.origin, { reducedMotion: 'reduce', ...options });
    const look = async (where) => {
      await page.screenshot({ path: join(shots, `${name}-${where}.png`) });
      await accessible(page, `${name} ${where}`);
      await fitsItsWidth(page, `${name} ${where}`);
    };
    const [html] = await page.evaluate(() => [{ lang: document.documentElement.lang, dir: document.documentElement.dir }]);
    assert.deepEqual(html, { lang: options.locale.slice(0, 2), dir: options.locale === 'ar' ? 'rtl' : 'ltr' });
    await look('1-door');
    await signIn(page, 'ana', 'correct horse');
    await page.locator('.line').nth(3).waitFor();
    await look('2-list');
    await page.locator('.line', { hasText: 'João' }).click();
    await page.getByRole('log').getByText('mais ou menos').waitFor();
    await page.locator('.log[aria-busy="false"]').waitFor();
    await page.locator('.log img').evaluate((image) => image.decode());
    await until('the end is in view', () => atItsEnd(page.getByRole('log')));
    await look('3-thread');
    if (options.viewport.width < 1080) {
      await page.locator('.to-context').click();
      await page.locator('.context .back').waitFor();
      await look('4-context');
      await page.locator('.context .back').click();
    }
    if (options.viewport.width < 720) {
      await page.locator('.thread .back').click();
      await page.locator('.line').first().waitFor();
    }
    await done();
  }));
}

// --- the real thing

async function startTown() {
  const child = spawn(join(top, 'loadtest/town'), ['--fresh', '--rate', '120'], {
    cwd: top, detached: true, stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, BELFRY_BIN: bin, BELFRY_PORT: '0', BELFRY_TLS_PORT: '0', BELFRY_ADMIN_PORT: '0', BELFRY_TOWN: join(top, 'build/town-test'), BELFRY_WEB_DIR: pages },
  });
  const said = {};
  const lines = [];
  const gone = new Promise((resolve) => child.on('exit', resolve));
  const stop = async () => {
    child.kill('SIGTERM');
    const late = setTimeout(() => {
      try {
        process.kill(-child.pid, 'SIGKILL'); // the group that this test started, and no other
      } catch {
        // It has ended meanwhile.
      }
    }, 15_000);
    await gone;
    clearTimeout(late);
  };
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      lines.push(line);
      if (lines.length > 200) lines.shift();
      for (const [, each, more] of line.matchAll(/\b(desk|login|password)=(\S+)/g)) said[each] = more;
    });
  }
  let ended = false;
  void gone.then(() => { ended = true; });
  const end = Date.now() + 60_000;
  while (!(said.desk && said.login && said.password)) {
    if (ended || Date.now() > end) {
      await stop();
      assert.fail(`loadtest/town ${ended ? 'ended' : 'did not say where its desk is'}:\n${lines.join('\n')}`);
    }
    await new Promise((done) => setTimeout(done, 50));
  }
  return { ...said, lines, stop };
}

test('a real belfryd: a citizen writes, the agent answers, the receipts come back', { skip: skipTown, timeout: 180_000 }, async () => {
  const town = await startTown();
  try {
    const origin = new URL(town.desk).origin;
    const { page, done } = await visit(origin);
    await signIn(page, town.login, town.password);
    await page.getByRole('status').filter({ hasText: 'Connected' }).waitFor({ timeout: 30_000 });
    await page.getByRole('radio', { name: 'Ready' }).check();
    // Whoever comes first: an offer to accept, or a conversation already assigned.
    await page.locator('.offer, .line').first().waitFor({ timeout: 60_000 });
    if (await page.locator('.line').count() === 0) {
      await page.locator('.offer .primary').first().click();
      await page.locator('.line').first().waitFor();
    }
    await page.locator('.line').first().click();
    const log = page.getByRole('log');
    await log.locator('.message.is-in').first().waitFor();
    await page.screenshot({ path: join(shots, 'town-thread.png') });
    await accessible(page, 'the town');
    const words = `Thank you, we are looking into it (${Date.now()}).`;
    await page.getByRole('textbox', { name: 'Your reply' }).fill(words);
    await page.keyboard.press('Enter');
    const reply = log.locator('.message.is-out', { hasText: words });
    await reply.waitFor();
    await reply.locator('.receipt.is-sent, .receipt.is-delivered, .receipt.is-read').waitFor({ timeout: 60_000 });
    await page.screenshot({ path: join(shots, 'town-reply.png') });

    // A reload shows the same log: it is the gateway's, not the page's.
    const shown = await log.locator('.words').allTextContents();
    await page.reload();
    await log.locator('.message.is-out', { hasText: words }).waitFor();
    const again = await log.locator('.words').allTextContents();
    assert.deepEqual(again.slice(0, shown.length), shown);
    await done();
  } catch (error) {
    error.message += `\nthe town said:\n${town.lines.slice(-40).join('\n')}`;
    throw error;
  } finally {
    await town.stop();
  }
});
