// Server-sent events out of a stream of text (WHATWG HTML 9.2), fed in pieces of any size.

// Calls `heard` with the data of each event named `name`.
export function eventReader(name: string, heard: (data: string) => void): (piece: string) => void {
  let rest = '';
  let event = '';
  let data: string[] = [];
  const line = (text: string): void => {
    if (text === '') {
      if (data.length > 0 && event === name) heard(data.join('\n'));
      event = '';
      data = [];
    } else if (text.startsWith('event:')) event = text.slice(6).trim();
    else if (text.startsWith('data:')) data.push(text.slice(text[5] === ' ' ? 6 : 5));
  };
  return (piece) => {
    rest += piece;
    for (let end = rest.search(/[\r\n]/); end >= 0; end = rest.search(/[\r\n]/)) {
      // A CR at the very end may be half of CRLF.
      if (rest[end] === '\r' && end === rest.length - 1) return;
      line(rest.slice(0, end));
      rest = rest.slice(end + (rest[end] === '\r' && rest[end + 1] === '\n' ? 2 : 1));
    }
  };
}
