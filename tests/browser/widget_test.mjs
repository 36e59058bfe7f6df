// The citizen's widget in Debian's Chromium, against a gateway that does on command what a real one does rarely, and embedded in
// sites of another origin. Accessibility by axe-core; screenshots go to build/screenshots.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { accessible, fitsItsWidth, launch, until } from './helpers.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const top = resolve(here, '../..');
const pages = resolve(process.env.BELFRY_WEB_OUT ?? join(top, 'build/web'));
const shots = join(top, 'build/screenshots');
const chromiumPath = process.env.CHROMIUM ?? '/usr/bin/chromium';
const kPatienceMs = 15_000;
const words = Object.fromEntries(['en', 'es', 'pt', 'ru', 'ar'].map((tag) => [tag, JSON.parse(readFileSync(join(top, `gateway/web/widget/words/${tag}.json`), 'utf8'))]));

const missing = [
  [chromiumPath, 'Debian package chromium'],
  [join(pages, 'widget/index.html'), 'npm run build in gateway/web'],
  [join(here, 'node_modules/playwright-core'), 'npm ci in tests/browser'],
].filter(([path]) => !existsSync(path)).map(([path, how]) => `${path} is missing (${how})`);
const skip = missing.length > 0 ? missing.join('; ') : false;

let browser;
let axePath;
let Fake;
before(async () => {
  if (skip) return;
  axePath = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
  Fake = await import('./fake_chat.mjs');
  browser = await launch();
});
after(() => browser?.close());

// A page that remembers what it must never do: throw, break a CSP, or ask another origin for anything.
async function visit(address, origins, options = {}) {
  const context = await browser.newContext({ locale: 'en-GB', viewport: { width: 1000, height: 800 }, acceptDownloads: true, ...options });
  context.setDefaultTimeout(kPatienceMs);
  await context.addInitScript({ path: axePath });
  await context.addInitScript(() => {
    globalThis.violations = [];
    document.addEventListener('securitypolicyviolation', (event) => globalThis.violations.push(`${event.violatedDirective} ${event.blockedURI}`));
  });
  const wrong = [];
  const open = async () => {
    const page = await context.newPage();
    page.on('pageerror', (error) => wrong.push(error.message));
    page.on('request', (request) => {
      const url = request.url();
      if (!origins.some((origin) => url.startsWith(origin)) && !/^(data|blob):/.test(url)) wrong.push(`asked ${url}`);
    });
    await page.goto(address);
    return page;
  };
  const page = await open();
  const done = async () => {
    for (const each of context.pages()) {
      for (const frame of each.frames()) assert.deepEqual(await frame.evaluate(() => globalThis.violations), [], frame.url());
    }
    assert.deepEqual(wrong, []);
    await context.close();
  };
  return { page, context, open, done };
}

const focused = (frame, selector) => until(`the focus at ${selector}`, () => frame.evaluate((at) => document.activeElement?.matches(at) && document.hasFocus(), selector));

async function withChat(inbox, use) {
  const chat = new Fake.FakeChat(inbox);
  await chat.listen();
  try {
    await use(chat);
    assert.deepEqual(chat.breaches, [], 'the page keeps the rules of the socket');
  } finally {
    await chat.close();
  }
}
// A site of another origin that embeds the widget.
async function withSite(inbox, manners, use) {
  await withChat(inbox, async (chat) => {
    const site = new Fake.HostSite(chat, manners);
    site.css = manners.css;
    await site.listen();
    chat.inbox.origins.push(site.origin);
    try {
      await use(chat, site);
    } finally {
      await site.close();
    }
  });
}
const alone = (chat) => `${chat.origin}/widget/?inbox=portal`;
const box = (frame) => frame.locator('textarea');
const log = (frame) => frame.getByRole('log');
const write = async (page, frame, text) => {
  await box(frame).fill(text);
  await box(frame).press('Enter');
};
async function widgetOf(page) {
  let found;
  await until('the iframe', () => { found = page.frames().find((frame) => frame.url().includes('/widget/?')); return found; });
  return found;
}
// The launcher is in a closed shadow root: what assistive technology sees of it is in the accessibility tree.
async function launcher(context, page) {
  const session = await context.newCDPSession(page);
  const { nodes } = await session.send('Accessibility.getFullAXTree');
  await session.detach();
  const button = nodes.filter((node) => node.role?.value === 'button').at(-1);
  return { name: button?.name?.value, expanded: button?.properties?.find((each) => each.name === 'expanded')?.value.value };
}

