// The console in Debian's Chromium against a real belfryd: a supervisor sees what waits and acts on it, an administrator changes what
// there is, in five languages, by keyboard, accessible; screenshots go to build/screenshots.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { accessible, fitsItsWidth, Gateway, lacks, launch, shots, signIn, top, until, visit } from './helpers.mjs';

const kPatienceMs = 15_000;
const skip = lacks(['console'], ['belfryd', 'belfryctl']);
const words = Object.fromEntries(['en', 'es', 'pt', 'ru', 'ar'].map((tag) => [tag, JSON.parse(readFileSync(join(top, `gateway/web/console/words/${tag}.json`), 'utf8'))]));
const pages = ['wall', 'history', 'people', 'queues', 'routes', 'skills', 'canned', 'announcements', 'inboxes', 'keys', 'changes'];

let browser;
let gateway;
before(async () => {
  if (skip) return;
  browser = await launch();
  gateway = new Gateway();
  await gateway.begin();
  gateway.hire('bea', 'Bea Lund', 'agent', 'supervisor', 'admin');
  gateway.hire('ana', 'Ana Duarte', 'agent');
  gateway.hire('otto', 'Otto', 'auditor');
  for (const [name, text] of [['João Silva', 'Bom dia, a água da minha casa não chega desde ontem'], ['Мария', 'Здравствуйте, на нашей улице не горит фонарь'], ['سامي', 'مرحبا، أريد أن أعرف موعد جمع النفايات في حيّنا']]) {
    await gateway.citizen(name, text);
  }
});
after(async () => {
  await browser?.close();
  await gateway?.end();
});

async function signedIn(login, options = {}) {
  const visited = await visit(browser, `${gateway.origin}/console/`, kPatienceMs, options);
  await signIn(visited.page, login);
  await visited.page.locator('nav').waitFor();
  return visited;
}
const go = async (page, id) => {
  await page.evaluate((hash) => { location.hash = hash; }, `#/${id}`);
  await page.locator(`main[data-page="${id.split('/')[0]}"]`).waitFor();
};
const dialog = (page) => page.getByRole('dialog');
const gone = (page) => dialog(page).waitFor({ state: 'detached' });

test('a wrong password says so, and a session that is over leads back to where one was', { skip, timeout: 60_000 }, async () => {
  const { page, done } = await visit(browser, `${gateway.origin}/console/#/queues`, kPatienceMs);
  await signIn(page, 'bea', 'wrong');
  await page.getByRole('alert').filter({ hasText: /\S/ }).waitFor();
  await signIn(page, 'bea');
  await page.locator('main[data-page="queues"]').waitFor();
  await page.getByRole('rowheader', { name: /Town hall/ }).waitFor();
  await page.context().clearCookies();
  await page.getByRole('button', { name: 'Open or close' }).click();
  await dialog(page).getByLabel(/Reason/).fill('storm');
  await dialog(page).getByRole('button', { name: 'Save' }).click();
  await page.locator('input[name=password]').waitFor();
  await signIn(page, 'bea');
  await page.locator('main[data-page="queues"]').waitFor();
  await done();
});

