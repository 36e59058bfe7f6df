// npm `ws`, as the web chat's peer: it answers each text with the same text, holds silent sockets, and tells all of them what is
// posted to /broadcast. Prints its port.
//   node sockets.mjs [--cert FILE --key FILE]
import { createServer } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { readFileSync } from 'node:fs';
import { WebSocketServer } from 'ws';

const option = (name) => (process.argv.includes(name) ? process.argv[process.argv.indexOf(name) + 1] : undefined);
const cert = option('--cert');
const server = cert ? createSecureServer({ cert: readFileSync(cert), key: readFileSync(option('--key')) }) : createServer();
const sockets = new WebSocketServer({ server, maxPayload: 16 * 1024, perMessageDeflate: false, handleProtocols: (offered) => [...offered][0] });
sockets.on('connection', (socket) => {
  socket.on('message', (text) => socket.send(text.toString()));
});
server.on('request', (request, response) => {
  let body = '';
  request.on('data', (piece) => { body += piece; });
  request.on('end', () => {
    for (const socket of sockets.clients) socket.send(body);
    response.end();
  });
});
server.listen(0, '127.0.0.1', () => console.log(`listening ${server.address().port}`));
process.on('SIGTERM', () => process.exit(0));
