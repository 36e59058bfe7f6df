// Sentences are written in ICU MessageFormat (words/<language>.json) and become plain functions when the pages are built:
// @messageformat/core stays here, and a page carries only the plural rules that its sentences use.
import MessageFormat from '@messageformat/core';
import compileModule from '@messageformat/core/compile-module.js';
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';

export const words = {
  name: 'words',
  setup(build) {
    build.onLoad({ filter: /[\\/]words[\\/][a-z]{2}\.json$/ }, async ({ path }) => {
      const sentences = JSON.parse(await readFile(path, 'utf8'));
      const format = new MessageFormat(basename(path, '.json'), { biDiSupport: false, strict: true });
      return { contents: compileModule(format, sentences), loader: 'js' };
    });
  },
};
