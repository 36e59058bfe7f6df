// The files that go with the next message: how far each is, and what to do about one that is refused.
import type { Attachment, Chat } from '../chat.ts';
import { apart, percentText, sizeText, t } from '../words.ts';
import { Icon } from './icon.tsx';

function stateOf({ size, id, problem, progress }: Attachment, max: number): { wrong?: boolean; text: string } {
  if (id !== undefined) return { text: t('ready') };
  if (size > max) return { wrong: true, text: t('tooBig', { size: sizeText(size), max: sizeText(max) }) };
  const why = problem?.detail || problem?.title;
  if (problem) return { wrong: true, text: why ? t('uploadFailedWhy', { why: apart(why) }) : t('uploadFailed') };
  return { text: t('uploading', { percent: percentText(progress) }) };
}

export function Files({ chat, leave }: { chat: Chat; leave(): void }) {
  return (
    <ul class="files" aria-label={t('files')}>
      {chat.files.map((file) => {
        const { wrong, text } = stateOf(file, chat.state.media_max);
        const { status = 0 } = file.problem ?? {};
        const mayPass = file.problem && (status < 400 || status >= 500); // what was refused for its kind is refused again
        return (
          <li key={file.key} class={wrong ? 'wrong' : ''}>
            <Icon name="file" />
            <span class="file-words"><bdi>{file.name}</bdi> <span role={wrong ? 'alert' : undefined} class="file-state">{text}</span></span>
            {mayPass && <button type="button" class="small" onClick={() => chat.upload(file.key)}>{t('retry')}</button>}
            {!wrong && file.id === undefined && <progress value={file.progress} aria-label={file.name} />}
            <button type="button" class="bare" aria-label={t('remove', { name: apart(file.name) })} onClick={() => { leave(); chat.detach(file.key); }}><Icon name="close" /></button>
          </li>
        );
      })}
    </ul>
  );
}