test('the wall: who waits, who would get it, and a supervisor acts', { skip, timeout: 90_000 }, async () => {
  const { page, done } = await signedIn('bea');
  await page.getByText('3 wait', { exact: false }).first().waitFor();
  const card = page.locator('.queue', { hasText: 'Town hall' });
  await card.getByText('They wait and nobody is ready').waitFor();
  assert.equal(await card.locator('.figure').textContent(), '3');
  await card.getByRole('link', { name: 'Town hall' }).press('Enter');
  const line = page.getByRole('region', { name: 'Waiting in Town hall' }).first();
  await until('three rows', async () => (await line.getByRole('rowheader').count()) === 3);
  await page.getByRole('button', { name: 'Who would get the next one?' }).click();
  await page.getByText('Nobody would get the next one now.').waitFor();
  await line.getByRole('link', { name: 'Conversation 1', exact: true }).click();
  const log = page.getByRole('log');
  await log.getByText('Bom dia, a água').waitFor();
  await page.getByText('João Silva').waitFor();
  // A whisper is seen by agents, and only by them.
  await page.getByRole('button', { name: 'Whisper' }).click();
  await dialog(page).getByRole('textbox').fill('He called as well');
  await dialog(page).getByRole('button', { name: 'Whisper' }).click();
  await gone(page);
  await log.getByText('He called as well').waitFor();
  // What cannot be done says why, and keeps what was chosen.
  await page.getByRole('button', { name: 'Assign' }).click();
  await dialog(page).getByLabel('Agent').selectOption({ label: 'Ana Duarte · offline' });
  await dialog(page).getByRole('button', { name: 'Assign' }).click();
  await dialog(page).getByRole('alert').getByText(/\S/).waitFor();
  assert.equal(await dialog(page).getByLabel('Agent').inputValue(), 'agent_ana');
  await page.keyboard.press('Escape');
  await gone(page);
  await page.getByRole('button', { name: 'Close', exact: true }).click();
  await dialog(page).getByRole('button', { name: 'Close', exact: true }).last().click();
  await gone(page);
  await page.getByText('closed', { exact: true }).waitFor();
  await page.getByRole('button', { name: 'Re-open' }).click();
  await dialog(page).getByRole('button', { name: 'Re-open' }).click();
  await gone(page);
  await page.getByText('waits', { exact: true }).waitFor();
  await page.getByRole('button', { name: 'Close', exact: true }).click();
  await dialog(page).getByRole('button', { name: 'Close', exact: true }).last().click();
  await gone(page);
  await page.getByText('closed', { exact: true }).waitFor();
  await page.getByRole('link', { name: 'Back to the wall' }).click();
  await until('two wait', async () => (await card.locator('.figure').textContent()) === '2');
  // A queue is closed by decision, with a reason, and opened again.
  await card.getByRole('button', { name: /Open or close/ }).click();
  await dialog(page).getByLabel(/Reason/).fill('Flood in the house');
  await dialog(page).getByRole('button', { name: 'Save' }).click();
  await gone(page);
  await card.getByText('closed', { exact: true }).waitFor();
  await card.getByRole('button', { name: /Open or close/ }).click();
  await dialog(page).getByLabel('As its hours say').check();
  await dialog(page).getByRole('button', { name: 'Save' }).click();
  await gone(page);
  // The wall is for the room: no controls, and W brings them back.
  await page.locator('h1').focus();
  await page.keyboard.press('w');
  await page.locator('nav').waitFor({ state: 'hidden' });
  await page.screenshot({ path: join(shots, 'console-wall-mode.png') });
  await page.keyboard.press('w');
  await page.locator('nav').waitFor();
  await page.getByRole('searchbox').fill('otto');
  await until('one agent', async () => (await page.getByRole('region', { name: 'Agents now' }).getByRole('rowheader').count()) === 1);
  await done();
});

test('the wall goes stale when the gateway is away, says so, and comes back', { skip, timeout: 90_000 }, async () => {
  const { page, done } = await signedIn('bea');
  await page.locator('.queue').waitFor();
  await gateway.kill();
  await page.getByText('What stands here is of', { exact: false }).first().waitFor();
  await gateway.start();
  await until('it is live again', async () => (await page.getByText('What stands here is of', { exact: false }).count()) === 0, 40_000);
  await done();
});

