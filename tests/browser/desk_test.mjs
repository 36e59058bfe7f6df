// The desk page in Debian's Chromium: first against the fake gateway, which does on command what a real one does rarely, then
// against a real belfryd with a belfry-sim town around it. Accessibility by axe-core; screenshots go to build/screenshots.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { accessible, fitsItsWidth, launch, until } from './helpers.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const top = resolve(here, '../..');
const bin = process.env.BELFRY_BIN_DIR ?? join(top, 'build/release/bin');
const pages = resolve(process.env.BELFRY_WEB_OUT ?? join(top, 'build/web'));
const shots = join(top, 'build/screenshots');
const chromiumPath = process.env.CHROMIUM ?? '/usr/bin/chromium';
const kPatienceMs = 15_000;
const townHome = process.env.BELFRY_TOWN ?? join(top, 'build/town-test');

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
  axePath = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
  Fake = await import('./fake_gateway.mjs');
  browser = await launch();
});
after(() => browser?.close());

// A page that remembers what it must never do: throw, break the CSP, or ask another origin for anything.
// Its replies go out at once, unless the test is about taking them back.
async function visit(origin, { undo = false, ...options } = {}) {
  const context = await browser.newContext({ locale: 'en-GB', ignoreHTTPSErrors: true, viewport: { width: 1280, height: 800 }, ...options });
  context.setDefaultTimeout(kPatienceMs);
  await context.addInitScript({ path: axePath });
  await context.addInitScript(() => {
    globalThis.violations = [];
    document.addEventListener('securitypolicyviolation', (event) => globalThis.violations.push(`${event.violatedDirective} ${event.blockedURI}`));
  });
  await context.addInitScript((value) => {
    if (!localStorage.getItem('belfry.desk.settings')) localStorage.setItem('belfry.desk.settings', JSON.stringify({ undo: value }));
  }, undo);
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

const atItsEnd = (log) => log.evaluate((box) => box.scrollHeight - box.scrollTop - box.clientHeight < 5);
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
  await page.locator('#thread-title', { hasText: 'Grace Muller' }).waitFor();
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
  await page.locator('#thread-title', { hasText: 'سلمى الحداد' }).waitFor();
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
  await page.locator('.composer').getByText('left to answer freely').waitFor();

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
  await page.getByRole('alert').filter({ hasText: 'Already taken by Leo Brandt.' }).waitFor();
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
  const place = (words) => log.getByText(words, { exact: true }).evaluate((each) => each.getBoundingClientRect().top);
  // Whoever reads upwards gets the older ones before he is at the top, and keeps his place.
  await log.evaluate((box) => { box.scrollTop = 250; });
  await until('the older ones', () => gateway.asked.some((each) => each.includes('after=50&') || each.includes('after=50')));
  await until('they are drawn above', () => log.evaluate((box) => box.scrollTop > 2000));
  const seen = await log.evaluate((box) => {
    const top = box.getBoundingClientRect().top;
    return [...box.querySelectorAll('.words')].find((each) => each.getBoundingClientRect().top > top).textContent;
  });
  assert.ok(Number(seen.slice(5)) >= 251 && Number(seen.slice(5)) < 260, `the reader was moved to ${seen}`);
  const before = await place(seen);
  gateway.write('conv_long', { text: 'line 301' });
  await log.getByText('line 301').waitFor({ state: 'attached' });
  assert.ok(Math.abs(await place(seen) - before) < 60, 'a new message does not move him either');
  await page.getByRole('button', { name: 'To the newest message' }).click();
  await until('the end is in view', () => atItsEnd(log));
  await log.getByText('line 301').waitFor();
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

// --- what an agent does with conversations, and how he writes

const heard = (gateway, kind) => gateway.frames.filter((frame) => frame.t === kind);
const composing = (page) => until('the composer has the focus', () => page.evaluate(() => document.activeElement?.tagName === 'TEXTAREA'));
async function atDesk(gateway, options = {}, look = undefined) {
  const visited = await visit(gateway.origin, options);
  await signIn(visited.page, 'ana', 'correct horse');
  await visited.page.locator('.connection.is-open').waitFor();
  if (look) await visited.page.locator('.line', { hasText: look }).click();
  return visited;
}

test('transfer, park, merge, wrap-up and the rest, from the palette and by key', { skip, timeout: 90_000 }, () => withFake(async (gateway) => {
  const { lamp, bus, water } = Fake.town(gateway);
  gateway.wrapup = true;
  const { page, done } = await atDesk(gateway, {}, 'João');
  const dialog = page.getByRole('dialog');
  await composing(page);

  // Transfer to a colleague, warm, with a note, by keyboard alone.
  await page.keyboard.press('Alt+KeyT');
  await dialog.getByText('The citizen’s place in line is kept.').waitFor();
  await accessible(page, 'the transfer form');
  await page.keyboard.press('ArrowDown');
  await dialog.locator('select[name=agent]').waitFor();
  assert.match(await dialog.locator('select[name=agent]').locator('option').first().textContent(), /^Leo Brandt: Ready, 1 of 5$/);
  await dialog.locator('select[name=agent]').selectOption('agent_leo');
  await dialog.getByLabel('Keep it until the other accepts').check();
  await dialog.getByLabel('A note for whoever gets it').fill('Asks about the lamp.');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await dialog.waitFor({ state: 'detached' });
  await until('the transfer', () => heard(gateway, 'transfer').length === 1);
  assert.deepEqual(heard(gateway, 'transfer')[0].to, { agent: 'agent_leo' });
  assert.equal(heard(gateway, 'transfer')[0].warm, true);
  assert.ok(gateway.frames.findIndex((frame) => frame.t === 'note') < gateway.frames.findIndex((frame) => frame.t === 'transfer'), 'the note goes first');
  await page.getByText('Leo Brandt is asked to take it over.').waitFor();

  // Ctrl+K finds an action by some of its letters, and a citizen by his name.
  await page.keyboard.press('Control+KeyK');
  await dialog.getByRole('combobox').fill('par');
  await accessible(page, 'the palette');
  await page.screenshot({ path: join(shots, 'palette.png') });
  await page.keyboard.press('Enter');
  await dialog.getByText('In one hour').waitFor();
  await page.screenshot({ path: join(shots, 'park.png') });
  await page.keyboard.press('Enter');
  await until('the parking', () => lamp.state === 'parked');
  assert.ok(Date.parse(heard(gateway, 'park')[0].until) > Date.now() + 50 * 60e3);
  await page.locator('.locked', { hasText: 'Parked' }).waitFor();
  await page.keyboard.press('Control+KeyK');
  await dialog.getByRole('combobox').fill('анна');
  await page.keyboard.press('Enter');
  await page.locator('#thread-title', { hasText: 'Анна' }).waitFor();
  await composing(page);

  // Resolve goes to wrap-up with its countdown; a second time ends it.
  await page.keyboard.press('Alt+KeyE');
  await page.locator('.standing', { hasText: /Wrapping up: 0:5\d left/ }).waitFor();
  await accessible(page, 'the wrap-up');
  await page.reload();
  await page.locator('.standing', { hasText: /Wrapping up: 0:[45]\d left/ }).waitFor();
  await page.getByRole('button', { name: 'Finish' }).click();
  await until('the end', () => bus.state === 'closed');

  // Resolve and the next; spam has no wrap-up.
  await page.locator('.line', { hasText: 'سلمى' }).click();
  await composing(page);
  await page.keyboard.press('Control+Alt+KeyE');
  await until('the next one', () => water.state === 'wrapup');
  await page.locator('#thread-title', { hasText: 'Luis' }).waitFor();
  await page.keyboard.press('Alt+KeyX');
  await until('spam', () => heard(gateway, 'resolve').some((frame) => frame.code === 'spam' && frame.conversation === 'conv_old'));
  await page.getByRole('button', { name: 'Reopen' }).click();
  await dialog.getByRole('button', { name: 'Reopen' }).click();
  await until('reopened', () => gateway.conversations.get('conv_old').state === 'queued');

  // A pause has a reason.
  await page.keyboard.press('Alt+Digit2');
  await dialog.getByLabel('Lunch').check();
  await page.keyboard.press('Enter');
  await until('the pause', () => heard(gateway, 'availability').some((frame) => frame.value === 'paused' && frame.reason === 'lunch'));
  await done();
}));

test('the composer knows its channel', { skip, timeout: 90_000 }, () => withFake(async (gateway) => {
  const { bus, lamp } = Fake.town(gateway);
  const { page, done } = await atDesk(gateway, {}, 'Анна');
  const words = page.getByRole('textbox', { name: 'Your reply' });

  // SMS: how many, how dear, and because of what.
  await words.fill('Good day');
  await page.getByText('1 SMS · GSM7 · 152 left in the last one').waitFor();
  await words.fill('Good day, Анна');
  await page.getByText('These make it cost more: “А” “н” “а”').waitFor();
  await accessible(page, 'an SMS');

  // `/` offers ready replies of this queue, filled in; what is not known holds the message back.
  await words.fill('');
  await words.pressSequentially('/gr');
  await page.getByRole('option', { name: '/greeting' }).waitFor();
  await accessible(page, 'suggestions');
  await page.keyboard.press('Enter');
  await until('the greeting', async () => await words.inputValue() === 'Good morning Анна Соколова, this is Ana Duarte of Town hall.');
  await words.fill('/');
  assert.equal(await page.getByRole('option', { name: '/water' }).count(), 0, 'of another queue');
  await words.pressSequentially('str');
  await page.keyboard.press('Tab');
  await page.getByText('{street} is no placeholder that we know.').waitFor();
  await page.keyboard.press('Enter');
  assert.equal(bus.log.at(-1).dir, 'out');
  assert.equal(bus.log.length, 2, 'it was held back');
  await page.keyboard.type('Station Road');
  await until('the hole was chosen', async () => await words.inputValue() === 'We will come to Station Road today.');
  await page.keyboard.press('Enter');
  await until('the reply', () => bus.log.some((each) => each.text === 'We will come to Station Road today.'));

  // An uncertain message leaves the choice to the agent.
  const doubtful = page.locator('.message', { hasText: 'каждые 30 минут' });
  await doubtful.getByRole('button', { name: 'Leave it' }).click();
  await doubtful.getByRole('button', { name: 'Leave it' }).waitFor({ state: 'detached' });

  // A note names a colleague.
  await page.keyboard.press('Alt+KeyP');
  await page.getByRole('textbox', { name: 'A note' }).pressSequentially('@le');
  await page.getByRole('option', { name: 'Leo Brandt' }).waitFor();
  await page.keyboard.press('Enter');
  await page.keyboard.type('please look');
  await page.keyboard.press('Enter');
  await until('the note', () => bus.log.at(-1).text === '@Leo Brandt please look');

  // WhatsApp: buttons, a file with its progress, and what is too large.
  await page.locator('.line', { hasText: 'João' }).click();
  await composing(page);
  await page.keyboard.press('Alt+KeyB');
  await page.getByLabel('Button 1').fill('Yes');
  await page.getByLabel('Button 2').fill('No');
  await page.keyboard.press('Enter');
  await page.locator('.attached', { hasText: 'Yes' }).waitFor();
  await words.fill('Is the lamp on again?');
  await page.keyboard.press('Enter');
  await until('the buttons', () => heard(gateway, 'reply').some((frame) => frame.buttons?.buttons.length === 2 && frame.text === 'Is the lamp on again?'));
  await page.locator('#file').setInputFiles({ name: 'plan.pdf', mimeType: 'application/pdf', buffer: Buffer.alloc(50_000, 1) });
  await page.locator('.attached', { hasText: 'plan.pdf' }).waitFor();
  await until('the upload', () => gateway.uploads.length === 1);
  await words.fill('The plan');
  await until('it can be sent', async () => await page.getByRole('button', { name: 'Send', exact: true }).getAttribute('aria-disabled') === 'false');
  await page.keyboard.press('Enter');
  await until('the file', () => heard(gateway, 'reply').some((frame) => frame.media?.kind === 'document' && frame.media.filename === 'plan.pdf' && frame.text === 'The plan'));
  gateway.refuseUpload = true;
  await page.locator('#file').setInputFiles({ name: 'big.pdf', mimeType: 'application/pdf', buffer: Buffer.alloc(1000, 1) });
  await page.getByText('The file is larger than 100 MiB. Send a smaller one.').waitFor();
  await page.getByRole('button', { name: 'Remove the file' }).click();

  // A failed message says why in words, and can be sent again.
  await page.getByText('This phone cannot receive it').waitFor();
  const before = lamp.log.length;
  await page.locator('.message', { hasText: 'O número do pedido' }).getByRole('button', { name: 'Retry' }).click();
  await until('sent again', () => lamp.log.length === before + 1);

  // The window is over: a template is what can be sent.
  await page.locator('.line', { hasText: 'Luis' }).click();
  await page.getByRole('button', { name: 'Send a template' }).click();
  await page.getByLabel('Its name').fill('appointment_reminder');
  await page.getByLabel('Its language').fill('es');
  await page.getByLabel('Its parameters, one a line').fill('Luis\n10:30');
  await page.screenshot({ path: join(shots, 'template.png') });
  await page.getByRole('dialog').getByRole('button', { name: 'Send' }).click();
  await until('the template', () => heard(gateway, 'reply').some((frame) => frame.template?.name === 'appointment_reminder' && frame.template.parameters[1] === '10:30'));
  await done();
}));

test('five seconds to take a reply back', { skip, timeout: 60_000 }, () => withFake(async (gateway) => {
  const { bus } = Fake.town(gateway);
  const { page, done } = await atDesk(gateway, { undo: true }, 'Анна');
  const words = page.getByRole('textbox', { name: 'Your reply' });
  await words.fill('too quick');
  await page.keyboard.press('Enter');
  await page.getByText(/Goes out in [45] s/).waitFor();
  await accessible(page, 'a held reply');
  await page.keyboard.press('Alt+KeyZ');
  await until('it is a draft again', async () => await words.inputValue() === 'too quick');
  await words.fill('well thought of');
  await page.keyboard.press('Enter');
  await until('it goes out', () => bus.log.at(-1).text === 'well thought of');
  assert.ok(!bus.log.some((each) => each.text === 'too quick'));
  // What is done next does not wait for it, and does not overtake it.
  await words.fill('goodbye');
  await page.keyboard.press('Enter');
  await page.keyboard.press('Alt+KeyE');
  await until('resolved', () => bus.state === 'closed');
  assert.equal(bus.log.at(-1).text, 'goodbye');
  await done();
}));

test('the citizen: who, history, numbers, and what came before in the thread', { skip, timeout: 60_000 }, () => withFake(async (gateway) => {
  const { lamp } = Fake.town(gateway);
  gateway.said['msg_send.1'] = { id: 'msg_send.1', n: 1, dir: 'out', type: 'text', text: 'Amanhã não há água entre as 9 e as 11.', at: new Date(Date.now() - 3 * 86400e3).toISOString(), state: 'delivered' };
  lamp.answers = 'msg_send.1';
  const { page, done } = await atDesk(gateway, { viewport: { width: 1500, height: 900 } }, 'João');
  const context = page.getByRole('complementary');
  await context.getByText('+49 30 1234567').waitFor();
  await context.getByText('district').waitFor();
  await context.getByText('water · 3').waitFor();
  await page.getByRole('log').getByText('Amanhã não há água').waitFor({ state: 'attached' });
  await page.getByRole('button', { name: /Show what came before: SMS/ }).click();
  await page.getByRole('log').getByText('A rua está sem luz outra vez.').waitFor({ state: 'attached' });
  await page.locator('.log').evaluate((box) => { box.scrollTop = 0; });
  await page.screenshot({ path: join(shots, 'context.png') });
  await accessible(page, 'the context');
  await context.getByRole('button', { name: 'Note a number' }).click();
  await page.getByRole('dialog').getByLabel('Phone number').fill('+351 21 000 0000');
  await page.keyboard.press('Enter');
  await until('the number', () => gateway.changes.some((each) => each.verb === 'numbers' && each.conversation === 'conv_lamp'));
  await context.getByRole('button', { name: 'Same person', exact: true }).first().click();
  await page.getByRole('dialog').getByLabel(/^Reason/).fill('He said so');
  await page.keyboard.press('Enter');
  await until('linked', () => gateway.changes.some((each) => each.verb === 'merge' && each.with === 'contact_twin' && each.reason === 'He said so'));
  await context.getByRole('button', { name: 'Show what is older' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Show it' }).click();
  await page.getByRole('alert').filter({ hasText: '“Reason” is needed' }).waitFor();
  await page.keyboard.type('The same complaint');
  await page.keyboard.press('Enter');
  await until('unfolded', () => gateway.changes.some((each) => each.verb === 'unfold'));
  await context.getByRole('button', { name: 'Go on by another channel' }).first().click();
  await page.getByRole('dialog').getByLabel(/SMS/).waitFor();
  await page.getByRole('dialog').getByRole('button', { name: 'Go on there' }).click();
  await until('switched', () => lamp.channel === 'sms');
  await context.getByRole('button', { name: 'Change the attributes' }).click();
  await page.getByLabel('Name: value').fill('district: Norte');
  await page.getByRole('dialog').getByRole('button', { name: 'Save' }).click();
  await context.getByText('Norte').waitFor();
  await done();
}));

test('waiting and all: read by agents, taken by supervisors, hidden where refused', { skip, timeout: 60_000 }, () => withFake(async (gateway) => {
  Fake.town(gateway);
  const waits = gateway.add({ id: 'conv_w', name: 'Nadia', owner: null, state: 'queued', channel: 'sms', sla: { first_reply: { state: 'predicted', due: new Date(Date.now() + 90e3).toISOString() } } });
  gateway.write(waits.id, { text: 'Is anybody there?' }, true);
  gateway.roles = ['agent', 'supervisor'];
  const { page, done } = await atDesk(gateway);
  await page.getByRole('button', { name: /^Waiting/ }).click();
  await page.locator('.line', { hasText: 'Nadia' }).getByText(/first reply in 1:/).waitFor();
  await page.locator('.queues', { hasText: 'Town hall' }).waitFor();
  await accessible(page, 'who waits');
  await page.screenshot({ path: join(shots, 'waiting.png') });
  await page.locator('.line', { hasText: 'Nadia' }).click();
  await page.getByRole('log').getByText('Is anybody there?').waitFor();
  await page.getByRole('button', { name: 'Take it' }).click();
  await until('taken', () => waits.owner === 'agent_ana');
  await page.getByRole('textbox', { name: 'Your reply' }).waitFor();
  await page.keyboard.press('Alt+KeyN');
  await until('all', () => page.getByRole('button', { name: /^All/ }).evaluate((each) => each.getAttribute('aria-pressed') === 'true'));
  await page.locator('.line', { hasText: 'Grace' }).click();
  await page.keyboard.press('Control+Alt+KeyG');
  await page.getByRole('dialog').getByRole('button', { name: 'Offer to an agent' }).click();
  await until('assigned', () => heard(gateway, 'assign').length === 1);
  await done();

  gateway.roles = ['agent'];
  gateway.hidden = true;
  const second = await atDesk(gateway);
  await second.page.getByRole('button', { name: /^Waiting/ }).click();
  await second.page.getByRole('button', { name: /^Waiting/ }).waitFor({ state: 'detached' });
  await second.page.locator('.line').first().waitFor();
  await second.done();
}));

test('a frozen socket: the screen says that it is old before anything looks alive', { skip, timeout: 60_000 }, () => withFake(async (gateway) => {
  Fake.town(gateway);
  const { page, done } = await atDesk(gateway, {}, 'João');
  gateway.deaf = true;
  // The page slept for 40 minutes; its socket is still open, and nobody answers.
  await page.evaluate(() => {
    const real = Date.now.bind(Date);
    Date.now = () => real() + 40 * 60_000;
  });
  await page.getByText('What you see may be old').waitFor();
  await page.screenshot({ path: join(shots, 'stale.png') });
  await accessible(page, 'a stale screen');
  assert.equal(await page.locator('.offer .primary').getAttribute('aria-disabled'), 'true');
  gateway.deaf = false;
  gateway.drop();
  await page.getByText('What you see may be old').waitFor({ state: 'detached' });
  await page.locator('.connection.is-open').waitFor();
  await done();
}));

test('keys: shown, changed, switched off, kept', { skip, timeout: 60_000 }, () => withFake(async (gateway) => {
  Fake.town(gateway);
  const { page, done } = await atDesk(gateway, {}, 'João');
  await composing(page);
  await page.keyboard.press('Alt+Slash');
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('button', { name: 'Change the key of “Park”, now Alt+M' }).press('Enter');
  await dialog.getByText('Press a key…').waitFor();
  await page.keyboard.press('KeyM');
  await dialog.getByText('A key needs Alt or Ctrl with it').waitFor();
  await page.keyboard.press('Alt+KeyJ');
  await dialog.getByText('Alt+J is set; “Next conversation” has no key now.').waitFor();
  await accessible(page, 'the keys');
  await page.screenshot({ path: join(shots, 'keys.png') });
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'detached' });
  await page.reload();
  await page.getByRole('textbox', { name: 'Your reply' }).waitFor();
  await page.keyboard.press('Alt+KeyJ');
  await dialog.getByText('In one hour').waitFor();
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'detached' });
  await page.locator('#thread-title').evaluate((title) => title.focus());
  await page.keyboard.press('Shift+Slash');
  await dialog.getByRole('checkbox', { name: 'Use keys for actions' }).uncheck();
  await page.keyboard.press('Escape');
  await page.keyboard.press('Alt+KeyJ');
  await page.keyboard.press('Control+KeyK');
  assert.equal(await dialog.count(), 0);
  await done();
}));

