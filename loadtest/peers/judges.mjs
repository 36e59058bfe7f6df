// Two public SDKs as judges of what we post to Graph: each is asked to write the very message with its own builders and validators
// (zod in @kapso/whatsapp-cloud-api, constructors that throw in whatsapp-api-js). A body stands if nobody refuses it and nobody
// writes it differently. What an SDK cannot write it has no opinion on, and says why; somebody must have one.
import { webcrypto } from 'node:crypto';
import { WhatsAppClient, buildTemplateSendPayload } from '@kapso/whatsapp-cloud-api';
import { WhatsAppAPI } from 'whatsapp-api-js';
import * as parts from 'whatsapp-api-js/messages';

class NoOpinion extends Error {}
const no_opinion = (why) => { throw new NoOpinion(why); };

const camel = (value) => {
  if (Array.isArray(value)) return value.map(camel);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key.replace(/_([a-z0-9])/g, (_, c) => c.toUpperCase()), camel(each)]));
};

// What may be said or left out without a difference, by Meta's own defaults.
function plain(value) {
  if (Array.isArray(value)) return value.map(plain);
  if (value === null || typeof value !== 'object') return value;
  const out = {};
  for (const [key, each] of Object.entries(value)) {
    if ((key === 'recipient_type' && each === 'individual') || (key === 'preview_url' && each === false)) continue;
    if ((key === 'policy' && each === 'deterministic') || (key === 'components' && each.length === 0)) continue;
    if (key === 'index') out[key] = String(each);
    // kapso 0.3.0 turns amount1000 back into amount1000: the one key its case conversion does not survive.
    else out[key === 'amount1000' ? 'amount_1000' : key] = plain(each);
  }
  return out;
}

function differences(ours, theirs, at = '') {
  if (ours !== null && theirs !== null && typeof ours === 'object' && typeof theirs === 'object' && Array.isArray(ours) === Array.isArray(theirs)) {
    const keys = new Set([...Object.keys(ours), ...Object.keys(theirs)]);
    return [...keys].flatMap((key) => differences(ours[key], theirs[key], at ? `${at}.${key}` : key));
  }
  return ours === theirs ? [] : [`${at}: ours is ${JSON.stringify(ours)}, the SDK writes ${JSON.stringify(theirs)}`];
}

const answered = () => new Response('{"messages":[{"id":"x"}]}', { headers: { 'content-type': 'application/json' } });

// ------------------------------------------------------------------------------------------------------------------- kapso

// What its client would have put on the wire.
async function kapso_writes(send) {
  let wire;
  const fetch = async (url, init) => { wire = { url, ...init }; return answered(); };
  await send(new WhatsAppClient({ accessToken: 'x', baseUrl: 'http://127.0.0.1', fetch }));
  return wire;
}

// Of a document that heads a message it knows id and link only.
const kapso_header = (said) => (said?.document?.filename === undefined ? said && camel(said) : no_opinion("it drops the filename of a header's document"));

const kapso_interactive = {
  button: (m, base, said) => m.sendInteractiveButtons({ ...base, buttons: said.action.buttons.map((b) => b.reply) }),
  list: (m, base, said) => m.sendInteractiveList({ ...base, buttonText: said.action.button, sections: said.action.sections }),
  cta_url: (m, base, said) => m.sendInteractiveCtaUrl({ ...base, parameters: camel(said.action.parameters) }),
  flow: (m, base, said) => {
    if (said.action.parameters.flow_name) no_opinion('it names a flow only by id');
    return m.sendInteractiveFlow({ ...base, parameters: camel(said.action.parameters) });
  },
  location_request_message: () => no_opinion('it adds action.parameters.request_message, which Meta does not know'),
};

// Its strict schema of a template wants names in camel case, but for two of its buttons.
const kapso_button = (said) => ({
  type: 'button', subType: said.sub_type, index: said.index,
  parameters: said.sub_type === 'copy_code' || said.sub_type === 'flow' ? said.parameters : camel(said.parameters),
});

function kapso_template(said) {
  const of = (type) => (said.components ?? []).filter((each) => each.type === type);
  const [header, body, buttons] = ['header', 'body', 'button'].map(of);
  if (header.length + body.length + buttons.length < (said.components ?? []).length) no_opinion('a component its schema does not hold');
  if (buttons.some((each) => each.sub_type === 'catalog')) no_opinion('a catalog button, which its schema does not hold');
  return buildTemplateSendPayload({
    name: said.name, language: said.language.code,
    ...(header.length && { header: header[0].parameters.length === 1 ? kapso_header(header[0].parameters[0]) : header[0].parameters }),
    ...(body.length && { body: camel(body[0].parameters) }),
    ...(buttons.length && { buttons: buttons.map(kapso_button) }),
  });
}