test('the administration: each thing is made, changed and taken away', { skip, timeout: 120_000 }, async () => {
  const { page, done } = await signedIn('bea');
  const save = () => dialog(page).getByRole('button', { name: 'Save' }).click();
  await go(page, 'skills');
  await page.getByText('There is no skill yet').waitFor();
  await page.getByRole('button', { name: 'Add a skill' }).click();
  await dialog(page).getByLabel(/Name/).fill('Water pipes');
  await save();
  await page.getByRole('rowheader', { name: /Water pipes/ }).waitFor();

  await go(page, 'people');
  await page.getByRole('button', { name: 'Add an agent' }).click();
  await dialog(page).getByLabel(/^Name/).fill('Leo Brandt');
  await dialog(page).getByLabel(/^Login/).fill('leo brandt');
  await dialog(page).getByRole('button', { name: 'Make one' }).click();
  const password = await dialog(page).locator('input[name=password]').inputValue();
  assert.match(password, /^[a-z2-9]{5}(-[a-z2-9]{5}){3}$/);
  await dialog(page).getByLabel('Town hall').check();
  await dialog(page).getByLabel('Water pipes').selectOption('3');
  await save();
  await dialog(page).getByRole('alert').getByText('login').waitFor();
  assert.equal(await dialog(page).getByLabel(/^Name/).inputValue(), 'Leo Brandt', 'nothing typed is lost');
  await dialog(page).getByLabel(/^Login/).fill('leo');
  await save();
  await gone(page);
  const leo = page.getByRole('row', { name: /Leo Brandt/ });
  await leo.getByText('Water pipes 3').waitFor();
  const fresh = await signedInAs('leo', password);
  await fresh.done();
  await leo.getByRole('button', { name: /Edit/ }).click();
  await dialog(page).getByLabel(/^Capacity/).fill('7');
  await save();
  await leo.getByText('7', { exact: true }).waitFor();

  await go(page, 'queues');
  await page.getByRole('button', { name: 'Add a queue' }).click();
  await dialog(page).getByLabel(/^Name/).fill('Water works');
  await dialog(page).getByLabel('Saturday').fill('');
  await dialog(page).getByLabel('Sunday').fill('');
  await dialog(page).getByLabel('Monday').fill('8:00-12:00, 13:00-17:00');
  await dialog(page).getByLabel('Other days').fill('12-25 closed');
  await dialog(page).getByLabel(/Goal: first reply/).fill('300');
  await dialog(page).getByRole('button', { name: 'Add a step' }).click();
  await dialog(page).getByLabel('also agents of').selectOption({ label: 'Town hall' });
  await save();
  await gone(page);
  const water = page.getByRole('row', { name: /Water works/ });
  await water.getByText('mon 08:00-12:00,13:00-17:00; tue-fri 00:00-24:00; 12-25 closed').waitFor();
  await water.getByText('first reply 5 min', { exact: false }).waitFor();
  await water.getByRole('button', { name: /Edit/ }).click();
  assert.equal(await dialog(page).getByLabel('Monday').inputValue(), '08:00-12:00, 13:00-17:00');
  await dialog(page).getByLabel('Monday').fill('25:00-26:00');
  await save();
  await dialog(page).getByRole('alert').getByText('hours').waitFor();
  await page.keyboard.press('Escape');
  await dialog(page).getByRole('alert').getByText('close once more to discard it').waitFor();
  await page.keyboard.press('Escape');
  await gone(page);

  await go(page, 'routes');
  await page.getByRole('button', { name: 'Add a route' }).click();
  await dialog(page).getByLabel('To the queue').selectOption({ label: 'Water works' });
  await save();
  await dialog(page).getByRole('alert').getByText('condition').waitFor();
  await dialog(page).getByLabel('One of these words').fill('water, pipe');
  await save();
  await page.getByText('with a word of: water, pipe').waitFor();
  // What could not be read is not taken for nothing: the routes there are stay.
  await page.route('**/api/v1/routes', (route) => (route.request().method() === 'GET' ? route.fulfill({ status: 503, contentType: 'application/problem+json', body: '{"status":503,"detail":"The store is away."}' }) : route.continue()));
  await page.getByRole('button', { name: 'Add a route' }).click();
  await dialog(page).getByLabel('One of these words').fill('lamp');
  await save();
  await dialog(page).getByRole('alert').getByText('The store is away.').waitFor();
  await page.unroute('**/api/v1/routes');
  // Nor is what somebody else changed meanwhile lost: it is shown, and the form stays.
  const kept = () => page.evaluate(async () => (await (await fetch('/api/v1/routes')).json()).items);
  assert.deepEqual((await kept()).map((route) => route.words), [['water', 'pipe']]);
  await page.keyboard.press('Escape');
  await page.keyboard.press('Escape');
  await gone(page);
  await page.getByRole('row', { name: /water, pipe/ }).getByRole('button', { name: /Edit/ }).click();
  await page.evaluate(async (items) => fetch('/api/v1/routes', {
    method: 'PUT', headers: { 'content-type': 'application/json', 'x-belfry-csrf': '1' }, body: JSON.stringify({ items }),
  }), [...await kept(), { queue: 'queue_hall', words: ['fire'] }]);
  await dialog(page).getByLabel('One of these words').fill('water');
  await save();
  await dialog(page).getByRole('alert').getByText('changed meanwhile').waitFor();
  assert.deepEqual((await kept()).map((route) => route.words), [['water', 'pipe'], ['fire']]);
  await page.keyboard.press('Escape');
  await page.keyboard.press('Escape');
  await gone(page);
  await page.getByText('with a word of: fire').waitFor();

  await go(page, 'canned');
  await page.getByRole('button', { name: 'Add a reply' }).click();
  await dialog(page).getByLabel(/Shortcut/).fill('hello');
  await dialog(page).locator('textarea[name=text]').fill('Good day {name}, we come to {street}.');
  await dialog(page).getByText('Good day Maria, we come to {street}.').waitFor();
  await dialog(page).getByText('The agent is asked for: street').waitFor();
  await save();
  await page.getByRole('rowheader', { name: '/hello' }).waitFor();

  await go(page, 'announcements');
  await page.getByRole('button', { name: 'Announce' }).click();
  await dialog(page).getByLabel(/Headline/).fill('Town hall is closed today');
  await dialog(page).getByRole('button', { name: 'Show it now' }).click();
  await page.getByText('It is shown now: all inboxes').waitFor();
  await page.getByRole('button', { name: /Remove/ }).click();
  await dialog(page).getByRole('button', { name: 'Remove' }).click();
  await page.getByText('Nothing is announced').waitFor();

  await go(page, 'inboxes');
  await page.getByRole('button', { name: /Embed/ }).click();
  await dialog(page).getByText(`<script async src="${gateway.origin}/widget.js" data-inbox="portal"></script>`).waitFor();
  await page.keyboard.press('Escape');

  await go(page, 'keys');
  await page.getByRole('button', { name: 'Make a key' }).click();
  await dialog(page).getByLabel(/Name/).fill('Town app');
  await dialog(page).getByRole('button', { name: 'Make it' }).click();
  const key = await dialog(page).locator('code').textContent();
  assert.match(key, /^bfk_/);
  const asked = await fetch(`${gateway.origin}/api/v1/stats`, { headers: { authorization: `Bearer ${key}` } });
  assert.equal(asked.status, 200);
  await dialog(page).getByRole('button', { name: 'I have kept it' }).click();
  await gone(page);
  await page.getByRole('row', { name: /Town app/ }).getByRole('button', { name: /Revoke/ }).click();
  await dialog(page).getByRole('button', { name: 'Remove' }).click();
  await page.getByText('There is no key').waitFor();

  // All of it was written down.
  await go(page, 'changes');
  for (const action of ['agent.add', 'agent.set', 'queue.set', 'routes.set', 'skill.set', 'key.add']) await page.getByRole('cell', { name: action, exact: true }).first().waitFor();
  await page.getByLabel('Find a conversation by its number').fill('1');
  await page.keyboard.press('Enter');
  await page.getByRole('region', { name: 'What became of a conversation' }).getByText('queued', { exact: true }).first().waitFor();

  await go(page, 'people');
  await leo.getByRole('button', { name: /Remove/ }).click();
  await dialog(page).getByRole('button', { name: 'Remove' }).click();
  await page.getByText('Leo Brandt is removed').waitFor();
  await until('he is gone', async () => (await leo.count()) === 0);
  await done();
});

