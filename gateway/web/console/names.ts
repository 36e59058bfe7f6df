// Words for what the gateway says in codes.
import { type Agent, type House, skillName } from './house.ts';
import { t, type Key } from './words.ts';

const known = {
  channel: ['wa', 'sms', 'web'],
  avail: ['ready', 'paused', 'draining', 'offline', 'not_responding'],
  role: ['agent', 'supervisor', 'alert_author', 'alert_approver', 'admin', 'auditor', 'integration'],
  state: ['bot', 'after_hours', 'queued', 'offered', 'active', 'parked', 'wrapup', 'closed'],
  severity: ['extreme', 'severe', 'moderate', 'minor'],
} as const;
const word = (kind: keyof typeof known, code: string): string => ((known[kind] as readonly string[]).includes(code) ? t(`${kind}_${code}` as Key) : code);

export const channelWord = (code: string): string => word('channel', code);
export const roleWord = (code: string): string => word('role', code);
export const stateWord = (code: string): string => word('state', code);
export const severityWord = (code: string): string => word('severity', code);
export const roles = known.role;
export const severities = known.severity;
export const channels = known.channel;
export const availabilityWord = (agent: Agent): string => {
  const how = agent.connected ? agent.availability : 'offline';
  return agent.reason !== '' && agent.connected ? t('withReason', { what: word('avail', how), reason: agent.reason }) : word('avail', how);
};
// "water:3" as people say it.
export const skillWord = (house: House, skill: string): string => {
  const [id = '', level = ''] = skill.split(':');
  return level === '' || level === '1' ? skillName(house, id) : t('skillLevel', { name: skillName(house, id), level });
};
export const languageWord = (code: string, reader: string): string => {
  if (code === '') return t('notKnown');
  try {
    return new Intl.DisplayNames([reader], { type: 'language' }).of(code) ?? code;
  } catch {
    return code;
  }
};
