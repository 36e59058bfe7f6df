// An SMSC made of npm's `smpp`, which Belfry did not write: it accepts binds, takes submits, sends receipts and citizens' messages.
// Steered over HTTP on a second port, for tests. Usage: node smsc.mjs [--password P] [--cert F --key F]; ends with its stdin.
//
//   GET  /submits              all taken so far, as JSON
//   GET  /seen                 counts: binds, unbinds, enquire_links, answers to deliver_sm by status
//   POST /behave               {throttle: n, status: {"0x14": n}, mute: n, drop: n, delay: ms, receipts: "none|text|tlv", stat: "DELIVRD",
//                               early: true (receipt before the answer), id: "hex|dec", refuse: status of the next binds}
//   POST /deliver              {source, destination, short_message | hex, data_coding, esm_class, ...} -> {status} of its answer
//   POST /receipt              {id}: the receipt of that submit, with its user_message_reference
//   POST /hangup               closes every session without a word
import http from 'node:http';
import fs from 'node:fs';
import smpp from 'smpp';

smpp.filters.message.decode = (value) => value; // octets as they came: what they say is for the test to find out
const argument = (name) => (process.argv.includes(name) ? process.argv[process.argv.indexOf(name) + 1] : undefined);
const password = argument('--password');
const submits = [];
const seen = { binds: 0, unbinds: 0, enquire_links: 0, answers: {}, violations: [] };
const how = { throttle: 0, status: {}, mute: 0, drop: 0, delay: 0, receipts: 'none', stat: 'DELIVRD', early: false, id: 'dec', refuse: 0 };
const sessions = new Set();
let nextId = 4096;
const kept = (text) => (Buffer.isBuffer(text) ? text : typeof text === 'object' && text.message ? text.message : Buffer.from(String(text ?? ''), 'latin1'));

function bound(session, pdu) {
  if (how.refuse) return session.send(pdu.response({ command_status: how.refuse }));
  if (password !== undefined && pdu.password !== password) return session.send(pdu.response({ command_status: 0x0e }));
  seen.binds++;
  session.mode = pdu.command;
  sessions.add(session);
  session.send(pdu.response({ system_id: 'npm', sc_interface_version: 0x34 }));
}

const receiver = () => [...sessions].find((s) => s.mode !== 'bind_transmitter');

function receipt(entry, reference) {
  const session = receiver();
  if (!session || (how.receipts === 'none' && reference === undefined)) return;
  const id = how.id === 'hex' ? String(entry.number) : entry.id; // the answer was hexadecimal, the receipt is not
  const text = `id:${id} sub:001 dlvrd:001 submit date:2611231200 done date:2611231201 stat:${how.stat} err:000 text:`;
  const states = { DELIVRD: 2, EXPIRED: 3, UNDELIV: 5, ENROUTE: 1, REJECTD: 8 };
  session.deliver_sm({
    source_addr: entry.destination_addr, destination_addr: entry.source_addr, esm_class: 4, data_coding: 0,
    short_message: { message: Buffer.from(how.receipts === 'text' ? text : '', 'latin1') },
    ...(reference === undefined ? {} : { user_message_reference: reference }),
    ...(how.receipts === 'tlv' || reference !== undefined ? { receipted_message_id: id, message_state: states[how.stat] } : {}),
  }, (answer) => { seen.answers['receipt ' + answer.command_status] = (seen.answers['receipt ' + answer.command_status] ?? 0) + 1; });
}

function submitted(session, pdu) {
  const number = nextId++;
  const entry = {
    number, id: how.id === 'hex' ? number.toString(16) : String(number), source_addr: pdu.source_addr, source_addr_ton: pdu.source_addr_ton,
    destination_addr: pdu.destination_addr, data_coding: pdu.data_coding, esm_class: pdu.esm_class, priority_flag: pdu.priority_flag,
    validity_period: pdu.validity_period, registered_delivery: pdu.registered_delivery, raw: kept(pdu.short_message).toString('hex'),
    payload: pdu.message_payload ? kept(pdu.message_payload).toString('hex') : undefined, sar: [pdu.sar_msg_ref_num, pdu.sar_total_segments, pdu.sar_segment_seqnum],
    reference: pdu.user_message_reference, at: Date.now(),
  };
  for (const [status, left] of Object.entries(how.status)) {
    if (left > 0) {
      how.status[status]--;
      return session.send(pdu.response({ command_status: Number(status) }));
    }
  }
  if (how.throttle > 0) {
    how.throttle--;
    return session.send(pdu.response({ command_status: 0x58 }));
  }
  submits.push(entry);
  if (how.drop > 0) {
    how.drop--;
    sessions.delete(session);
    setTimeout(() => receipt(entry), 3000);
    return session.destroy();
  }
  if (how.mute > 0) {
    how.mute--;
    return;
  }
  if (how.early) receipt(entry);
  setTimeout(() => {
    session.send(pdu.response({ message_id: entry.id }));
    if (!how.early) setTimeout(() => receipt(entry), 50);
  }, how.delay);
}

const tls = argument('--cert') ? { key: fs.readFileSync(argument('--key')), cert: fs.readFileSync(argument('--cert')) } : undefined;
const options = tls ? { ...tls, tls: true } : {};
const server = smpp.createServer({ ...options, autoPrependBuffer: false }, (session) => {
  session.on('error', () => sessions.delete(session));
  session.on('close', () => sessions.delete(session));
  for (const kind of ['bind_transceiver', 'bind_transmitter', 'bind_receiver']) session.on(kind, (pdu) => bound(session, pdu));
  session.on('submit_sm', (pdu) => submitted(session, pdu));
  session.on('enquire_link', (pdu) => { seen.enquire_links++; session.send(pdu.response()); });
  session.on('unbind', (pdu) => { seen.unbinds++; sessions.delete(session); session.send(pdu.response()); session.close(); });
});
server.listen(0, '127.0.0.1', () => {
  control.listen(0, '127.0.0.1', () => console.log(`port=${server.address().port} control=${control.address().port}`));
});

const control = http.createServer((request, response) => {
  let body = '';
  request.on('data', (part) => (body += part));
  request.on('end', () => {
    const say = (value) => response.end(JSON.stringify(value));
    const asked = body ? JSON.parse(body) : {};
    if (request.url === '/submits') return say(submits);
    if (request.url === '/seen') return say({ ...seen, sessions: sessions.size });
    if (request.url === '/behave') return say(Object.assign(how, asked));
    if (request.url === '/receipt') {
      const entry = submits.find((each) => each.id === asked.id);
      receipt(entry, entry.reference);
      return say({});
    }
    if (request.url === '/hangup') {
      for (const session of sessions) session.destroy();
      sessions.clear();
      return say({});
    }
    if (request.url === '/deliver') {
      const session = receiver();
      if (!session) return response.writeHead(409).end('{}');
      const { hex, udh, ...fields } = asked;
      const message = Buffer.from(hex ?? '', 'hex');
      const timer = setTimeout(() => say({ status: -1 }), 8000);
      return session.deliver_sm({ ...fields, short_message: udh ? { udh: Buffer.from(udh, 'hex'), message } : { message } }, (answer) => {
        clearTimeout(timer);
        if (!response.writableEnded) say({ status: answer.command_status });
      });
    }
    response.writeHead(404).end();
  });
});
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