async function signedInAs(login, password) {
  const visited = await visit(browser, `${gateway.origin}/console/`, kPatienceMs);
  await signIn(visited.page, login, password);
  await visited.page.locator('nav').waitFor();
  return visited;
}

test('what one may not do is not offered', { skip, timeout: 60_000 }, async () => {
  const ana = await signedIn('ana');
  assert.deepEqual(await ana.page.locator('nav a').allTextContents(), ['Live wall', 'History', 'Canned replies', 'Announcements', 'Inboxes']);
  await ana.page.locator('.queue').first().waitFor();
  assert.equal(await ana.page.getByRole('button', { name: /Open or close/ }).count(), 0);
  await go(ana.page, 'canned');
  await ana.page.getByRole('rowheader', { name: '/hello' }).waitFor();
  assert.equal(await ana.page.getByRole('button', { name: /Edit|Add/ }).count(), 0);
  await ana.done();
  const otto = await signedIn('otto');
  await go(otto.page, 'keys');
  assert.equal(await otto.page.getByRole('button', { name: /Make a key|Revoke/ }).count(), 0);
  await otto.done();
});

test('the history: charts with tables, split, filtered, as a link and as CSV', { skip, timeout: 60_000 }, async () => {
  const { page, done } = await signedIn('bea');
  await go(page, 'history');
  await page.locator('canvas').first().waitFor();
  assert.equal(await page.locator('.chart canvas').count(), 1, 'what was not measured says so');
  assert.equal(await page.getByText('Nothing was measured in this time').count(), 4);
  await until('three began', async () => (await page.locator('.chart .sum').first().textContent()).includes('began: 3'));
  await page.getByLabel('Split by').selectOption('language');
  await until('split', async () => (await page.locator('.chart .legend').first().locator('li').count()) === 3);
  await page.locator('.chart .sum').first().getByText('Arabic: 1', { exact: false }).waitFor();
  assert.match(page.url(), /by=language/);
  await page.getByLabel('Step').selectOption('hour');
  await page.getByLabel('Time').selectOption('1');
  const table = page.locator('.chart').first();
  await table.getByText('As a table').click();
  await until('its table', async () => (await table.getByRole('row').count()) >= 2);
  const link = await page.getByRole('link', { name: 'CSV' }).getAttribute('href');
  const csv = await page.evaluate(async (path) => (await fetch(path)).text(), link);
  assert.match(csv, /^at,key,name,opened/);
  assert.match(csv, /"ar"/);
  await page.reload();
  await page.getByLabel('Split by').waitFor();
  assert.equal(await page.getByLabel('Split by').inputValue(), 'language', 'the choice is in the address');
  await page.locator('select[name=channel]').selectOption('sms');
  await page.getByText('Nothing was counted in this time').waitFor();
  await done();
});

