import assert from 'node:assert/strict';
import { webcrypto } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, type Token } from '@messageformat/parser';
import { test } from 'node:test';
import { choose, language, languages, leftText, waitText } from '../shared/i18n.ts';
import { t } from '../desk/words.ts';
import { compareDecimal, isNext } from '../shared/decimal.ts';
import { uuid } from '../shared/uuid.ts';

test('every sentence has the same holes in every language', () => {
  // The values a sentence takes, those of its branches too.
  const named = (tokens: readonly Token[]): string[] => tokens.flatMap((token) => {
    if (token.type === 'content' || token.type === 'octothorpe') return [];
    return [token.arg, ...('cases' in token ? token.cases.flatMap((each) => named(each.tokens)) : [])];
  });
  const holes = (sentence: string): string => [...new Set(named(parse(sentence)))].sort().join();
  const web = process.env.BELFRY_WEB_SOURCES!;
  for (const page of ['shared', 'desk', 'console', 'widget'].filter((name) => existsSync(join(web, name, 'words')))) {
    const read = (tag: string): Record<string, string> => JSON.parse(readFileSync(join(web, page, 'words', `${tag}.json`), 'utf8'));
    const english = read('en');
    for (const tag of Object.keys(languages)) {
      const table = read(tag);
      assert.deepEqual(Object.keys(table).sort(), Object.keys(english).sort(), `${page} ${tag}`);
      for (const [key, sentence] of Object.entries(table)) {
        assert.notEqual(sentence.trim(), '', `${page} ${tag} ${key}`);
        assert.equal(holes(sentence), holes(english[key]!), `${page} ${tag} ${key}`);
      }
    }
  }
});

test('the reader’s first language that we have', () => {
  assert.equal(choose(['de-CH', 'pt-BR', 'en']), 'pt');
  assert.equal(choose(['toString', 'xx']), 'en');
});

test('sentences take values, countdowns are short, waits are words', () => {
  language.value = 'en';
  assert.equal(t('unread', { n: 3 }), 'Unread: 3');
  assert.equal(leftText(185_000), '3:05');
  assert.equal(leftText(-5), '0:00');
  assert.match(leftText(18_780_000), /^5 hrs? 13 mins?$/);
  assert.match(waitText(59_999), /^59 secs?$/);
  assert.match(waitText(7_200_000), /^2 hrs?$/);
});

test('decimals are compared without becoming doubles', () => {
  assert.equal(compareDecimal('9', '10'), -1);
  assert.equal(compareDecimal('18446744073709551616', '18446744073709551615'), 1);
  assert.equal(isNext('18446744073709551615', '18446744073709551616'), true);
});

// Node 18 has no global crypto, and a page over plain http has one without randomUUID.
test('a client_id is a UUID where randomUUID is missing', () => {
  const value = { getRandomValues: (octets: Uint8Array) => webcrypto.getRandomValues(octets) };
  Object.defineProperty(globalThis, 'crypto', { value, configurable: true });
  assert.match(uuid(), /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});
