// The peer: a webhook receiver as one writes it in node: http, HMAC over the raw body, JSON.parse, then through ioredis what makes
// the message durable: the function named, which is Belfry's own; or, without a name, one SADD and one RPUSH in a pipeline.
//   node webhook.mjs SOCKET SECRET_FILE [FUNCTION]   prints `listening port=N`
import { createHmac, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import Redis from 'ioredis';

const [socket, secretFile, name] = process.argv.slice(2);
const secret = readFileSync(secretFile, 'utf8').trim();
const redis = new Redis(socket);

const server = createServer((request, response) => {
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', async () => {
    const body = Buffer.concat(parts);
    const wanted = Buffer.from('sha256=' + createHmac('sha256', secret).update(body).digest('hex'));
    const got = Buffer.from(request.headers['x-hub-signature-256'] ?? '');
    if (got.length !== wanted.length || !timingSafeEqual(got, wanted)) {
      response.writeHead(401).end('unauthorized');
      return;
    }
    try {
      const writes = redis.pipeline();
      for (const entry of JSON.parse(body).entry) {
        for (const change of entry.changes) {
          for (const message of change.value.messages ?? []) {
            if (name) {
              const day = Math.floor(message.timestamp / 86400);
              const until = String(message.timestamp * 1000 + 86400000);
              const sender = change.value.contacts?.[0]?.profile?.name ?? '';
              writes.fcall(name, 1, '{peer}', '', 'city', 'wa:' + day, 'city|' + message.id, 'wa:p:' + message.from, JSON.stringify(message), until,
                '', '', 'city|10|45000|0||', sender);
            } else {
              writes.sadd('peer:dedupe', message.id);
              writes.rpush('peer:log:' + message.from, JSON.stringify(message));
            }
          }
        }
      }
      for (const [error] of await writes.exec()) if (error) throw error;
      response.writeHead(200).end();
    } catch {
      response.writeHead(503).end();
    }
  });
});
server.listen(0, '127.0.0.1', () => console.log(`listening port=${server.address().port}`));