for (const tag of Object.keys(words)) {
  const say = words[tag];
  test(`a conversation by keyboard: ${tag}`, { skip, timeout: 60_000 }, () => withSite({}, { lang: tag }, async (chat, site) => {
    const { page, context, done } = await visit(site.origin, [site.origin, chat.origin]);
    const press = (...keys) => keys.reduce((turn, key) => turn.then(() => page.keyboard.press(key)), Promise.resolve());
    const widget = await widgetOf(page); // loaded when the page was at rest
    await until('a greeting', () => chat.visitor);
    assert.equal((await launcher(context, page)).expanded, false);
    await press('Tab', 'Tab', 'Enter');
    await focused(widget, 'textarea');
    assert.deepEqual(await widget.evaluate(() => [document.documentElement.lang, document.documentElement.dir]), [tag, tag === 'ar' ? 'rtl' : 'ltr']);
    assert.equal((await launcher(context, page)).expanded, true);
    await log(widget).getByText(say.hello).waitFor();
    await accessible(widget, 'empty');

    // Shift+Enter is a new line, Enter sends.
    await page.keyboard.type('Rua das Flores 12');
    await press('Shift+Enter');
    await page.keyboard.type('لا ضوء');
    await press('Enter');
    await log(widget).getByText(say.sent, { exact: true }).waitFor();
    assert.equal(await log(widget).locator('.words').textContent(), 'Rua das Flores 12\nلا ضوء');
    assert.equal(await log(widget).locator('.words').getAttribute('dir'), 'auto');
    await widget.getByRole('status').filter({ hasText: '3' }).filter({ hasText: '4' }).waitFor();
    assert.equal(chat.heard('typing').length, 1);
    chat.assign('Ana Duarte');
    await log(widget).getByText('Ana Duarte').first().waitFor();
    chat.receipt(chat.visitor.log[0], 'read');
    await log(widget).getByText(say.read, { exact: true }).waitFor();
    chat.typing();
    await widget.locator('.typing').filter({ hasText: 'Ana Duarte' }).waitFor();
    chat.reply('See https://town.example/lamps.');
    await log(widget).getByRole('link', { name: 'https://town.example/lamps', exact: true }).waitFor();
    await until('it says what was read', () => chat.visitor.read === chat.visitor.log[1].id);

    // Emoji: arrows within, Enter takes one, Escape closes the picker and not the chat.
    await widget.getByRole('button', { name: say.emoji }).press('Enter');
    await focused(widget, '.emoji button:first-child');
    await press('ArrowDown', tag === 'ar' ? 'ArrowLeft' : 'ArrowRight', 'Enter', 'Escape');
    await focused(widget, '[aria-expanded][title]');
    assert.equal(await box(widget).inputValue(), '😐');
    await accessible(widget, 'a thread');
    await box(widget).focus();
    await press('Enter');
    await until('the emoji', () => chat.said('😐') === 1);

    // The transcript, and the end after a question.
    await widget.getByRole('button', { name: say.more, exact: true }).press('Enter');
    await accessible(widget, 'the menu');
    const saved = page.waitForEvent('download');
    await widget.getByRole('button', { name: say.transcript }).press('Enter');
    assert.match(readFileSync(await (await saved).path(), 'utf8'), /Rua das Flores 12/);
    await widget.getByRole('button', { name: say.more, exact: true }).press('Enter');
    await widget.getByRole('button', { name: say.end }).press('Enter');
    await widget.getByRole('dialog').waitFor();
    await accessible(widget, 'the question');
    await press('Escape');
    await widget.getByRole('dialog').waitFor({ state: 'detached' });
    assert.equal(chat.heard('end').length, 0);
    await focused(widget, '.more > button');
    await press('Enter');
    await widget.getByRole('button', { name: say.end }).press('Enter');
    await widget.getByRole('button', { name: say.endYes, exact: true }).press('Enter');
    await log(widget).getByText(say.ended).waitFor();
    await focused(widget, '.more > button');

    // Escape shuts the chat and gives the focus back; what comes meanwhile is counted on the launcher.
    await press('Escape');
    await until('the launcher has the focus', async () => await page.evaluate(() => document.activeElement?.localName === 'belfry-chat') && !await widget.evaluate(() => document.hasFocus()));
    await press('Enter');
    await write(page, widget, 'again');
    await until('the new conversation', () => chat.said('again') === 1);
    await press('Escape');
    await until('shut', () => widget.evaluate(() => !document.hasFocus()));
    chat.reply('one');
    chat.reply('two');
    await until('the count', async () => /2|رسالتان/.test((await launcher(context, page)).name));
    await press('Enter');
    await focused(widget, 'textarea');
    await until('the count is gone', () => chat.visitor.read === chat.visitor.log.at(-1).id);
    await accessible(page, 'the page around it');
    await done();
  }));
}

