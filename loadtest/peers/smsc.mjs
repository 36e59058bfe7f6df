// An SMSC that was not written beside belfryd or belfry-sim: npm `smpp` as a server, which decodes what belfryd submits by its own tables.
//   node smsc.mjs [--port 0] [--system-id ID --password P] [--throttle N] [--disconnect-after N] [--receipts text|tlv|none] [--receipt-delay MS]
//                 [--mo TEXT --mo-from NUMBER --mo-to NUMBER --mo-delay MS] [--cert FILE --key FILE] [--seconds S]
// --throttle N: the first N submits hear 0x58. --disconnect-after N: the N-th accepted submit is not answered, its link falls (once).
// --mo TEXT: UCS-2 in as many parts as it takes, to the first receiver; each part again after a second until it hears ESME_ROK.
// Prints port=N, then a JSON line for each thing that happens. A line on stdin does as it says, when it is said:
//   {"mo": TEXT, "from": NUMBER, "to": NUMBER} | {"disconnect": true} | {"throttle": N} | {"enquire": true}
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import smpp from 'smpp';

const text = (value) => ({ type: 'string', default: value });
const { values: said } = parseArgs({ options: {
  port: text('0'), 'system-id': text(''), password: text(''), throttle: text('0'), 'disconnect-after': text('0'), receipts: text('text'),
  'receipt-delay': text('300'), mo: text(''), 'mo-from': text('491701234567'), 'mo-to': text('12345'), 'mo-delay': text('300'),
  cert: text(''), key: text(''), seconds: text('120') } });

const print = (what, more) => process.stdout.write(JSON.stringify({ what, ...more }) + '\n');
let throttle = Number(said.throttle);
let until_disconnect = Number(said['disconnect-after']);
let next_id = 1000 + (Date.now() % 1e9);
let mo_given = false;
const receivers = new Set();
const sets = new Map();

// The text, and where it stands in a longer one, by the user data header as node-smpp cut it out, or by sar_*.
function part_of(pdu) {
  const whole = pdu.message_payload?.message !== undefined && !(pdu.sm_length > 0) ? pdu.message_payload : pdu.short_message;
  let [ref, parts, part] = [null, 1, 1];
  for (const each of whole.udh ?? []) {
    if (each[0] === 0x00) [ref, parts, part] = [each[2], each[3], each[4]];
    if (each[0] === 0x08) [ref, parts, part] = [each.readUInt16BE(2), each[4], each[5]];
  }
  if (pdu.sar_total_segments > 1) [ref, parts, part] = [pdu.sar_msg_ref_num, pdu.sar_total_segments, pdu.sar_segment_seqnum];
  return { text: whole.message.toString(), ref, parts, part };
}

function deliver(session, options) {
  session.deliver_sm(options, (answer) => {
    print('deliver_resp', { status: answer.command_status, ...(options.esm_class === 4 && { receipt: true }) });
    if (answer.command_status !== smpp.ESME_ROK) setTimeout(() => deliver([...receivers][0] ?? session, options), 1000);
  });
}

let reference = Math.floor(Math.random() * 256);
function write(session, from, to, words) {
  const octets = Buffer.from(words, 'utf16le').swap16();
  const parts = [];
  for (let at = 0; at < octets.length;) {
    let end = Math.min(at + 134, octets.length);
    if (end < octets.length && (octets[end - 2] & 0xfc) === 0xd8) end -= 2;
    parts.push(octets.subarray(at, end));
    at = end;
  }
  reference = (reference + 1) % 256;
  parts.forEach((octets, i) => deliver(session, {
    source_addr_ton: 1, source_addr_npi: 1, source_addr: from, destination_addr: to, data_coding: 8,
    ...(parts.length === 1 ? { short_message: octets } : { esm_class: 0x40, short_message: { udh: Buffer.from([5, 0, 3, reference, parts.length, i + 1]), message: octets } }),
  }));
  print('mo', { from, to, text: words, parts: parts.length });
}

function receipt(session, pdu, id) {
  const now = new Date().toISOString().replace(/\D/g, '').slice(2, 12);
  const words = `id:${id} sub:001 dlvrd:001 submit date:${now} done date:${now} stat:DELIVRD err:000 text:`;
  deliver([...receivers][0] ?? session, {
    source_addr_ton: 1, source_addr_npi: 1, source_addr: pdu.destination_addr, destination_addr: pdu.source_addr, esm_class: 4,
    short_message: said.receipts === 'tlv' ? '' : words,
    ...(said.receipts === 'tlv' && { receipted_message_id: id, message_state: 2 }),
  });
}

