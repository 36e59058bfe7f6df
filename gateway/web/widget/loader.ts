// The launcher on a stranger's page: a button in a closed shadow root, and the conversation in an iframe of the gateway's own origin.
// It opens no socket, keeps nothing, and reads nothing of the page but its address. Everything here counts against 2 KB.
//
//   <script async src="https://gateway/widget.js" data-inbox="portal"></script>
//   besides: data-language="pt", data-colour="#7a1f5c", data-identity="<token signed by the agency's server>"
//
// A page with a content security policy needs script-src and frame-src for the gateway's origin, and nothing else.

type Mode = 'shut' | 'banner' | 'open';

const css = `:host{all:initial!important;display:contents!important}
div{--c:#0b6158;--i:#fff;--h:96px;--v:100%}
button,iframe{position:fixed;z-index:2147483647;inset-inline-end:16px;border:0;box-sizing:border-box;box-shadow:0 2px 16px #0006}
button{inset-block-end:16px;inline-size:56px;block-size:56px;padding:0;border-radius:50%;border:2px solid #fff;background:var(--c);color:var(--i);cursor:pointer}
button:focus-visible{outline:3px solid var(--c);outline-offset:2px}
i{display:block;margin:auto;inline-size:28px;block-size:28px;background:currentcolor;forced-color-adjust:none;clip-path:path('M14 4C7 4 2 8 2 14c0 3 1 5 3 7l-1 5 6-2c1 0 3 1 4 1 7 0 12-5 12-11S21 4 14 4z')}
b{position:absolute;inset-block-start:-6px;inset-inline-end:-6px;min-inline-size:16px;padding:2px 4px;border-radius:12px;background:#a5191f;color:#fff;font:700 13px/16px system-ui,sans-serif}
b:empty,.shut iframe{display:none}
iframe{background:#fff;inset-block-end:84px;inline-size:400px;block-size:640px;max-inline-size:calc(100vw - 32px);max-block-size:calc(100vh - 100px);border-radius:16px}
.banner iframe{inset:0 0 auto;inline-size:100%;max-inline-size:none;block-size:var(--h);max-block-size:100vh;border-radius:0}
@media(max-width:500px),(max-height:500px){.open iframe{inset:0;inline-size:100%;block-size:var(--v);max-inline-size:none;max-block-size:none;border-radius:0}.open button{display:none}}
@media print{:host{display:none!important}}`;

const win = window as Window & { Belfry?: object };
const script = document.currentScript as HTMLScriptElement;

function launch(): void {
  const { inbox = '', language, identity, colour = '' } = script.dataset;
  const home = new URL(script.src).origin;
  const tongue = language || document.documentElement.lang || navigator.language;
  const name = ({ ar: 'محادثة', ru: 'Чат' } as Record<string, string>)[tongue.slice(0, 2)] ?? 'Chat';
  const make = <K extends keyof HTMLElementTagNameMap>(tag: K): HTMLElementTagNameMap[K] => document.createElement(tag);
  const host = make('belfry-chat' as 'div');
  const root = host.attachShadow({ mode: 'closed' });
  try {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(css);
    root.adoptedStyleSheets = [sheet];
  } catch {
    // Safari before 16.4.
    root.append(Object.assign(make('style'), { textContent: css }));
  }
  const box = make('div');
  box.dir = tongue.startsWith('ar') ? 'rtl' : 'ltr';
  const set = (key: string, value: string): void => box.style.setProperty(key, value);
  const hex = /^#([\da-f]{2})([\da-f]{2})([\da-f]{2})$/i.exec(colour);
  if (hex) {
    // The icon is black or white, whichever stands out more (WCAG's luminance).
    const [r, g, b] = hex.slice(1).map((pair) => (parseInt(pair, 16) / 255) ** 2.2) as [number, number, number];
    set('--c', colour);
    set('--i', r * 0.21 + g * 0.72 + b * 0.07 > 0.18 ? '#000' : '#fff');
  }
  const button = make('button');
  const badge = make('b');
  button.append(make('i'), badge);
  box.append(button);
  root.append(box);

  let frame: HTMLIFrameElement | undefined;
  let port: MessagePort | undefined;
  const early: unknown[][] = [];
  const say = (...words: unknown[]): void => {
    if (port) port.postMessage(words);
    else early.push(words);
  };
  const aria = (key: string, value: unknown): void => button.setAttribute(`aria-${key}`, String(value));
  const show = (mode: Mode): void => {
    if (mode !== 'shut') load();
    const within = root.activeElement === frame;
    box.className = mode;
    aria('expanded', mode === 'open');
    say('mode', mode);
    if (mode === 'open') frame!.focus();
    else if (within) button.focus();
  };
  const load = (): void => {
    if (frame) return;
    frame = make('iframe');
    frame.title = name;
    frame.id = 'f';
    frame.allow = '';
    frame.referrerPolicy = 'origin';
    frame.setAttribute('sandbox', 'allow-scripts allow-same-origin allow-forms allow-popups allow-popups-to-escape-sandbox allow-downloads');
    frame.src = `${home}/widget/?${new URLSearchParams({ inbox, host: location.origin, language: tongue, colour })}`;
    box.append(frame);
  };
  addEventListener('message', ({ origin, source, data }) => {
    if (!frame || origin !== home || source !== frame.contentWindow || data !== 'belfry') return;
    const { port1, port2 } = new MessageChannel();
    port = port1;
    port.onmessage = ({ data: [verb, value, unread] }) => {
      if (verb === 'ask' && (value !== 'banner' || box.className === 'shut')) show(value);
      else if (verb === 'height') set('--h', `${+value}px`);
      else if (verb === 'name') {
        aria('label', value);
        badge.textContent = unread || '';
      }
    };
    // Not the query: it may hold what is nobody's business.
    (source as Window).postMessage(['belfry', location.origin + location.pathname], home, [port2]);
    early.splice(0).forEach((words) => say(...words));
  });
  box.onkeydown = ({ key }) => {
    if (key === 'Escape' && box.className === 'open') show('shut');
  };
  button.onclick = () => show(box.className === 'open' ? 'shut' : 'open');
  aria('label', name);
  aria('controls', 'f');
  show('shut');
  // Above a phone's keyboard.
  const view = visualViewport;
  if (view) view.onresize = () => set('--v', `${view.height}px`);
  // Beside the body, not in it: what the page does to its own parts does not reach us.
  document.documentElement.append(host);

  win.Belfry = {
    open: () => show('open'),
    close: () => show('shut'),
    identify: (jwt: string) => (load(), say('identify', jwt)),
    logout: () => (load(), say('logout')),
  };
  if (identity) say('identify', identity);
  // Alerts and answers come before he asks for them, but not before the page is at rest.
  const idle = (): unknown => (win.requestIdleCallback ?? setTimeout)(load);
  if (document.readyState === 'complete') idle();
  else addEventListener('load', idle);
}

if (script && !win.Belfry) {
  win.Belfry = {};
  if (document.body) launch();
  else addEventListener('DOMContentLoaded', launch);
}
