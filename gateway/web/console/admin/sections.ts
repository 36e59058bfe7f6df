// The pages of the administration, in the order of the navigation.
import { inboxes } from './inboxes.tsx';
import { people } from './people.tsx';
import { queues } from './queues.tsx';
import { routes } from './routes.tsx';
import type { Section } from './section.ts';
import { announcements, canned, keys, skills } from './small.tsx';

export const sections: readonly Section[] = [people, queues, routes, skills, canned, announcements, inboxes, keys];
