// The widget and the desk in Debian's Chromium against one real belfryd: a citizen on an agency's page of another origin writes, the agent
// answers, each sees what the other does; and the gateway is killed in the middle.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import { Gateway, lacks, launch, shots, signIn } from './helpers.mjs';

const kPatienceMs = 30_000;
const skip = lacks(['widget', 'desk'], ['belfryd', 'belfryctl']);

// The agency's own page, elsewhere.
async function agency(gateway) {
  const page = () => `<!doctype html><title>City</title><h1>City of Mill</h1><script async src="${gateway.origin}/widget.js" data-inbox="portal"></script>`;
  const server = createServer((_, response) => response.setHeader('content-type', 'text/html').end(page()));
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  return { origin: `http://127.0.0.1:${server.address().port}`, close: () => server.close() };
}

test('a citizen on an agency’s page, an agent at the desk, and a gateway that falls between them', { skip, timeout: 240_000 }, async () => {
  const gateway = new Gateway();
  const city = await agency(gateway);
  const browser = await launch();
  try {
    await gateway.begin([city.origin]);
    gateway.hire('ana', 'Ana', 'agent');
    const desk = await (await browser.newContext({ locale: 'en-GB', viewport: { width: 1280, height: 800 } })).newPage();
    desk.setDefaultTimeout(kPatienceMs);
    await desk.goto(`${gateway.origin}/desk/`);
    await signIn(desk, 'ana');
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
