// The page that embeds us, through a port that it alone could have given: asked for at exactly the origin the address names, and taken
// only from our own parent at that origin. What is said is [verb, value, …]; nothing of the conversation goes out but counts.

export type ToHost = ['ask', 'shut' | 'banner'] | ['name', string, number] | ['height', number];
export interface FromHost {
  mode(mode: string): void;
  identify(jwt: string): void;
  logout(): void;
}
export interface Host {
  page: string; // the address of the page
  say(...words: ToHost): void;
}

export const kHandshake = 'belfry';

export function meet(self: Window, origin: string, user: FromHost): Promise<Host> {
  return new Promise((done) => {
    const hear = (event: MessageEvent): void => {
      const [word, page] = Array.isArray(event.data) ? event.data as unknown[] : [];
      const port = event.ports[0];
      if (event.source !== self.parent || event.origin !== origin || word !== kHandshake || !port) return;
      self.removeEventListener('message', hear);
      port.onmessage = ({ data }) => {
        const [verb, value] = Array.isArray(data) ? data as unknown[] : [];
        if (verb === 'mode') user.mode(String(value));
        else if (verb === 'identify' && typeof value === 'string') user.identify(value);
        else if (verb === 'logout') user.logout();
      };
      done({ page: typeof page === 'string' ? page : '', say: (...words) => port.postMessage(words) });
    };
    self.addEventListener('message', hear);
    self.parent.postMessage(kHandshake, origin);
  });
}
