// What is asked before something is done, as data: a title, fields, and what happens with the answers. shared/form.tsx draws it.
import type { JSX } from 'preact';
import type { Problem } from './problem.ts';

export interface Option {
  value: string;
  label: string;
}
export interface Field {
  name: string;
  label: string;
  kind: 'text' | 'area' | 'select' | 'radio' | 'check' | 'checks' | 'when' | 'number' | 'own';
  value?: string; // of checks: the values that are checked, with commas between
  options?: readonly Option[];
  hint?: string;
  required?: boolean;
  max?: number;
  min?: number;
  step?: number;
  code?: boolean; // text of a machine: never mirrored, never corrected
  view?(own: OwnField): JSX.Element; // of kind own: what it looks like; its value is text as all are
  shown?(values: Values): boolean;
}
export interface OwnField {
  id: string;
  value: string;
  change(value: string): void;
}
export type Values = Readonly<Record<string, string>>;
export interface Form {
  title: string;
  hint?: string;
  submit: string;
  danger?: boolean; // it cannot be undone
  wide?: boolean;
  nothing?: string; // there is nothing to choose from, and why
  fields: readonly Field[];
  send(values: Values): Promise<Problem | string | undefined> | Problem | string | undefined;
}

export const listed = (value: string): string[] => value.split(',').map((each) => each.trim()).filter((each) => each !== '');

// What <input type="datetime-local"> takes: the reader's own clock.
export function localInput(date: Date): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}T${two(date.getHours())}:${two(date.getMinutes())}`;
}