// The key's place counts, not what the layout writes on it.
async function typeAs(page, key, code, modifiers) {
  const session = await page.context().newCDPSession(page);
  for (const type of ['rawKeyDown', 'keyUp']) await session.send('Input.dispatchKeyEvent', { type, key, code, modifiers, windowsVirtualKeyCode: code.charCodeAt(3) });
  await session.detach();
}
const kAlt = 1;
for (const [locale, keys, dir] of [['en-GB', 'aJpe', 'ltr'], ['es', 'aJpe', 'ltr'], ['pt', 'aJpe', 'ltr'], ['ru', 'фозу', 'ltr'], ['ar', 'شتحث', 'rtl']]) {
  test(`by keyboard alone: ${locale}`, { skip, timeout: 60_000 }, () => withFake(async (gateway) => {
    const { hall } = Fake.town(gateway);
    const { page, done } = await visit(gateway.origin, { locale });
    await page.keyboard.press('Tab');
    await page.locator('input[name=login]').focus();
    await page.keyboard.type('ana');
    await page.keyboard.press('Tab');
    await page.keyboard.type('correct horse');
    await page.keyboard.press('Enter');
    await page.locator('.offer').waitFor();
    assert.equal(await page.evaluate(() => document.documentElement.dir), dir);
    await typeAs(page, keys[0], 'KeyA', kAlt);
    await page.locator('#thread-title', { hasText: 'Grace' }).waitFor();
    await composing(page);
    await page.keyboard.insertText('Спасибо · شكرا · gracias');
    await page.keyboard.press('Enter');
    await until('the reply', () => hall.log.some((each) => each.dir === 'out'));
    await typeAs(page, keys[2], 'KeyP', kAlt);
    await until('note mode', () => page.locator('.composer.is-note').count());
    await page.keyboard.insertText('nota');
    await page.keyboard.press('Enter');
    await until('the note', () => hall.log.some((each) => each.dir === 'note'));
    await page.keyboard.press('Control+KeyK');
    await page.getByRole('dialog').getByRole('combobox').waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    await until('the focus is back', () => page.evaluate(() => document.activeElement?.tagName === 'TEXTAREA'));
    await typeAs(page, keys[3], 'KeyE', kAlt);
    await until('resolved', () => hall.state === 'closed');
    await typeAs(page, keys[1], 'KeyJ', kAlt);
    await composing(page);
    await page.keyboard.press('Alt+Slash');
    await page.locator('.keys').waitFor();
    await page.screenshot({ path: join(shots, `keys-${locale}.png`) });
    await accessible(page, `the keys in ${locale}`);
    await done();
  }));
}

