// A customer of Graph that was not written beside belfry-sim: sends every kind of message with two public SDKs, uploads and fetches a
// file, and makes the mistakes whose answers an SDK must understand.
//   node client.mjs GRAPH_URL NUMBER ACCESS_TOKEN_FILE TO USER_ID   prints one JSON array of {sdk, what, ok, answer | error}
import { readFileSync } from 'node:fs';
import { WhatsAppClient, buildTemplateSendPayload } from '@kapso/whatsapp-cloud-api';
import * as parts from 'whatsapp-api-js/messages';
import { js_client } from './judges.mjs';

const [graph, phoneNumberId, tokenFile, to, user] = process.argv.slice(2);
const token = readFileSync(tokenFile, 'utf8').trim();
const done = [];

async function step(sdk, what, send) {
  try {
    const answer = await send();
    // whatsapp-api-js hands an error's body back as it hands an answer's.
    const error = answer?.error;
    done.push(error ? { sdk, what, ok: false, error } : { sdk, what, ok: true, answer });
    return answer;
  } catch (error) {
    done.push({ sdk, what, ok: false, error: { name: error.name, message: error.message, code: error.code, httpStatus: error.httpStatus,
      category: error.category, details: error.details, fbtraceId: error.fbtraceId } });
    return undefined;
  }
}

// ------------------------------------------------------------------------------------------------------------------- kapso

const client = new WhatsAppClient({ accessToken: token, baseUrl: graph, graphVersion: 'v26.0' });
const k = (what, send) => step('kapso', what, () => send(client.messages));
const base = { phoneNumberId, to };
const link = 'https://files.example.org/a';
const media = await step('kapso', 'upload', () => client.media.upload({ phoneNumberId, type: 'image/png', file: new Blob(['not quite a picture'], { type: 'image/png' }), fileName: 'plan.png' }));
const id = media?.id ?? '0';
const first = await k('text', (m) => m.sendText({ ...base, body: 'Grüß Gott 👋', previewUrl: true, bizOpaqueCallbackData: 'kapso-1' }));
const wamid = first?.messages?.[0]?.id ?? 'wamid.none';
await k('text, to a user id', (m) => m.sendText({ phoneNumberId, recipient: user, body: 'hello' }));
await k('text, answering', (m) => m.sendText({ ...base, body: 'as you said', contextMessageId: wamid }));
await k('image', (m) => m.sendImage({ ...base, image: { id, caption: 'the leak' } }));
await k('image by link', (m) => m.sendImage({ ...base, image: { link } }));
await k('video', (m) => m.sendVideo({ ...base, video: { link, caption: 'moving' } }));
await k('audio', (m) => m.sendAudio({ ...base, audio: { id, voice: true } }));
await k('document', (m) => m.sendDocument({ ...base, document: { id, caption: 'plan', filename: 'plan.pdf' } }));
await k('sticker', (m) => m.sendSticker({ ...base, sticker: { id } }));
await k('location', (m) => m.sendLocation({ ...base, location: { latitude: 52.5, longitude: 13.4, name: 'Works', address: 'Mill Lane 1' } }));
await k('contacts', (m) => m.sendContacts({ ...base, contacts: [{ name: { formattedName: 'Eva Brunner', firstName: 'Eva' }, birthday: '1980-02-03',
  phones: [{ phone: '+49 30 1', waId: '49301', type: 'WORK' }], emails: [{ email: 'eva@example.org', type: 'WORK' }], org: { company: 'City', title: 'Engineer' },
  addresses: [{ street: 'Mill Lane 1', city: 'Berlin', zip: '10115', country: 'Germany', countryCode: 'de', type: 'WORK' }], urls: [{ url: link, type: 'WORK' }] }] }));
await k('reaction', (m) => m.sendReaction({ ...base, reaction: { messageId: wamid, emoji: '👍' } }));
await k('reaction taken back', (m) => m.sendReaction({ ...base, reaction: { messageId: wamid, emoji: '' } }));
await k('template, bare', (m) => m.sendTemplate({ ...base, template: { name: 'hello_again', language: { code: 'en_US', policy: 'deterministic' } } }));
await k('template, whole', (m) => m.sendTemplate({ ...base, template: buildTemplateSendPayload({ name: 'pipe_mended', language: 'en_US',
  header: { type: 'image', image: { link } }, body: [{ type: 'text', text: 'Mill Lane' }, { type: 'date_time', dateTime: { fallbackValue: 'today' } }],
  buttons: [{ type: 'button', subType: 'quick_reply', index: 0, parameters: [{ type: 'payload', payload: 'yes' }] },
    { type: 'button', subType: 'url', index: 1, parameters: [{ type: 'text', text: 'case/7' }] },
    { type: 'button', subType: 'copy_code', index: 2, parameters: [{ type: 'coupon_code', coupon_code: 'A1' }] },
    { type: 'button', subType: 'flow', index: 3, parameters: [{ type: 'action', action: { flow_token: 't' } }] }] }) }));
