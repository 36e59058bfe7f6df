// Octets in and out, beside the frames: attachments to the gateway, the transcript from it.
import { readProblem } from '../shared/problem.ts';
import type { Uploaded } from './chat.ts';

// XMLHttpRequest, for fetch does not say how far an upload is.
export function upload(base: string, file: File, token: string, progress: (part: number) => void): Promise<Uploaded> {
  return new Promise((done) => {
    const call = new XMLHttpRequest();
    call.open('POST', `${base}/media`);
    call.setRequestHeader('Authorization', `Bearer ${token}`);
    call.setRequestHeader('Content-Type', file.type || 'application/octet-stream');
    call.setRequestHeader('X-File-Name', encodeURIComponent(file.name));
    call.responseType = 'json';
    call.upload.onprogress = ({ loaded, total }) => progress(total > 0 ? loaded / total : 0);
    call.onerror = call.onabort = () => done({ ok: false, problem: {} });
    call.onload = () => {
      const { id } = (call.response ?? {}) as { id?: unknown };
      done(call.status === 201 && typeof id === 'string' ? { ok: true, id } : { ok: false, problem: readProblem(call.response, call.status) });
    };
    call.send(file);
  });
}

export async function download(address: string, token: string, name: string): Promise<boolean> {
  try {
    const response = await fetch(address, { headers: { Authorization: `Bearer ${token}` }, cache: 'no-store' });
    if (!response.ok) return false;
    const link = document.createElement('a');
    link.href = URL.createObjectURL(await response.blob());
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    return true;
  } catch {
    return false;
  }
}