async function kapso(body, number) {
  const base = {
    phoneNumberId: number, to: body.to, recipient: body.recipient, recipientType: body.recipient_type,
    contextMessageId: body.context?.message_id, bizOpaqueCallbackData: body.biz_opaque_callback_data,
  };
  const said = body[body.type];
  const writes = async (send) => JSON.parse((await kapso_writes((client) => send(client.messages))).body);
  const named = (method) => (m) => m[method]({ ...base, [body.type]: camel(said) });
  const ways = {
    text: (m) => m.sendText({ ...base, ...camel(said) }),
    image: named('sendImage'), video: named('sendVideo'), audio: named('sendAudio'), document: named('sendDocument'), sticker: named('sendSticker'),
    location: named('sendLocation'), contacts: named('sendContacts'), reaction: named('sendReaction'),
    // Loosely, as it is; and by its strict builder.
    template: async (m) => { await m.sendTemplate({ ...base, template: said }); await m.sendTemplate({ ...base, template: kapso_template(said) }); },
    interactive: (m) => {
      const way = kapso_interactive[said.type] ?? no_opinion(`an interactive ${said.type}`);
      return way(m, { ...base, bodyText: said.body?.text, footerText: said.footer?.text, header: kapso_header(said.header) }, said);
    },
  };
  if (body.status) return writes((m) => m.markRead({ phoneNumberId: number, messageId: body.message_id, typingIndicator: body.typing_indicator }));
  if (!ways[body.type]) throw new Error(`no type that it knows: ${body.type}`);
  return writes(ways[body.type]);
}

// ---------------------------------------------------------------------------------------------------------- whatsapp-api-js

const media = (type, said) => {
  const Kind = parts[type[0].toUpperCase() + type.slice(1)];
  if (said.voice !== undefined) no_opinion('it knows no voice notes');
  return new Kind(said.id ?? said.link, said.id !== undefined, said.caption, said.filename);
};
const header_of = (said) => (said.type === 'text' ? said.text : media(said.type, said[said.type]));
const place = (said) => new parts.Location(said.longitude, said.latitude, said.name, said.address);

const js_actions = {
  button: (said) => new parts.ActionButtons(...said.buttons.map((b) => new parts.Button(b.reply.id, b.reply.title))),
  list: (said) => new parts.ActionList(said.button, ...said.sections.map(
    (s) => new parts.ListSection(s.title, ...s.rows.map((r) => new parts.Row(r.id, r.title, r.description))))),
  cta_url: (said) => new parts.ActionCTA(said.parameters.display_text, said.parameters.url),
  flow: (said) => new parts.ActionFlow(said.parameters),
  location_request_message: () => new parts.ActionLocation(),
};

const js_buttons = {
  url: (p) => new parts.URLComponent(p.text), quick_reply: (p) => new parts.PayloadComponent(p.payload),
  copy_code: (p) => new parts.CopyComponent(p.coupon_code), flow: (p) => new parts.FlowComponent(p.action.flow_token, p.action.flow_action_data),
  catalog: (p) => new parts.CatalogComponent(new parts.Product(p.action.thumbnail_product_retailer_id)),
};

function js_parameter(said) {
  if (said.parameter_name) no_opinion('it knows no named parameters');
  if (said.type === 'text') return said.text;
  if (said.type === 'currency') return new parts.Currency(said.currency.amount_1000, said.currency.code, said.currency.fallback_value);
  if (said.type === 'date_time') return new parts.DateTime(said.date_time.fallback_value);
  if (said.type === 'location') return place(said.location);
  return media(said.type, said[said.type]);
}

function js_template(said) {
  let next = 0;
  const made = (said.components ?? []).flatMap((each) => {
    if (each.type === 'header') return new parts.HeaderComponent(...each.parameters.map((p) => new parts.HeaderParameter(js_parameter(p))));
    if (each.type === 'body') return new parts.BodyComponent(...each.parameters.map((p) => new parts.BodyParameter(js_parameter(p))));
    const button = each.type === 'button' && js_buttons[each.sub_type];
    if (!button) no_opinion(`a component ${each.type} ${each.sub_type ?? ''}`);
    // It counts buttons by their order; those that need no parameter are skipped.
    const skipped = Array.from({ length: Math.max(0, Number(each.index) - next) }, () => new parts.SkipButtonComponent());
    next = Number(each.index) + 1;
    return [...skipped, button(each.parameters[0])];
  });
  return new parts.Template(said.name, said.language.code, ...made);
}

