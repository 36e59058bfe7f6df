// What the desk reads over REST besides its session: conversations and their messages.
import { type Answer, Api } from '../shared/api.ts';
import { type ConversationInfo, type Message, readConversation, readMessage } from './protocol.ts';

export interface Page {
  items: Message[];
  next: string; // '' is the end
}

export class DeskApi extends Api {
  async conversation(id: string): Promise<Answer<ConversationInfo>> {
    const answer = await this.call('GET', `/api/v1/conversations/${encodeURIComponent(id)}`);
    if (!answer.ok) return answer;
    const info = readConversation({ conversation: id, ...(answer.data as object) });
    return info ? { ok: true, data: info } : { ok: false, problem: {} };
  }

  async messages(id: string, after: string, limit: number): Promise<Answer<Page>> {
    const query = new URLSearchParams({ after, limit: String(limit) });
    const answer = await this.call('GET', `/api/v1/conversations/${encodeURIComponent(id)}/messages?${query}`);
    if (!answer.ok) return answer;
    const body = answer.data as { items?: unknown; next?: unknown } | null;
    const items = (Array.isArray(body?.items) ? body.items : [])
      .map(readMessage)
      .filter((each): each is Message => each !== undefined);
    const next = typeof body?.next === 'string' || typeof body?.next === 'number' ? String(body.next) : '';
    return { ok: true, data: { items, next } };
  }
}
