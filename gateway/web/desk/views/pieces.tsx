// Long lists in pieces: those near the eye are drawn, the others are as high as they were when last drawn, or as we guess.
//
// A piece that has the focus is never taken away.
import type { ComponentChildren, RefObject } from 'preact';
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';

const kMargin = '900px 0px';

export interface Watch {
  observe(element: Element, tell: (near: boolean, height: number) => void): () => void;
  // A piece was drawn or put away: its height may be another. Said before the next scroll event, which could not tell the two apart.
  changed(): void;
}

// One observer for all pieces of a scrolling box; the box must be there when the first piece is.
export function useWatch(box: RefObject<HTMLElement>, changed: () => void = () => {}): Watch {
  const latest = useRef(changed);
  latest.current = changed;
  const watch = useMemo(() => {
    const tells = new Map<Element, (near: boolean, height: number) => void>();
    let observer: IntersectionObserver | undefined;
    const begin = (): IntersectionObserver => new IntersectionObserver((entries) => {
      for (const entry of entries) tells.get(entry.target)?.(entry.isIntersecting, entry.boundingClientRect.height);
    }, { root: box.current, rootMargin: kMargin });
    return {
      observe(element: Element, tell: (near: boolean, height: number) => void) {
        observer ??= begin();
        tells.set(element, tell);
        observer.observe(element);
        return () => {
          tells.delete(element);
          observer?.unobserve(element);
        };
      },
      changed: () => latest.current(),
      end: () => observer?.disconnect(),
    };
  }, []);
  useEffect(() => () => watch.end(), []);
  return watch;
}

export interface PieceProps {
  watch: Watch;
  guess: number; // px
  always?: boolean; // drawn wherever it is
  quiet?: boolean; // what is drawn in it is no news
  tag?: 'div' | 'ul';
  children: () => ComponentChildren;
}

export function Piece({ watch, guess, always = false, quiet = false, tag: Tag = 'div', children }: PieceProps) {
  const element = useRef<HTMLDivElement & HTMLUListElement>(null);
  const [near, setNear] = useState(always);
  const height = useRef(guess);
  useEffect(() => watch.observe(element.current!, (now, tall) => {
    if (!now) {
      if (element.current?.contains(document.activeElement)) return;
      if (tall > 0) height.current = tall;
    }
    setNear(now);
  }), []);
  const drawn = near || always;
  // By the object model, not by an attribute: the page's policy allows no style attributes.
  useLayoutEffect(() => {
    if (element.current) element.current.style.blockSize = drawn ? '' : `${height.current}px`;
    watch.changed();
  }, [drawn]);
  return <Tag ref={element} class="piece" aria-live={quiet ? 'off' : undefined}>{drawn && children()}</Tag>;
}