const js_contact = (said) => [
  new parts.Name(...['formatted_name', 'first_name', 'last_name', 'middle_name', 'suffix', 'prefix'].map((k) => said.name[k])),
  ...(said.birthday ? [new parts.Birthday(...said.birthday.split('-'))] : []),
  ...(said.org ? [new parts.Organization(said.org.company, said.org.department, said.org.title)] : []),
  ...(said.phones ?? []).map((p) => new parts.Phone(p.phone, p.type, p.wa_id)),
  ...(said.emails ?? []).map((e) => new parts.Email(e.email, e.type)),
  ...(said.urls ?? []).map((u) => new parts.Url(u.url, u.type)),
  ...(said.addresses ?? []).map((a) => new parts.Address(a.country, a.country_code, a.state, a.city, a.street, a.zip, a.type)),
];

const js_messages = {
  text: (said) => new parts.Text(said.body, said.preview_url),
  location: place,
  contacts: (said) => new parts.Contacts(...said.map(js_contact)),
  reaction: (said) => {
    if (/\ufe0f|\u200d/.test(said.emoji)) no_opinion('it takes an emoji of several code points for several emojis');
    return new parts.Reaction(said.message_id, said.emoji);
  },
  template: js_template,
  interactive: (said) => {
    const action = (js_actions[said.type] ?? no_opinion(`an interactive ${said.type}`))(said.action);
    if (said.type === 'list' && said.body.text.length > 1024) no_opinion("it gives a list's body 1024 characters, Meta 4096");
    return new parts.Interactive(action, said.body && new parts.Body(said.body.text), said.header && new parts.Header(header_of(said.header)),
                                 said.footer && new parts.Footer(said.footer.text));
  },
};

export const js_client = (more = {}) => new WhatsAppAPI({ token: 'x', appSecret: 'x', v: 'v23.0', ...more, ponyfill: { subtle: webcrypto.subtle, ...more.ponyfill } });

async function api_js(body, number) {
  let wire;
  const api = js_client({ ponyfill: { fetch: async (_, init) => { wire = JSON.parse(init.body); return answered(); } } });
  if (body.status) {
    await api.markAsRead(number, body.message_id, body.typing_indicator?.type);
    return wire;
  }
  if (body.recipient !== undefined) no_opinion('it knows no business-scoped user ids');
  const make = js_messages[body.type] ?? ((said) => media(body.type, said));
  await api.sendMessage(number, body.to, make(body[body.type]), body.context?.message_id, body.biz_opaque_callback_data);
  // Contacts it writes as JSON in a string; Graph reads both.
  if (typeof wire.contacts === 'string') wire.contacts = JSON.parse(wire.contacts);
  return wire;
}

// ------------------------------------------------------------------------------------------------------------------ verdict

const said_by = (error) => error.issues?.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; ') ?? error.message;

async function asked(ours, rewrite) {
  try {
    return differences(ours, plain(await rewrite()));
  } catch (error) {
    return error instanceof NoOpinion ? error.message : [said_by(error)];
  }
}

const verdict = (opinions) => ({
  // An array holds complaints; a string says why there is no opinion.
  opinions,
  accepted: Object.values(opinions).every((o) => o.length === 0 || typeof o === 'string') && Object.values(opinions).some(Array.isArray),
});

export async function judge_message(body, number) {
  const ours = plain(body);
  return verdict({ kapso: await asked(ours, () => kapso(body, number)), 'whatsapp-api-js': await asked(ours, () => api_js(body, number)) });
}

const entries = (form) => Promise.all([...form].map(async ([name, value]) => [
  name, typeof value === 'string' ? value : { name: value.name, type: value.type, octets: Buffer.from(await value.arrayBuffer()).toString('base64') }]));

// An upload, read by the platform's own multipart parser: the SDK's form must hold the same fields.
export async function judge_upload(form, number) {
  const ours = Object.fromEntries(await entries(form));
  const file = form.get('file');
  return verdict({
    kapso: await asked(ours, async () => Object.fromEntries(await entries((await kapso_writes((client) => client.media.upload(
      { phoneNumberId: number, type: form.get('type'), file, fileName: file.name }))).body))),
    // Its check of size and type. It wants the type bare, calls 3gpp 3gp, and knows twelve documents where Meta takes any.
    'whatsapp-api-js': await asked({}, async () => {
      const type = file.type.split(';')[0];
      if (type === 'video/3gpp' || /^(text|application)\//.test(type)) no_opinion('a file of a type it may not know');
      const bare = new FormData();
      bare.set('file', new Blob([file], { type }), file.name);
      await js_client({ ponyfill: { fetch: async () => answered() } }).uploadMedia(number, bare);
      return {};
    }),
  });
}
