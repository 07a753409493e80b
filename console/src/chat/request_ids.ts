/** Names for requests, by which the server knows one that is sent again. */

export class RequestIds {
  private unanswered: { id: string; asked: string } | null = null;

  /** The same for the same request: what has arrived although its answer was lost is not begun twice. */
  of(request: unknown): string {
    const asked = JSON.stringify(request);
    if (this.unanswered?.asked !== asked) this.unanswered = { id: randomId(), asked };
    return this.unanswered.id;
  }

  /** The last one was answered: the same again is a new request. */
  answered(): void {
    this.unanswered = null;
  }
}

/** `crypto.randomUUID` is missing where the page comes over plain HTTP. */
function randomId(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}