test('reload, lost answers, no network, a restarted gateway: nothing is lost and nothing is doubled', { skip, timeout: 60_000 }, () => withChat({}, async (chat) => {
  const { page, context, open, done } = await visit(alone(chat), [chat.origin]);
  const once = async (text) => {
    await until(text, () => chat.said(text) >= 1);
    await log(page).getByText(text, { exact: true }).waitFor();
    await until(`${text} is acknowledged`, async () => await page.evaluate(() => Object.keys(localStorage).filter((key) => key.includes('.out.')).length) === 0);
    assert.equal(chat.said(text), 1, text);
    assert.equal(await log(page).getByText(text, { exact: true }).count(), 1, text);
  };
  await focused(page, 'textarea');
  await write(page, page, 'first');
  await once('first');

  // The answer is lost with the tab: the next page says it again, and the gateway keeps it once.
  chat.holdAcks = true;
  chat.swallow = 1;
  await write(page, page, 'said and reloaded');
  await until('it arrived', () => chat.said('said and reloaded') === 1);
  await box(page).fill('half a sentence');
  chat.holdAcks = false;
  await page.reload();
  await once('said and reloaded');
  assert.equal(await box(page).inputValue(), 'half a sentence');

  // The gateway is away: words are kept through a reload of the page, and sent when it is back.
  chat.away = true;
  chat.drop();
  await page.getByRole('status').filter({ hasText: words.en.offline }).waitFor();
  await accessible(page, 'offline');
  await write(page, page, 'said in a tunnel');
  await write(page, page, 'and another');
  await log(page).getByText(words.en.kept).nth(1).waitFor();
  await page.screenshot({ path: join(shots, 'widget-offline.png') });
  chat.reply('said meanwhile');
  await page.reload();
  await log(page).getByText('said in a tunnel').waitFor();
  chat.away = false;
  await once('said in a tunnel');
  await once('and another');
  await log(page).getByText('said meanwhile').waitFor();
  assert.deepEqual(chat.visitor.log.filter((each) => each.dir === 'in').map((each) => each.text), ['first', 'said and reloaded', 'said in a tunnel', 'and another']);

  // The same without a reload, and with the browser's own network gone for a while.
  await context.setOffline(true);
  chat.drop();
  await page.getByRole('status').filter({ hasText: words.en.offline }).waitFor();
  await write(page, page, 'under the ground');
  chat.reply('from above');
  await context.setOffline(false);
  await once('under the ground');
  await log(page).getByText('from above', { exact: true }).waitFor();

  // A gateway that ends and begins again with what it had stored.
  const { port } = chat.server.address();
  await chat.close();
  await page.getByRole('status').filter({ hasText: words.en.offline }).waitFor();
  await write(page, page, 'while it restarted');
  await chat.listen(port);
  await once('while it restarted');

  chat.reply('after it');
  await log(page).getByText('after it', { exact: true }).waitFor();

  // Another tab of the same person: the same thread, and what is said in one is shown in both.
  const other = await open();
  await log(other).getByText('after it').waitFor();
  await write(other, other, 'from the other tab');
  await log(page).getByText('from the other tab').waitFor();
  assert.equal(chat.visitors.size, 1);
  assert.equal(chat.said('from the other tab'), 1);

  // A refusal is shown beside the message with its reason and a way on.
  chat.refuseNext = { title: 'busy', status: 503, code: 'store_away', detail: 'The store is away; nothing was kept.' };
  await write(page, page, 'refused once');
  await log(page).getByText('nothing was kept').waitFor();
  await accessible(page, 'a refusal');
  await log(page).getByRole('button', { name: words.en.retry }).press('Enter');
  await once('refused once');
  const text = await log(page).locator('.words').allTextContents();
  assert.equal(new Set(text).size, text.length, 'nothing is shown twice');

  // Another language is spoken at once, and after a reload.
  await page.getByRole('button', { name: words.en.more, exact: true }).click();
  await page.getByLabel(words.en.language).selectOption('ar');
  await box(page).and(page.getByRole('textbox', { name: words.ar.message })).waitFor();
  assert.equal(await page.evaluate(() => document.documentElement.dir), 'rtl');
  await page.reload();
  await box(page).and(page.getByRole('textbox', { name: words.ar.message })).waitFor();
  await log(page).locator('.words').nth(text.length - 1).waitFor();
  await log(page).and(page.locator('[aria-busy=false]')).waitFor();
  await done();
}));

