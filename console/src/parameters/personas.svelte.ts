/** The user's personas: a system prompt and parameters under a name. */

import { api, sentence } from '../api/client';
import type { Persona } from '../api/types';
import type { Settings } from './settings';

class Personas {
  list: readonly Persona[] = $state.raw([]);
  error: string | null = $state(null);
  private asked: Promise<void> | null = null;

  /** Reads them once; again where that failed. */
  load(): Promise<void> {
    this.asked ??= this.read();
    return this.asked;
  }

  named(name: string): Persona | undefined {
    const wanted = name.trim().toLowerCase();
    return this.list.find((persona) => persona.name.toLowerCase() === wanted);
  }

  /** The one that a chat with these settings follows. */
  of(settings: Settings): Persona | undefined {
    const system = settings.system?.trim();
    return system ? this.list.find((persona) => persona.system.trim() === system) : undefined;
  }

  /** A new one, or the one of this name written anew. */
  async save(name: string, settings: Settings): Promise<void> {
    const { system = '', ...others } = settings;
    const body = { name: name.trim(), system, settings: others };
    const known = this.named(name);
    const kept = known
      ? await api.patch<Persona>(`/personas/${known.id}`, body)
      : await api.post<Persona>('/personas', body);
    this.put([...this.list.filter((persona) => persona.id !== kept.id), kept]);
  }

  async rename(persona: Persona, name: string): Promise<void> {
    const kept = await api.patch<Persona>(`/personas/${persona.id}`, { name: name.trim() });
    this.put(this.list.map((other) => (other.id === kept.id ? kept : other)));
  }

  async remove(persona: Persona): Promise<void> {
    await api.delete(`/personas/${persona.id}`);
    this.put(this.list.filter((other) => other.id !== persona.id));
  }

  private async read(): Promise<void> {
    try {
      this.put(await api.get<Persona[]>('/personas'));
      this.error = null;
    } catch (error) {
      this.asked = null;
      this.error = sentence(error);
    }
  }

  private put(list: Persona[]): void {
    this.list = list.sort((one, other) => one.name.localeCompare(other.name));
  }
}

export const personas = new Personas();
