// A part of the page that is fetched when it is first wanted. Until it is here there is nothing in its place.
import type { ComponentType } from 'preact';
import { useEffect, useState } from 'preact/hooks';

const kAgainMs = 2000;

export function later<Props extends object>(load: () => Promise<ComponentType<Props>>): ComponentType<Props> {
  let It: ComponentType<Props> | undefined;
  return (props: Props) => {
    const [, turn] = useState(0);
    useEffect(() => {
      let wanted = true;
      const fetch = (): void => {
        if (It || !wanted) return;
        load().then((part) => {
          It = part;
          turn((n) => n + 1);
        }, () => setTimeout(fetch, kAgainMs));
      };
      fetch();
      return () => { wanted = false; };
    }, []);
    return It ? <It {...props} /> : null;
  };
}
