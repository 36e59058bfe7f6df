// A Graph API that was not written beside belfryd or belfry-sim: what is posted to it is judged by two public SDKs (judges.mjs), and
// signed webhooks are verified and read by the same two. Loopback only; what it heard is kept in memory, a test's length.
//   node graph.mjs ACCESS_TOKEN_FILE APP_SECRET_FILE VERIFY_TOKEN_FILE   prints `listening port=N`
// Graph: POST /vN.N/{number}/messages and /media, GET /vN.N/{media}, GET /file/{media}. Webhooks: /webhook.
// For the test: GET /log -> {"entries": [...]}, POST /judge {"number", "body"} -> a verdict without a send.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { normalizeWebhook, verifySignature } from '@kapso/whatsapp-cloud-api/server';
import { js_client, judge_message, judge_upload } from './judges.mjs';

const [token, appSecret, webhookVerifyToken] = process.argv.slice(2).map((file) => readFileSync(file, 'utf8').trim());
const log = [];
const files = new Map();
let count = 0;

const json = (response, status, body) => response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));

function refuse(response, status, code, message, details) {
  const error = { message: `(#${code}) ${message}`, type: 'OAuthException', code, fbtrace_id: `double-${log.length}` };
  if (details) error.error_data = { messaging_product: 'whatsapp', details };
  json(response, status, { error });
}

function keep(entry) {
  log.push({ n: log.length + 1, ...entry });
  return log[log.length - 1];
}

async function messages(request, response, number, octets) {
  let body;
  try {
    body = JSON.parse(octets);
  } catch {
    keep({ kind: 'message', number, accepted: false, opinions: { double: ['not JSON'] } });
    return refuse(response, 400, 100, 'Invalid parameter', 'The request body is not JSON');
  }
  const verdict = await judge_message(body, number);
  if (!/^application\/json\b/.test(request.headers['content-type'] ?? '')) Object.assign(verdict, { accepted: false, double: 'the body is not called JSON' });
  const kind = body.typing_indicator ? 'typing' : body.status ? 'read' : 'message';
  const entry = keep({ kind, number, body, ...verdict });
  if (!entry.accepted) return refuse(response, 400, 100, 'Invalid parameter', JSON.stringify(verdict.opinions));
  if (kind !== 'message') return json(response, 200, { success: true });
  entry.wamid = `wamid.${Buffer.from(`double-${process.pid}-${++count}`).toString('base64')}`;
  const to = body.to ?? body.recipient;
  json(response, 200, { messaging_product: 'whatsapp', contacts: [{ input: to, wa_id: to }], messages: [{ id: entry.wamid }] });
}

async function upload(request, response, number, octets) {
  let form;
  try {
    form = await new Response(octets, { headers: { 'content-type': request.headers['content-type'] } }).formData();
  } catch (error) {
    keep({ kind: 'upload', number, accepted: false, opinions: { double: [`no multipart form: ${error.message}`] } });
    return refuse(response, 400, 100, 'Invalid parameter', 'No multipart form');
  }
  const verdict = await judge_upload(form, number);
  const file = form.get('file');
  const content = file?.arrayBuffer ? Buffer.from(await file.arrayBuffer()) : Buffer.alloc(0);
  const entry = keep({ kind: 'upload', number, type: form.get('type'), filename: file?.name, size: content.length, ...verdict });
  if (!entry.accepted) return refuse(response, 400, 100, 'Invalid parameter', JSON.stringify(verdict.opinions));
  entry.id = String(4_000_000_000_000 + ++count);
  files.set(entry.id, { content, type: file.type });
  json(response, 200, { id: entry.id });
}

function resolve(request, response, id, number) {
  const file = files.get(id);
  keep({ kind: 'resolve', id, number, accepted: Boolean(file) });
  if (!file) return refuse(response, 404, 100, 'Invalid parameter', `No object ${id}`);
  json(response, 200, {
    messaging_product: 'whatsapp', id, url: `http://${request.headers.host}/file/${id}`, mime_type: file.type,
    sha256: createHash('sha256').update(file.content).digest('hex'), file_size: file.content.length,
  });
}

