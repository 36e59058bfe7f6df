// What is wanted now and then only: a file of its own, fetched with the first question, file or emoji.
export { EndQuestion, GoOnQuestion } from './dialogs.tsx';
export { Emoji } from './emoji.tsx';
export { Files } from './files.tsx';
export { Form } from './form.tsx';