test('where sockets are blocked it speaks over HTTP', { skip, timeout: 60_000 }, () => withChat({}, async (chat) => {
  chat.blockSocket = true;
  const { page, done } = await visit(alone(chat), [chat.origin]);
  await until('a stream', () => [...chat.links].some((link) => link.road === 'stream'));
  await write(page, page, 'through the proxy');
  await log(page).getByText(words.en.sent, { exact: true }).waitFor();
  chat.assign();
  chat.reply('I hear you');
  await log(page).getByText('I hear you').waitFor();
  chat.refuseNext = { title: 'no', status: 422, code: 'no', detail: 'Not this word.' };
  await write(page, page, 'a bad word');
  await log(page).getByText('Not this word.').waitFor();
  await log(page).getByRole('button', { name: words.en.discard }).click();
  // The stream breaks in the middle of a message.
  chat.holdAcks = true;
  await write(page, page, 'in the middle');
  await until('it arrived', () => chat.said('in the middle') === 1);
  chat.holdAcks = false;
  chat.drop();
  await log(page).getByText(words.en.sending).waitFor({ state: 'detached' });
  chat.reply('and back');
  await log(page).getByText('and back').waitFor();
  assert.equal(chat.said('in the middle'), 1);
  assert.equal(await log(page).getByText('in the middle').count(), 1);
  await done();
}));

test('a form, a proof of work, files, another channel', { skip, timeout: 60_000 }, () => withChat({
  form: [{ name: 'name', required: true }, { name: 'phone', required: false }, { name: 'language', required: false }], bits: 12, media_max: 1000,
}, async (chat) => {
  const { page, done } = await visit(alone(chat), [chat.origin]);
  await focused(page, '#f-name');
  await accessible(page, 'the form');
  await page.screenshot({ path: join(shots, 'widget-form.png') });
  await page.keyboard.press('Enter');
  await page.getByText(words.en.missing).waitFor();
  await focused(page, '#f-name');
  await accessible(page, 'a fault in the form');
  await page.keyboard.type('Eva Stone');
  await page.keyboard.press('Enter');
  await focused(page, 'textarea');
  assert.deepEqual(chat.visitor.form, { name: 'Eva Stone', language: 'en' });

  await write(page, page, 'proven');
  await log(page).getByText(words.en.sent, { exact: true }).waitFor();
  assert.equal(chat.heard('solve').length, 1);

  // Files: the limit is said before and checked before; what the gateway refuses says why.
  const choose = page.locator('input[type=file]');
  await page.getByRole('button', { name: 'Attach a file, up to 1 kB' }).waitFor();
  await choose.setInputFiles({ name: 'big.bin', mimeType: 'application/octet-stream', buffer: Buffer.alloc(2000) });
  await page.getByRole('alert').filter({ hasText: 'Too big' }).waitFor();
  assert.deepEqual(chat.uploads, []);
  await accessible(page, 'a file too big');
  await page.getByRole('button', { name: 'Remove' }).press('Enter');
  await focused(page, 'textarea');
  await choose.setInputFiles({ name: 'map.svg', mimeType: 'image/svg+xml', buffer: Buffer.from('<svg/>') });
  await page.getByRole('alert').filter({ hasText: 'not taken' }).waitFor();
  await page.getByRole('button', { name: 'Remove' }).press('Enter');
  await choose.setInputFiles({ name: 'лампа.png', mimeType: 'image/png', buffer: Fake.picture });
  await page.getByText(words.en.ready).waitFor();
  await page.reload(); // an uploaded file is part of the draft
  await page.getByText(words.en.ready).waitFor();
  await page.screenshot({ path: join(shots, 'widget-file.png') });
  await write(page, page, 'this lamp');
  await log(page).getByRole('link', { name: 'лампа.png' }).waitFor();
  await until('the picture', () => log(page).locator('img').evaluate((image) => image.complete && image.naturalWidth === 8));
  // Pasted and dropped.
  for (const kind of ['paste', 'drop']) {
    await box(page).evaluate((area, type) => {
      const data = new DataTransfer();
      data.items.add(new File(['x'], `${type}.txt`, { type: 'text/plain' }));
      area.dispatchEvent(type === 'paste' ? new ClipboardEvent(type, { clipboardData: data, bubbles: true, cancelable: true })
        : new DragEvent(type, { dataTransfer: data, bubbles: true, cancelable: true }));
    }, kind);
  }
  await page.getByText(words.en.ready).nth(1).waitFor();
  await box(page).press('Enter');
  await until('both', () => ['paste.txt', 'drop.txt'].every((name) => chat.visitor.log.some((each) => each.media?.name === name)));

  // On by WhatsApp: a number, a code, and the news that it moved.
  await page.getByRole('button', { name: words.en.more, exact: true }).press('Enter');
  await page.getByRole('button', { name: 'Continue by WhatsApp' }).press('Enter');
  await focused(page, '#number');
  await accessible(page, 'another channel');
  await page.keyboard.type('12');
  await page.keyboard.press('Enter');
  await page.getByText(words.en.numberWrong).waitFor();
  await page.locator('#number').fill('1234567');
  await page.keyboard.press('Enter');
  await page.getByText('This number cannot be reached.').waitFor();
  await page.locator('#number').fill('+44 20 7946 0958');
  await page.keyboard.press('Enter');
  await page.getByRole('status').filter({ hasText: 'A code is on its way' }).waitFor();
  await write(page, page, '424242');
  await log(page).getByText('The conversation goes on by WhatsApp').waitFor();
  await done();
}));

