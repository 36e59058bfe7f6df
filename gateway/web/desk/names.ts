// Channels, states and reasons in the reader's words.
import { t, type Key } from './words.ts';

const channels: Readonly<Record<string, Key>> = { wa: 'whatsapp', whatsapp: 'whatsapp', sms: 'sms', web: 'web' };
export const channelWord = (channel: string): string => (channels[channel] ? t(channels[channel]) : channel);

const states: Readonly<Record<string, Key>> = {
  active: 'active', parked: 'parked', wrapup: 'wrapup', closed: 'closed', offered: 'offered', queued: 'waitingState', bot: 'bot',
  after_hours: 'afterHours', sends: 'sendsState', ready: 'ready', paused: 'paused', draining: 'draining', offline: 'offline', not_responding: 'missedShort',
};
export const stateWord = (state: string): string => (states[state] ? t(states[state]) : state);

// Why a message failed, by the provider's number or the gateway's word; what we do not know is said as it came.
const reasons: readonly [RegExp, Key][] = [
  [/\b131026\b|unreachable|absent/i, 'whyUnreachable'],
  [/\b131047\b|window_closed|re-engagement/i, 'whyWindow'],
  [/\b(131049|130472)\b/, 'whyLimited'],
  [/\b(130429|131048|131056|80007)\b|rate|thrott/i, 'whyBusy'],
  [/\b(131052|131053)\b|media/i, 'whyMedia'],
  [/\b(132000|132001|132005|132007|132012|132015|132016)\b|template/i, 'whyTemplate'],
  [/\b(131030|131031|131050|368)\b|opt.?out|blocked/i, 'whyBlocked'],
];
export const whyFailed = (reason: string): string => {
  const known = reasons.find(([pattern]) => pattern.test(reason));
  return known ? t(known[1]) : '';
};
