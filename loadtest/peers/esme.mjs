// An ESME that was not written beside belfry-sim: npm `smpp` binds to an SMSC, submits, gathers receipts and messages, unbinds.
//   node esme.mjs URL [--system-id ID] [--password P] [--count N] [--wait MS] [--refuse N]
// URL is smpp://127.0.0.1:PORT, or ssmpp:// for TLS. --refuse N answers the first N deliver_sm with 0x64.
// Prints one JSON object: what it was answered, every receipt, every message of a citizen as node-smpp decodes it, joined.
import { parseArgs } from 'node:util';
import smpp from 'smpp';

const text = (value) => ({ type: 'string', default: value });
const { values: said, positionals: [url] } = parseArgs({ allowPositionals: true, options: {
  'system-id': text('node'), password: text('secret'), count: text('5'), wait: text('3000'), refuse: text('0') } });

process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';  // loopback, self-signed
process.removeAllListeners('warning');
const out = { bind: null, submits: [], receipts: [], messages: [], refused: 0, odd: [] };
const sets = new Map();
let refuse = Number(said.refuse);
// node-smpp gives one octet a character where it knows no encoding.
smpp.encodings.default = 'ASCII';

const session = smpp.connect(url.startsWith('ssmpp:') ? { url, rejectUnauthorized: false } : { url });
const asked = (send) => new Promise((resolve) => send(resolve));
session.on('error', (error) => { out.error = error.message; finish(1); });

function finish(code) {
  process.stdout.write(JSON.stringify(out) + '\n', () => process.exit(code));
}

function heard(pdu) {
  if (refuse > 0) {
    refuse -= 1;
    out.refused += 1;
    return session.send(pdu.response({ command_status: 0x64 }));
  }
  session.send(pdu.response(pdu.command === 'data_sm' ? { message_id: '' } : {}));
  const has_payload = pdu.message_payload !== undefined && !(pdu.short_message?.message?.length > 0);
  const content = has_payload ? pdu.message_payload : pdu.short_message;
  const words = content.message ?? content;
  const body = { from: pdu.source_addr, to: pdu.destination_addr, coding: pdu.data_coding };
  if (pdu.esm_class & 0x3c || /^id:\S+ .*stat:/i.test(String(words))) {
    out.receipts.push({ ...body, esm_class: pdu.esm_class, text: String(words), receipted_message_id: pdu.receipted_message_id, message_state: pdu.message_state });
    return;
  }
  let [ref, parts, part] = [0, 1, 1];
  for (const each of content.udh ?? []) {
    if (each[0] === 0x00) [ref, parts, part] = [each[2], each[3], each[4]];
    if (each[0] === 0x08) [ref, parts, part] = [each.readUInt16BE(2), each[4], each[5]];
  }
  if (pdu.sar_total_segments > 1) [ref, parts, part] = [pdu.sar_msg_ref_num, pdu.sar_total_segments, pdu.sar_segment_seqnum];
  const key = [pdu.source_addr, pdu.destination_addr, ref, parts].join('|');
  const set = sets.get(key) ?? new Map();
  set.set(part, Buffer.isBuffer(words) ? words.toString('hex') : words);
  sets.set(key, set);
  if (set.size < parts) return;
  sets.delete(key);
  out.messages.push({ ...body, parts, text: [...set].sort((a, b) => a[0] - b[0]).map((each) => each[1]).join('') });
}

session.on(url.startsWith('ssmpp:') ? 'secureConnect' : 'connect', async () => {
  session.on('deliver_sm', heard);
  session.on('data_sm', heard);
  session.on('enquire_link', (pdu) => session.send(pdu.response()));
  const bound = await asked((then) => session.bind_transceiver({ system_id: said['system-id'], password: said.password, interface_version: 0x34 }, then));
  out.bind = { status: bound.command_status, system_id: bound.system_id, version: bound.sc_interface_version };
  if (bound.command_status !== 0) return finish(0);
  out.enquire = (await asked((then) => session.enquire_link(then))).command_status;
  const submit = (destination_addr, more) => asked((then) => session.submit_sm(
    { source_addr: '12345', destination_addr, registered_delivery: 1, dest_addr_ton: 1, dest_addr_npi: 1, ...more }, then))
    .then((answer) => { out.submits.push({ status: answer.command_status, id: answer.message_id }); return answer; });
  let first;
  for (let i = 0; i < Number(said.count); ++i) {
    const answer = await submit(`49151000000${i}`, { data_coding: 0, short_message: `no. ${i}: Grüße @ 5 €` });
    first ??= answer;
  }
  // Two parts, each with a header of node-smpp's making.
  const long = 'нет воды 🚰 '.repeat(9);
  const octets = Buffer.from(long, 'utf16le').swap16();
  for (const [i, cut] of [octets.subarray(0, 132), octets.subarray(132)].entries()) {
    await submit('491510000099', { data_coding: 8, short_message: { udh: Buffer.from([5, 0, 3, 77, 2, i + 1]), message: cut } });
  }
  await submit('not a number', { short_message: 'refused' });
  if (first?.message_id) {
    const state = await asked((then) => session.query_sm({ message_id: first.message_id, source_addr: '12345' }, then));
    out.query = { status: state.command_status, id: state.message_id, state: state.message_state };
  }
  out.replace = (await asked((then) => session.replace_sm({ message_id: '1' }, then))).command_status;
  await new Promise((resolve) => setTimeout(resolve, Number(said.wait)));
  const left = await asked((then) => session.unbind(then));
  out.unbind = left.command_status;
  finish(0);
});
