// The console's sentences, in the reader's language.
import { withCommon } from '../shared/i18n.ts';
import { table } from '../shared/sentences.ts';
import ar from './words/ar.json';
import en from './words/en.json';
import es from './words/es.json';
import pt from './words/pt.json';
import ru from './words/ru.json';

export const t = withCommon(table({ en, es, pt, ru, ar }));
export type Key = Parameters<typeof t>[0];