for (const [tag, locale] of [['en', 'en-GB'], ['es', 'es-ES'], ['pt', 'pt-PT'], ['ru', 'ru-RU'], ['ar', 'ar']]) {
  test(`every page in ${tag}: by keyboard, accessible, and at 320 px`, { skip, timeout: 120_000 }, async () => {
    const { page, done } = await visit(browser, `${gateway.origin}/console/`, kPatienceMs, { locale, colorScheme: tag === 'ru' ? 'dark' : 'light' });
    await page.locator('input[name=login]').waitFor();
    await page.keyboard.press('Tab');
    await page.keyboard.type('bea');
    await page.keyboard.press('Tab');
    await page.keyboard.type('correct horse battery');
    await page.keyboard.press('Enter');
    await page.locator('nav').waitFor();
    assert.equal(await page.evaluate(() => `${document.documentElement.lang} ${document.documentElement.dir}`), `${tag} ${tag === 'ar' ? 'rtl' : 'ltr'}`);
    for (const id of pages) {
      const link = page.locator(`nav a[href="#/${id}"]`);
      assert.equal(await link.textContent(), words[tag][id]);
      await link.focus();
      await page.keyboard.press('Enter');
      await page.locator(`main[data-page="${id}"]`).waitFor();
      if (id !== 'wall') await until(`${id} has the focus`, () => page.evaluate(() => document.activeElement?.tagName === 'H1'));
      if (id === 'history') await page.locator('canvas').first().waitFor();
      else await page.locator('table, .queue, .nothing').first().waitFor();
      await accessible(page, `${id} in ${tag}`);
      if (['en', 'ar', 'ru'].includes(tag)) await page.screenshot({ path: join(shots, `console-${id}-${tag}.png`), fullPage: true });
    }
    for (const id of ['queues', 'people']) {
      await go(page, id);
      await page.locator('table tbody .acts button').first().focus();
      await page.keyboard.press('Enter');
      await dialog(page).waitFor();
      await accessible(page, `${id} form in ${tag}`);
      if (['en', 'ar'].includes(tag)) await page.screenshot({ path: join(shots, `console-${id}-form-${tag}.png`) });
      await page.keyboard.press('Escape');
      await gone(page);
      assert.ok(await page.evaluate(() => document.activeElement?.closest('.acts') !== null), 'the focus is back at the button');
    }
    await page.setViewportSize({ width: 320, height: 640 });
    for (const id of pages) {
      await go(page, id);
      await page.locator('table, .queue, .nothing, canvas').first().waitFor();
      await fitsItsWidth(page, `${id} in ${tag}`);
    }
    await done();
  });
}