function submitted(session, pdu) {
  if (throttle > 0) {
    throttle -= 1;
    print('throttled', { to: pdu.destination_addr });
    return session.send(pdu.response({ command_status: smpp.ESME_RTHROTTLED }));
  }
  const id = String(next_id++);
  const { text: words, ref, parts, part } = part_of(pdu);
  const leaves = until_disconnect > 0 && --until_disconnect === 0;
  print('submit', { id, from: pdu.source_addr, from_ton: pdu.source_addr_ton, to: pdu.destination_addr, to_ton: pdu.dest_addr_ton, coding: pdu.data_coding,
    esm_class: pdu.esm_class, registered_delivery: pdu.registered_delivery, validity: pdu.validity_period || null, text: words, ref, part, parts, answered: !leaves });
  const key = [pdu.source_addr, pdu.destination_addr, ref, parts].join('|');
  const set = sets.get(key) ?? new Map();
  set.set(part, words);
  sets.set(key, set);
  if (set.size === parts) {
    sets.delete(key);
    print('text', { to: pdu.destination_addr, text: [...set].sort((a, b) => a[0] - b[0]).map((each) => each[1]).join('') });
  }
  if (said.receipts !== 'none' && (pdu.registered_delivery & 3)) setTimeout(() => receipt(session, pdu, id), Number(said['receipt-delay']));
  if (leaves) return session.destroy();
  return session.send(pdu.response({ message_id: id }));
}

const tls = said.cert ? { cert: readFileSync(said.cert), key: readFileSync(said.key) } : {};
const server = smpp.createServer(tls, (session) => {
  print('link', {});
  session.on('error', (error) => { print('error', { message: error.message }); session.destroy(); });
  session.on('close', () => { receivers.delete(session); print('close', {}); });
  const bind = (kind) => (pdu) => {
    const wrong = said['system-id'] && pdu.system_id !== said['system-id'] ? smpp.ESME_RINVSYSID
      : said.password && pdu.password !== said.password ? smpp.ESME_RINVPASWD : 0;
    print('bind', { kind, system_id: pdu.system_id, system_type: pdu.system_type, version: pdu.interface_version, status: wrong });
    session.send(pdu.response(wrong ? { command_status: wrong } : { system_id: 'node', sc_interface_version: 0x34 }));
    if (wrong || kind === 'transmitter') return;
    receivers.add(session);
    if (said.mo && !mo_given) {
      mo_given = true;
      setTimeout(() => write(session, said['mo-from'], said['mo-to'], said.mo), Number(said['mo-delay']));
    }
  };
  for (const kind of ['receiver', 'transmitter', 'transceiver']) session.on(`bind_${kind}`, bind(kind));
  session.on('submit_sm', (pdu) => submitted(session, pdu));
  session.on('enquire_link', (pdu) => { print('enquire_link', {}); session.send(pdu.response()); });
  session.on('unbind', (pdu) => { print('unbind', {}); session.send(pdu.response()); session.close(); });
  session.on('query_sm', (pdu) => {
    print('query_sm', { id: pdu.message_id });
    session.send(pdu.response({ message_id: pdu.message_id, final_date: '', message_state: 2, error_code: 0 }));
  });
  for (const each of ['replace_sm', 'cancel_sm', 'data_sm', 'submit_multi']) {
    session.on(each, (pdu) => { print(each, {}); session.send(pdu.response({ command_status: smpp.ESME_RINVCMDID })); });
  }
  session.on('unknown', (pdu) => { print('unknown', { id: pdu.command_id }); session.send(pdu.response()); });
});
server.on('error', (error) => { print('error', { message: error.message }); process.exitCode = 1; });
server.listen(Number(said.port), '127.0.0.1', () => process.stdout.write(`port=${server.address().port}\n`));

createInterface({ input: process.stdin }).on('line', (line) => {
  const asked = JSON.parse(line);
  const session = [...receivers][0];
  if (asked.throttle) throttle = asked.throttle;
  if (asked.disconnect) for (const each of server.sessions.slice()) each.destroy();
  if (asked.enquire) for (const each of server.sessions) each.enquire_link((answer) => print('enquired', { status: answer.command_status }));
  if (asked.mo && session) write(session, asked.from ?? said['mo-from'], asked.to ?? said['mo-to'], asked.mo);
});
const leave = () => process.exit(process.exitCode ?? 0);
setTimeout(leave, Number(said.seconds) * 1000);
for (const each of ['SIGTERM', 'SIGINT']) process.on(each, leave);
