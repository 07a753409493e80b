/** Model files on their way from this browser to the server. */
import { url } from '../api/client';
import { told } from '../api/errors';
import type { ApiError } from '../api/types';
import { toasts } from '../state/toasts.svelte';
import { models } from './models.svelte';
import { t } from './words';

/** One file. `checking`: all of it was sent, the server looks at it. */
export class Upload {
  sent = $state(0);
  state = $state<'sending' | 'checking' | 'done' | 'failed' | 'stopped'>('sending');
  error = $state<string | null>(null);
  readonly begun = performance.now();
  #request = new XMLHttpRequest();

  constructor(
    readonly id: number,
    readonly name: string,
    readonly file: File,
  ) {}

  get running(): boolean {
    return this.state === 'sending' || this.state === 'checking';
  }

  get bytesPerSecond(): number | null {
    const seconds = (performance.now() - this.begun) / 1000;
    return this.sent && seconds > 1 ? this.sent / seconds : null;
  }

  /** Resolves when it has ended, well or not. `fetch` would not tell how much was sent. */
  send(): Promise<void> {
    const request = this.#request;
    return new Promise((resolve) => {
      request.upload.onprogress = ({ loaded }) => (this.sent = Math.min(loaded, this.file.size));
      request.upload.onload = () => this.state === 'sending' && (this.state = 'checking');
      request.onload = () => {
        this.error = request.status < 400 ? null : reason(request);
        this.state = this.error === null ? 'done' : 'failed';
        resolve();
      };
      request.onerror = () => {
        this.error = t('uploadCut');
        this.state = 'failed';
        resolve();
      };
      request.onabort = () => {
        this.state = 'stopped';
        resolve();
      };
      request.open('POST', url('/models/files', { name: this.name, file: this.file.name }));
      request.setRequestHeader('X-Sevenb-Console', '1');
      request.setRequestHeader('Content-Type', 'application/octet-stream');
      request.send(this.file);
    });
  }

  stop(): void {
    this.#request.abort();
  }
}

class Uploads {
  list = $state<Upload[]>([]);
  #next = 1;

  readonly running = $derived(this.list.some((upload) => upload.running));

  async begin(name: string, file: File): Promise<void> {
    const upload = new Upload(this.#next++, name, file);
    this.list = [upload, ...this.list.filter((other) => other.running || other.name !== name)];
    await upload.send();
    if (upload.state !== 'done') return;
    this.dismiss(upload);
    toasts.show(t('uploadNews', { name }), { kind: 'success' });
    await models.refresh();
  }

  dismiss(upload: Upload): void {
    this.list = this.list.filter((other) => other.id !== upload.id);
  }
}

function reason(request: XMLHttpRequest): string {
  try {
    return told((JSON.parse(request.responseText) as { error: ApiError }).error);
  } catch {
    return t('uploadCut');
  }
}

export const uploads = new Uploads();