test('an alert is shown over a page whose chat was never opened; identity and logout come from the page', { skip, timeout: 60_000 }, () => withSite({}, { attributes: 'data-identity="good.jwt.here" data-colour="#ffd400"' }, async (chat, site) => {
  const { page, context, done } = await visit(site.origin, [site.origin, chat.origin]);
  const widget = await widgetOf(page);
  await until('a greeting and an identity', () => chat.visitor?.identity === 'good.jwt.here');
  assert.equal(chat.visitor.hello.page, `${site.origin}/`);
  chat.alert({ severity: 'extreme', headline: 'Gas leak on Station Road', text: 'Leave the area at once. Do not use lifts.', url: 'https://town.example/gas' });
  const alert = widget.getByRole('alert').filter({ hasText: 'Gas leak on Station Road' });
  await alert.waitFor();
  assert.match(await alert.textContent(), new RegExp(words.en.extreme));
  await until('a banner as high as its words', () => widget.evaluate(() => innerWidth === 1000 && innerHeight === document.querySelector('.alerts').scrollHeight));
  assert.equal(await page.evaluate(() => document.activeElement === document.body), true, 'it takes no focus');
  await accessible(widget, 'a banner', []); // no page, so no landmarks
  await page.screenshot({ path: join(shots, 'widget-banner.png') });
  await alert.getByRole('button', { name: words.en.dismiss }).press('Enter');
  await until('the banner is gone', () => page.evaluate(() => document.elementFromPoint(20, 20)?.localName !== 'belfry-chat'));
  await page.reload();
  await until('greeted again', () => chat.heard('hello').length >= 2);
  assert.equal(chat.visitors.size, 1, 'the same person after a reload');

  await page.evaluate(() => globalThis.Belfry.open());
  const again = await widgetOf(page);
  await focused(again, 'textarea');
  await write(page, again, 'mine');
  await until('it arrived', () => chat.said('mine') === 1);
  await page.evaluate(() => globalThis.Belfry.logout());
  await until('somebody else', () => chat.visitors.size === 2);
  await again.getByText('mine').waitFor({ state: 'detached' });
  await page.evaluate(() => globalThis.Belfry.identify('bad'));
  await again.getByRole('alert').filter({ hasText: 'could not confirm' }).waitFor();
  await page.evaluate(() => globalThis.Belfry.close());
  await until('shut', () => again.evaluate(() => document.querySelector('.page').className.includes('is-shut')));
  assert.equal((await launcher(context, page)).expanded, false);
  assert.deepEqual(await page.evaluate(() => Object.keys(globalThis).filter((name) => /belfry/i.test(name))), ['Belfry']);
  await done();
}));