await k('template, named', (m) => m.sendTemplate({ ...base, template: buildTemplateSendPayload({ name: 'pipe_named', language: 'de',
  header: { type: 'text', text: 'Water', parameterName: 'what' }, body: [{ type: 'text', text: 'Mill Lane', parameterName: 'street' }] }) }));
await k('buttons', (m) => m.sendInteractiveButtons({ ...base, bodyText: 'Is it better?', footerText: 'Water works', header: { type: 'image', image: { id } },
  buttons: [{ id: 'y', title: 'Yes' }, { id: 'n', title: 'No' }] }));
await k('list', (m) => m.sendInteractiveList({ ...base, bodyText: 'Which street?', buttonText: 'Streets', header: { type: 'text', text: 'Where' }, footerText: 'f',
  sections: [{ title: 'North', rows: [{ id: '1', title: 'Mill Lane', description: 'upper' }] }, { title: 'South', rows: [{ id: '2', title: 'High Street' }] }] }));
await k('link', (m) => m.sendInteractiveCtaUrl({ ...base, bodyText: 'See', parameters: { displayText: 'Open', url: link } }));
await k('flow', (m) => m.sendInteractiveFlow({ ...base, bodyText: 'Report', parameters: { flowId: '77', flowCta: 'Start', flowToken: 't', mode: 'draft',
  flowAction: 'navigate', flowActionPayload: { screen: 'FIRST' } } }));
await k('location request', (m) => m.sendInteractiveLocationRequest({ ...base, bodyText: 'Where are you?', parameters: { requestMessage: 'Where?' } }));
await k('address', (m) => m.sendInteractiveAddress({ ...base, bodyText: 'Your address?', parameters: { country: 'IN' } }));
await k('product', (m) => m.sendInteractiveProduct({ ...base, bodyText: 'This', catalogId: '1', productRetailerId: 'p' }));
await k('product, no body', (m) => m.sendInteractiveProduct({ ...base, catalogId: '1', productRetailerId: 'p' }));
await k('products', (m) => m.sendInteractiveProductList({ ...base, bodyText: 'These', header: { type: 'text', text: 'All' }, catalogId: '1',
  sections: [{ title: 'Pipes', productItems: [{ productRetailerId: 'p' }] }] }));
await k('catalog', (m) => m.sendInteractiveCatalogMessage({ ...base, bodyText: 'All we have', parameters: { thumbnailProductRetailerId: 'p' } }));
await k('carousel', (m) => m.sendInteractiveCarousel({ ...base, bodyText: 'Two', cards: [0, 1].map((cardIndex) => (
  { cardIndex, header: { type: 'image', image: { link } }, bodyText: `card ${cardIndex}`, action: { displayText: 'Open', url: link } })) }));
await k('read', (m) => m.markRead({ phoneNumberId, messageId: wamid }));
await k('typing', (m) => m.markRead({ phoneNumberId, messageId: wamid, typingIndicator: { type: 'text' } }));
await step('kapso', 'media', () => client.media.get({ mediaId: id, phoneNumberId }));
await step('kapso', 'download', async () => Buffer.from(await client.media.download({ mediaId: id, phoneNumberId, auth: 'always' })).toString());
await step('kapso', 'delete', () => client.media.delete({ mediaId: id, phoneNumberId }));
await step('kapso', 'wrong: media gone', () => client.media.get({ mediaId: id, phoneNumberId }));
await k('wrong: five thousand characters', (m) => m.sendRaw({ phoneNumberId, payload: { messagingProduct: 'whatsapp', to, type: 'text', text: { body: 'x'.repeat(5000) } } }));
await k('wrong: no recipient', (m) => m.sendRaw({ phoneNumberId, payload: { messagingProduct: 'whatsapp', type: 'text', text: { body: 'x' } } }));
await step('kapso', 'wrong: token', () => new WhatsAppClient({ accessToken: 'another', baseUrl: graph, graphVersion: 'v26.0' }).messages.sendText({ ...base, body: 'x' }));

// ---------------------------------------------------------------------------------------------------------- whatsapp-api-js

