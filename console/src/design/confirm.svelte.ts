/** A question before what cannot be undone: `if (await confirm({title, body, action})) …`. `ConfirmDialog` shows it. */
export interface Question {
  title: string;
  body: string;
  /** What the button does: "Delete chat". */
  action: string;
  danger?: boolean;
}

class Confirmation {
  question = $state.raw<Question | null>(null);
  #answer: ((yes: boolean) => void) | null = null;

  ask(question: Question): Promise<boolean> {
    this.answer(false);
    this.question = question;
    return new Promise((resolve) => (this.#answer = resolve));
  }

  answer(yes: boolean): void {
    this.question = null;
    this.#answer?.(yes);
    this.#answer = null;
  }
}

export const confirmation = new Confirmation();

export function confirm(question: Question): Promise<boolean> {
  return confirmation.ask(question);
}
