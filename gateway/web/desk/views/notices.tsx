// What just happened, in one line at the bottom. Calm news is said politely and goes by itself; what went wrong stays.
import { useEffect } from 'preact/hooks';
import { saying } from '../../shared/problem.ts';
import type { Desk } from '../desk.ts';
import { t } from '../words.ts';
import { Icon } from '../../shared/icons.tsx';

const kShownMs = 6000;

export function Notices({ desk }: { desk: Desk }) {
  const notice = desk.notice.value;
  useEffect(() => {
    if (notice?.tone !== 'calm') return undefined;
    const timer = setTimeout(() => { if (desk.notice.value === notice) desk.notice.value = undefined; }, kShownMs);
    return () => clearTimeout(timer);
  }, [notice]);
  const words = notice && (notice.key === 'refused' ? '' : notice.key === 'takenBy' ? t('takenBy', { name: notice.name ?? '' }) : t(notice.key));
  const detail = notice?.problem ? saying(notice.problem, notice.key === 'refused' ? t('refused') : '') : '';
  const body = notice && (
    <p class={`notice ${notice.tone}`}>
      <span>
        {words} {notice.name && notice.key !== 'takenBy' && <bdi>{notice.name}</bdi>} {detail !== '' && <span dir="auto">{detail}</span>}
      </span>
      <button type="button" class="quiet" aria-label={t('close')} onClick={() => { desk.notice.value = undefined; }}><Icon name="close" /></button>
    </p>
  );
  return (
    <div class="notices">
      <div role="status">{notice?.tone === 'calm' && body}</div>
      <div role="alert">{notice?.tone === 'wrong' && body}</div>
    </div>
  );
}