test('a hostile page: strict policy, odd styles, forged messages', { skip, timeout: 60_000 }, () => withSite({}, {
  css: `html { font-size: 5px; direction: rtl; --c: pink; --i: pink; letter-spacing: 1em; pointer-events: none; text-transform: uppercase }
    body { transform: scale(0.5); filter: blur(2px); height: 40px; overflow: hidden }
    *:not(html, body) { all: revert !important; display: none !important; visibility: hidden !important; opacity: 0 !important; position: static !important;
      pointer-events: none !important; transform: rotate(30deg) !important; z-index: -1 !important; clip-path: inset(50%) !important }
    iframe, button { inline-size: 1px !important; border: 9px dotted red !important }`,
}, async (chat, site) => {
  const { page, done } = await visit(site.origin, [site.origin, chat.origin]);
  const widget = await widgetOf(page);
  await until('the launcher is in its corner', () => page.evaluate(() => document.elementFromPoint(innerWidth - 40, innerHeight - 40)?.localName === 'belfry-chat'));
  // Nobody but our own iframe is listened to, and the iframe listens to nobody but its page.
  await page.evaluate(() => {
    for (const word of ['belfry', ['ask', 'open'], ['belfry', 'x']]) postMessage(word, '*');
  });
  await page.mouse.click(1000 - 40, 800 - 40);
  await focused(widget, 'textarea');
  await page.screenshot({ path: join(shots, 'widget-hostile.png') });
  assert.deepEqual(await widget.evaluate(() => [innerWidth, innerHeight]), [400, 640]);
  await write(page, widget, 'still here');
  await until('it arrived', () => chat.said('still here') === 1);
  assert.equal(await page.evaluate(() => [...document.querySelectorAll('*')].some((each) => each.shadowRoot)), false);
  await done();
}));

for (const [name, options] of Object.entries({
  'wide-light-en': { locale: 'en-GB', colorScheme: 'light' },
  'wide-dark-ar': { locale: 'ar', colorScheme: 'dark' },
  'narrow-light-ar': { locale: 'ar', colorScheme: 'light', viewport: { width: 320, height: 640 }, hasTouch: true, isMobile: true },
  'narrow-dark-ru': { locale: 'ru', colorScheme: 'dark', viewport: { width: 320, height: 640 }, hasTouch: true, isMobile: true },
  'low-light-es': { locale: 'es', colorScheme: 'light', viewport: { width: 320, height: 256 } },
})) {
  const tag = options.locale.slice(0, 2);
  test(`how it looks: ${name}`, { skip, timeout: 60_000 }, () => withSite({ open: !name.startsWith('wide-dark'), opens_at: '2030-01-07T08:00:00Z' }, { lang: tag }, async (chat, site) => {
    const { page, done } = await visit(site.origin, [site.origin, chat.origin], { reducedMotion: 'reduce', ...options });
    const look = async (frame, where) => {
      await page.screenshot({ path: join(shots, `widget-${name}-${where}.png`) });
      await accessible(frame, `${name} ${where}`);
      await fitsItsWidth(frame, `${name} ${where}`);
    };
    const widget = await widgetOf(page);
    await until('a greeting', () => chat.visitor);
    await page.screenshot({ path: join(shots, `widget-${name}-1-launcher.png`) });
    await page.evaluate(() => globalThis.Belfry.open());
    await focused(widget, 'textarea');
    const talk = {
      en: ['Good morning. The street lamp at 12 Station Road has been out for a week.', 'Good morning! I have passed it on to the repair crew.'],
      es: ['Buenos días. La farola de la calle Mayor 12 está apagada.', 'Buenos días. Ya he avisado al equipo de reparación.'],
      ru: ['Здравствуйте! Фонарь у дома 12 не горит уже неделю.', 'Здравствуйте! Я передала заявку ремонтной бригаде.'],
      ar: ['صباح الخير، مصباح الشارع أمام المنزل 12 مطفأ منذ أسبوع.', 'صباح النور، أبلغت فريق الصيانة بذلك.'],
    }[tag];
    await box(widget).fill(talk[0]);
    await widget.getByRole('button', { name: words[tag].send }).click();
    await until('it arrived', () => chat.said(talk[0]) === 1);
    if (chat.inbox.open) await widget.getByRole('status').filter({ hasText: '3' }).first().waitFor();
    await look(widget, '2-waiting');
    chat.assign(tag === 'ar' ? 'سلمى الحداد' : 'Ana Duarte');
    chat.receipt(chat.visitor.log[0], 'read');
    chat.reply(talk[1], { agent: { name: tag === 'ar' ? 'سلمى الحداد' : 'Ana Duarte' } });
    await log(widget).getByText(talk[1]).waitFor();
    chat.alert({ severity: 'moderate', headline: 'Storm +20 m/s', text: 'Stay indoors.' });
    await widget.getByRole('alert').filter({ hasText: 'Storm' }).waitFor();
    await widget.getByRole('button', { name: words[tag].more, exact: true }).click();
    await look(widget, '3-thread');
    await done();
  }));
}