function download(response, id) {
  const file = files.get(id);
  keep({ kind: 'download', id, accepted: Boolean(file) });
  if (!file) return response.writeHead(404).end();
  response.writeHead(200, { 'content-type': file.type }).end(file.content);
}

// Meta's side of belfry-sim: is this signature one, and what do readers of webhooks find in the body?
async function webhook(request, response, url, octets) {
  const heard = {};
  const api = js_client({ appSecret, webhookVerifyToken });
  api.on.message = ({ from, phoneID, message, name }) => { heard.message = { from, phoneID, id: message.id, type: message.type, name }; };
  api.on.status = ({ phone, id, status, biz_opaque_callback_data }) => { heard.status = { phone, id, status, opaque: biz_opaque_callback_data }; };
  if (request.method === 'GET') {
    try {
      const challenge = api.get(Object.fromEntries(url.searchParams));
      keep({ kind: 'handshake', accepted: true });
      return response.writeHead(200, { 'content-type': 'text/plain' }).end(challenge);
    } catch (error) {
      keep({ kind: 'handshake', accepted: false, opinions: { 'whatsapp-api-js': [error.message] } });
      return response.writeHead(403).end();
    }
  }
  const signature = request.headers['x-hub-signature-256'];
  const opinions = { kapso: [], 'whatsapp-api-js': [] };
  if (!verifySignature({ appSecret, rawBody: octets, signatureHeader: signature })) opinions.kapso.push('the signature is not of this body');
  let found = {};
  try {
    const body = JSON.parse(octets);
    found = normalizeWebhook(body);
    await api.post(body, octets.toString(), signature);
  } catch (error) {
    opinions['whatsapp-api-js'].push(error.message || error.name);
  }
  const { object, phoneNumberId, messages, statuses, contacts } = found;
  keep({ kind: 'webhook', opinions, accepted: Object.values(opinions).flat().length === 0, object, phoneNumberId, messages, statuses, contacts, heard,
         type: request.headers['content-type'] });
  response.writeHead(200).end();
}

async function answer(request, response, octets) {
  const url = new URL(request.url, 'http://double');
  const [, first, second, third] = url.pathname.split('/');
  if (request.method === 'GET' && first === 'log') return json(response, 200, { entries: log });
  if (request.method === 'POST' && first === 'judge') {
    const { number, body } = JSON.parse(octets);
    return json(response, 200, await judge_message(body, number));
  }
  if (first === 'webhook') return webhook(request, response, url, octets);
  if (request.headers.authorization !== `Bearer ${token}`) {
    keep({ kind: 'unauthorized', method: request.method, path: url.pathname, accepted: false });
    return refuse(response, 401, 190, 'Invalid OAuth access token');
  }
  if (request.method === 'GET' && first === 'file') return download(response, second);
  if (/^v\d+\.\d+$/.test(first)) {
    if (request.method === 'POST' && third === 'messages') return messages(request, response, second, octets);
    if (request.method === 'POST' && third === 'media') return upload(request, response, second, octets);
    if (request.method === 'GET' && second && !third) return resolve(request, response, second, url.searchParams.get('phone_number_id'));
  }
  keep({ kind: 'unknown', method: request.method, path: url.pathname, accepted: false });
  return refuse(response, 404, 2500, 'Unknown path components', url.pathname);
}

const server = createServer((request, response) => {
  const octets = [];
  request.on('data', (part) => octets.push(part));
  request.on('end', () => answer(request, response, Buffer.concat(octets)).catch((error) => {
    keep({ kind: 'broken', path: request.url, accepted: false, opinions: { double: [error.stack] } });
    refuse(response, 500, 1, 'An unknown error occurred');
  }));
});
server.listen(0, '127.0.0.1', () => console.log(`listening port=${server.address().port}`));
