// A page of the administration as data: what it lists, what can be changed, and how.
import type { JSX } from 'preact';
import type { Answer } from '../../shared/api.ts';
import type { Form } from '../../shared/fields.ts';
import type { Problem } from '../../shared/problem.ts';
import type { Console } from '../console.ts';
import { t, type Key } from '../words.ts';

export interface Column<T> {
  title: Key;
  cell(item: T, state: Console): JSX.Element | string;
}
export interface Action {
  label: string;
  danger?: boolean;
  run(): void | Promise<void>;
}
export interface SectionOf<T> {
  id: string;
  title: Key;
  intro: Key;
  none: Key;
  noneHint: Key;
  add?: Key;
  may(state: Console): boolean; // sees the page
  writes(state: Console): boolean;
  read(state: Console): Promise<Answer<readonly T[]>>;
  key(item: T): string;
  name(item: T): string;
  words(item: T): string; // what is searched
  columns: readonly Column<T>[];
  actions(item: T, state: Console, again: () => void): Action[];
  make?(state: Console, again: () => void): Form;
  above?(state: Console): JSX.Element;
}
// To the view all sections are alike: each handles what it has read itself.
export type Section = SectionOf<unknown>;
export const section = <T>(one: SectionOf<T>): Section => one as SectionOf<unknown>;

// A change that is made, and said, and read again; or why not.
export async function kept(state: Console, words: string, asked: Promise<Problem | undefined>, again: () => void): Promise<Problem | undefined> {
  const problem = await asked;
  if (problem) return problem;
  state.say(words);
  again();
  return undefined;
}

// Before something is taken away: what that means, and the button that does it.
export const removal = (state: Console, name: string, hint: string, path: string, again: () => void): Action => ({
  label: t('remove'),
  danger: true,
  run: () => {
    state.form.value = {
      title: t('removeTitle', { name }), hint, submit: t('remove'), danger: true, fields: [],
      send: () => kept(state, t('removed', { name }), state.change('DELETE', path), again),
    };
  },
});
export const edit = (state: Console, form: () => Form): Action => ({ label: t('edit'), run: () => { state.form.value = form(); } });

// An id made of a name, as the gateway takes it: a-z, 0-9 and -.
export const idFrom = (name: string): string =>
  name.normalize('NFKD').replace(/[\u0300-\u036f]/g, '').toLowerCase().replace(/[^a-z0-9]+/g, '-').replace(/^-+|-+$/g, '').slice(0, 40);