test('500 conversations and 5,000 messages', { skip, timeout: 120_000 }, () => withFake(async (gateway) => {
  for (let at = 0; at < 500; at += 1) {
    gateway.add({ id: `conv_m${at}`, name: at === 0 ? 'Longest Log' : `Citizen ${at}` });
    gateway.write(`conv_m${at}`, { text: `question ${at}`, at: new Date(Date.now() - (500 - at) * 60e3).toISOString() }, true);
  }
  const long = gateway.conversations.get('conv_m0');
  for (let at = 2; at <= 5000; at += 1) gateway.write(long.id, { dir: at % 3 ? 'in' : 'out', text: `line ${at} ${'and more words '.repeat(at % 7)}`, at: new Date(Date.now() - (5000 - at) * 30e3).toISOString() }, true);
  const { page, done } = await atDesk(gateway);
  await page.locator('.line').first().waitFor();
  assert.ok(await page.locator('.line').count() < 120, 'only what is near is drawn');
  const logs = () => gateway.asked.filter((each) => each.includes('/messages?')).length;
  await until('all logs are here', () => logs() >= 500, 40_000);
  await page.keyboard.press('Control+KeyK');
  await page.keyboard.type('longest');
  await page.keyboard.press('Enter');
  await page.locator('.line[aria-current]', { hasText: 'Longest' }).waitFor();
  await page.getByRole('log').getByText('line 5000').waitFor();
  // From navigation to a typed character.
  gateway.asked = [];
  const began = Date.now();
  await page.reload({ waitUntil: 'commit' });
  const words = page.getByRole('textbox', { name: 'Your reply' });
  await words.waitFor();
  await words.press('x');
  await until('the character', async () => await words.inputValue() === 'x');
  const typedMs = Date.now() - began;
  // All of the log, as a reader who scrolls up gets it.
  await page.getByRole('log').getByText('line 5000').waitFor();
  const log = page.getByRole('log');
  await until('all logs are here again', () => logs() >= 500, 40_000);
  await until('all 5,000 are here', async () => {
    await log.evaluate((box) => { box.scrollTop = 0; });
    return (await log.locator('.piece').count()) >= 250;
  }, 40_000);
  assert.ok(await log.locator('.message').count() < 400, 'only what is near is drawn');
  const frames = await log.evaluate(async (box) => {
    const times = [];
    let last = performance.now();
    box.scrollTop = 0;
    for (let at = 0; at < 300; at += 1) {
      await new Promise((done) => requestAnimationFrame(done));
      const now = performance.now();
      times.push(now - last);
      last = now;
      box.scrollTop += 200;
    }
    return times;
  });
  frames.sort((a, b) => a - b);
  console.log(`typed character after ${typedMs} ms; frames: median ${frames[150].toFixed(1)} ms, longest ${frames.at(-1).toFixed(1)} ms, over 50 ms: ${frames.filter((each) => each > 50).length} of ${frames.length}`);
  assert.ok(await log.evaluate((box) => box.scrollTop) > 5_000);
  await done();
}));

