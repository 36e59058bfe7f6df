// Opening hours as routing/timetable.h reads them, as a week to fill in and a list of other days. What does not fit stays text.
export const weekdays = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;
export interface Week {
  days: readonly string[]; // seven: "08:00-12:00, 13:00-17:00"; empty is closed
  others: readonly string[]; // "12-25 closed"
}

const kTimes = /^\d\d:\d\d-\d\d:\d\d(,\d\d:\d\d-\d\d:\d\d)*$/;
const whole = '00:00-24:00';
export const tidy = (times: string): string => times.replace(/[\s،]+/g, '').replace(/[–—]/g, '-').replace(/[;،]/g, ',').replace(/(^|[,-])(\d):/g, '$10$2:');
export const isTimes = (times: string): boolean => times === '' || kTimes.test(times);

// The numbers of "mon-fri,sun"; nothing if it is something else.
function daysOf(text: string): number[] | undefined {
  const out: number[] = [];
  for (const part of text.split(',')) {
    const [first, last = first, ...more] = part.split('-').map((name) => weekdays.findIndex((day) => name.length >= 3 && day === name.slice(0, 3)));
    if (first === undefined || last === undefined || first < 0 || last < 0 || more.length > 0) return undefined;
    for (let day = first; ; day = (day + 1) % 7) {
      out.push(day);
      if (day === last) break;
    }
  }
  return out;
}

export function readWeek(hours: string): Week | undefined {
  const days = Array<string>(7).fill('');
  const others: string[] = [];
  for (const rule of hours.split(';').map((each) => each.trim()).filter((each) => each !== '')) {
    if (rule === 'always') days.fill(whole);
    else if (rule !== 'never') {
      const space = rule.search(/\s/);
      const named = space < 0 ? undefined : daysOf(rule.slice(0, space).toLowerCase());
      const times = tidy(rule.slice(space + 1));
      if (/^\d/.test(rule)) others.push(rule);
      else if (!named || !(times === 'closed' || kTimes.test(times))) return undefined;
      else for (const day of named) if (times !== 'closed') days[day] = days[day] === '' ? times : `${days[day]},${times}`;
    }
  }
  return { days: days.map((times) => times.replace(/,/g, ', ')), others };
}

// Days in a row with the same hours are written as one rule.
export function writeWeek({ days, others }: Week): string {
  const times = days.map(tidy);
  const rules: string[] = [];
  if (times.every((each) => each === whole)) rules.push('always');
  else if (times.every((each) => each === '')) rules.push('never');
  else {
    for (let first = 0; first < 7;) {
      let last = first;
      while (last < 6 && times[last + 1] === times[first]) last += 1;
      if (times[first] !== '') rules.push(`${weekdays[first]}${last > first ? `-${weekdays[last]}` : ''} ${times[first]}`);
      first = last + 1;
    }
  }
  return [...rules, ...others.map((each) => each.trim()).filter((each) => each !== '')].join('; ');
}