// It knows only Meta's own host.
const to_graph = (url, init) => fetch(String(url).replace('https://graph.facebook.com', graph), init);
const api = js_client({ token, v: 'v26.0', ponyfill: { fetch: to_graph } });
const j = (what, message, context, opaque) => step('whatsapp-api-js', what, () => api.sendMessage(phoneNumberId, to, message, context, opaque));
const form = new FormData();
form.set('file', new Blob(['not quite a plan'], { type: 'application/pdf' }), 'plan.pdf');
await step('whatsapp-api-js', 'upload', () => api.uploadMedia(phoneNumberId, form));
form.set('messaging_product', 'whatsapp');
form.set('type', 'application/pdf');
const plan = await step('whatsapp-api-js', 'upload, said in the form', () => api.uploadMedia(phoneNumberId, form));
await j('text', new parts.Text('hello', true), wamid, 'api-js-1');
await j('image', new parts.Image(link, false, 'caption'));
await j('video', new parts.Video(link));
await j('audio', new parts.Audio(plan?.id ?? '0', true));
await j('document', new parts.Document(plan?.id ?? '0', true, 'caption', 'plan.pdf'));
await j('sticker', new parts.Sticker(link));
await j('location', new parts.Location(13.4, 52.5, 'Works', 'Mill Lane 1'));
await j('contacts', new parts.Contacts([new parts.Name('Eva Brunner', 'Eva'), new parts.Birthday('1980', '02', '03'), new parts.Phone('+49 30 1', 'WORK', '49301')]));
await j('reaction', new parts.Reaction(wamid, '👍'));
await j('reaction taken back', new parts.Reaction(wamid));
await j('template', new parts.Template('pipe_mended', 'en_US', new parts.HeaderComponent(new parts.HeaderParameter(new parts.Document(link, false, undefined, 'plan.pdf'))),
  new parts.BodyComponent(new parts.BodyParameter('Mill Lane'), new parts.BodyParameter(new parts.Currency(1500, 'EUR', '1,50 €')), new parts.BodyParameter(new parts.DateTime('today'))),
  new parts.PayloadComponent('yes'), new parts.SkipButtonComponent(), new parts.URLComponent('case/7'), new parts.CopyComponent('A1')));
await j('one-time code', parts.Template.OTP('code', 'en_US', '123456'));
await j('carousel template', new parts.Template('cards', 'en_US', new parts.CarouselComponent(new parts.CarouselCard(new parts.Image(link), new parts.URLComponent('a')))));
await j('limited offer', new parts.Template('offer', 'en_US', new parts.LTOComponent(1900000000000)));
await j('buttons', new parts.Interactive(new parts.ActionButtons(new parts.Button('y', 'Yes'), new parts.Button('n', 'No')), new parts.Body('Better?'),
  new parts.Header(new parts.Document(link, false, undefined, 'plan.pdf')), new parts.Footer('Water works')));
await j('list', new parts.Interactive(new parts.ActionList('Streets', new parts.ListSection(undefined, new parts.Row('1', 'Mill Lane', 'upper'))), new parts.Body('Which?')));
await j('link', new parts.Interactive(new parts.ActionCTA('Open', link), new parts.Body('See')));
await j('flow', new parts.Interactive(new parts.ActionNavigateFlow('t', '77', 'Start', 'FIRST'), new parts.Body('Report')));
await j('location request', new parts.Interactive(new parts.ActionLocation(), new parts.Body('Where are you?')));
await j('product', new parts.Interactive(new parts.ActionProduct(new parts.CatalogProduct('p', '1')), new parts.Body('This')));
await j('products', new parts.Interactive(new parts.ActionProductList('1', new parts.ProductSection('Pipes', new parts.Product('p'))), new parts.Body('These'), new parts.Header('All')));
await j('catalog', new parts.Interactive(new parts.ActionCatalog(new parts.Product('p')), new parts.Body('All we have')));
await step('whatsapp-api-js', 'read', () => api.markAsRead(phoneNumberId, wamid));
await step('whatsapp-api-js', 'typing', () => api.markAsRead(phoneNumberId, wamid, 'text'));
const about = await step('whatsapp-api-js', 'media', () => api.retrieveMedia(plan?.id ?? '0', phoneNumberId));
if (about?.url) await step('whatsapp-api-js', 'download', async () => (await api.fetchMedia(about.url)).text());
await step('whatsapp-api-js', 'delete', () => api.deleteMedia(plan?.id ?? '0'));
await step('whatsapp-api-js', 'wrong: token', () => js_client({ token: 'another', v: 'v26.0', ponyfill: { fetch: to_graph } }).sendMessage(phoneNumberId, to, new parts.Text('x')));
console.log(JSON.stringify(done));
