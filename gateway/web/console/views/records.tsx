// A page of the administration: what there is, found by words, and what can be done with each.
import { type Signal, useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import type { Problem } from '../../shared/problem.ts';
import type { Section } from '../admin/section.ts';
import { t } from '../words.ts';
import type { ViewProps } from './app.tsx';
import { Empty, Sheet, Stale } from './pieces.tsx';

const kShown = 200;

export function Records({ section, state, looked }: ViewProps & { section: Section }) {
  const items: Signal<readonly unknown[] | undefined> = useSignal<readonly unknown[] | undefined>(undefined);
  const problem = useSignal<Problem | undefined>(undefined);
  const words = useSignal('');
  const heard = useSignal(0);
  const most = useSignal(kShown);
  const read = async (): Promise<void> => {
    const answer = await section.read(state);
    if (answer.ok) {
      items.value = answer.data;
      heard.value = Date.now();
      problem.value = undefined;
    } else problem.value = answer.problem;
  };
  const again = (): void => {
    void read();
    void state.look();
  };
  useEffect(() => { void read(); }, [looked.value]);
  const found = (items.value ?? []).filter((each) => section.words(each).toLowerCase().includes(words.value.trim().toLowerCase()));
  const writes = section.writes(state);
  return (
    <>
      <p class="intro">{t(section.intro)}</p>
      {section.above?.(state)}
      <div class="bar">
        <label><span class="sr">{t('search')}</span><input type="search" placeholder={t('search')} value={words.value} onInput={(event) => { words.value = event.currentTarget.value; most.value = kShown; }} /></label>
        <span class="spacer" />
        {writes && section.make && <button type="button" class="primary" onClick={() => { state.form.value = section.make?.(state, again); }}>{t(section.add ?? 'add')}</button>}
      </div>
      <Stale problem={problem.value} heardMs={heard.value} again={again} />
      {items.value && items.value.length === 0 && <Empty title={t(section.none)}>{t(section.noneHint)}</Empty>}
      {items.value && items.value.length > 0 && found.length === 0 && <Empty title={t('nothingFound')} />}
      {found.length > 0 && (
        <Sheet label={t(section.title)} head={[...section.columns.map((each) => t(each.title)), t('actions')]}>
          {found.slice(0, most.value).map((item) => {
            const name = section.name(item);
            return (
              <tr key={section.key(item)}>
                {section.columns.map((column, nth) => (nth === 0 ? <th key={column.title} scope="row">{column.cell(item, state)}</th> : <td key={column.title}>{column.cell(item, state)}</td>))}
                <td><div class="acts">
                  {(section.actions(item, state, again)).map((action) => (
                    <button key={action.label} type="button" class={action.danger ? 'small danger-text' : 'small'} onClick={() => void action.run()}>
                      {action.label}<span class="sr"> <bdi>{name}</bdi></span>
                    </button>
                  ))}
                </div></td>
              </tr>
            );
          })}
        </Sheet>
      )}
      {found.length > most.value && <p><button type="button" onClick={() => { most.value += kShown; }}>{t('more', { n: found.length - most.value })}</button></p>}
    </>
  );
}