// --- the real thing

async function startTown() {
  const child = spawn(join(top, 'loadtest/town'), ['--fresh', '--rate', '120'], {
    cwd: top, detached: true, stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, BELFRY_BIN: bin, BELFRY_PORT: '0', BELFRY_TLS_PORT: '0', BELFRY_ADMIN_PORT: '0', BELFRY_TOWN: townHome, BELFRY_WEB_DIR: pages },
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

// Another agent of the town; the town's own belfryctl makes him.
function hire(town, login, name, roles) {
  const file = join(townHome, `${login}_password`);
  writeFileSync(file, `${login} has a long password\n`);
  const made = spawnSync(join(bin, 'belfryctl'), ['--config', join(townHome, 'belfry.toml'), 'agent', 'add', '--login', login, '--name', name, '--queue', 'city', '--password-file', file, ...roles.flatMap((role) => ['--role', role])], { encoding: 'utf8' });
  assert.equal(made.status, 0, made.stderr + made.stdout);
  return { login, password: `${login} has a long password` };
}
async function atTown(town, login = town.login, password = town.password) {
  const visited = await visit(new URL(town.desk).origin);
  await signIn(visited.page, login, password);
  await visited.page.locator('.connection.is-open').waitFor({ timeout: 30_000 });
  return visited;
}
async function withTown(use) {
  const town = await startTown();
  try {
    await use(town);
  } catch (error) {
    error.message += `\nthe town said:\n${town.lines.slice(-40).join('\n')}`;
    throw error;
  } finally {
    await town.stop();
  }
}

test('a real belfryd: two click at the same time, and one has it', { skip: skipTown, timeout: 120_000 }, () => withTown(async (town) => {
  const bea = hire(town, 'bea', 'Bea Lund', ['agent', 'supervisor']);
  const ana = await atTown(town);
  const boss = await atTown(town, bea.login, bea.password);
  await ana.page.getByRole('radio', { name: 'Ready' }).check();
  await ana.page.locator('.offer').first().waitFor({ timeout: 60_000 });
  const name = await ana.page.locator('.offer .who bdi').first().textContent();
  await boss.page.getByRole('button', { name: /^All/ }).click();
  const line = boss.page.locator('.line', { hasText: name }).filter({ hasText: 'offered' }).first();
  await line.waitFor({ timeout: 30_000 });
  await line.click();
  await boss.page.getByRole('button', { name: 'Take it' }).waitFor();
  const accept = ana.page.locator('.offer', { has: ana.page.locator('bdi', { hasText: name }) }).first().locator('.primary');
  await Promise.all([accept.click(), boss.page.getByRole('button', { name: 'Take it' }).click()]);
  // One of them writes; the other is told, and has nothing.
  const writes = (page) => page.locator('#thread-title', { hasText: name }).count().then(async (open) => open > 0 && await page.getByRole('textbox', { name: 'Your reply' }).count() > 0);
  await until('one has it', async () => await writes(ana.page) || await writes(boss.page));
  await until('the other knows', async () => (await ana.page.locator('.notice').count()) + (await boss.page.locator('.notice').count()) > 0);
  const said = [...await ana.page.locator('.notice').allTextContents(), ...await boss.page.locator('.notice').allTextContents()].join(' ');
  assert.match(said, /Already taken by|withdrawn|moved on|has it/);
  await until('only one has it', async () => [await writes(ana.page), await writes(boss.page)].filter(Boolean).length === 1);
  await ana.done();
  await boss.done();
}));

test('a real belfryd: an agent answers 20 conversations', { skip: skipTown, timeout: 180_000 }, () => withTown(async (town) => {
  const { page, done } = await atTown(town);
  await page.keyboard.press('Alt+Digit1');
  await page.getByRole('radio', { name: 'Ready' }).and(page.locator(':checked')).waitFor();
  for (let at = 0; at < 20; at += 1) {
    await page.locator('.offer').first().waitFor({ timeout: 60_000 });
    await page.keyboard.press('Alt+KeyA');
    const log = page.getByRole('log');
    await log.locator('.message.is-in').first().waitFor();
    await composing(page);
    const words = `Answer ${at + 1}: we are looking into it.`;
    await page.keyboard.type(words);
    await page.keyboard.press('Enter');
    await log.locator('.message.is-out:not(.is-pending)', { hasText: words }).waitFor();
    const id = await log.locator('.message.is-out', { hasText: words }).getAttribute('data-id');
    await page.keyboard.press('Alt+KeyE');
    await page.locator('.standing', { hasText: 'Wrapping up' }).or(page.getByText('This conversation is closed.')).first().waitFor();
    await page.keyboard.press('Alt+KeyE');
    await page.getByText('This conversation is closed.').or(page.getByText('moved on')).first().waitFor();
    if (at === 19) assert.match(id, /^msg_/);
  }
  await accessible(page, 'after twenty');
  await page.screenshot({ path: join(shots, 'town-twenty.png') });
  await done();
}));

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
